"""The content of feedback opens only in its own record; version 1 still opens, and what was erased does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.captures import CapturedContent, CapturedExchange
from steward.core.errors import ContentErased, InputError
from steward.core.records import SUBJECT_SEALED, Feedback
from steward.gateway.feedback import FeedbackContent
from steward.security.hierarchy import RecordPlace
from steward.security.rootkey import RootKeys, derive
from steward.security.seal import encode_owner, seal
from steward.workflows.sealing import find_owner, find_place, make_content_keys, open_version_1

ROOT = bytes(32)
RECORD = Feedback(id="fb_1", at=1.0, key_id="k", project="p", request_id="req_1", score=1.0)


def seal_version_1(record: Feedback, text: bytes, root: bytes = ROOT) -> Feedback:
    """As the releases before subject keys did."""
    owner = encode_owner("feedback", record.project, record.request_id, record.id)
    return msgspec.structs.replace(record, sealed=seal(derive(root, "feedback content"), text, owner))


def test_version_1_opens_under_its_root_key_and_under_one_that_took_its_place() -> None:
    sealed = seal_version_1(RECORD, b"words")
    assert open_version_1(RootKeys(ROOT), sealed) == open_version_1(RootKeys(b"\1" * 32, (ROOT,)), sealed) == b"words"
    with pytest.raises(InputError):
        open_version_1(RootKeys(b"\1" * 32), sealed)


@pytest.mark.parametrize("changes", [{"id": "fb_2"}, {"request_id": "req_2"}, {"project": "q"}, {"sealed": None}])
def test_version_1_does_not_open_as_anothers(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        open_version_1(RootKeys(ROOT), msgspec.structs.replace(seal_version_1(RECORD, b"words"), **changes))


def test_content_without_a_subject_belongs_to_its_exchange() -> None:
    assert find_owner(RECORD) == "exchange:req_1"
    assert find_owner(msgspec.structs.replace(RECORD, subject="s")) == "s"
    assert find_place(RECORD) == RecordPlace("default", "feedback", "sealed", "fb_1")


def pack(comment: str) -> bytes:
    return msgspec.msgpack.encode(FeedbackContent(comment, None))


def test_both_versions_are_read_and_what_was_erased_is_told_apart(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    keys = make_content_keys(store, lambda: RootKeys(ROOT))
    old = seal_version_1(RECORD, pack("old"))
    new, gone = (msgspec.structs.replace(RECORD, id=name, subject=name) for name in ("fb_2", "fb_3"))
    new, gone = (msgspec.structs.replace(item, sealed=keys.seal(item, pack(item.id))) for item in (new, gone))
    assert (new.sealed or b"").startswith(SUBJECT_SEALED)
    keys.keys.shred("default", "fb_3", at=2.0, actor="operator:1000")
    assert [keys.open_feedback(item) for item in (old, new, gone)] == [
        FeedbackContent("old", None), FeedbackContent("fb_2", None), None,
    ]  # fmt: skip
    with pytest.raises(ContentErased):
        keys.open(gone)
    assert keys.seal(gone, b"again") is None
    with pytest.raises(InputError):
        keys.open(msgspec.structs.replace(new, id="fb_9"))
    store.close()


CAPTURED = CapturedExchange(
    request_id="req_1", at=1.0, key_id="k", project="p", endpoint="/v1/chat/completions", route="m", model="m",
    streamed=True, subject="anna", conversation=None, purpose="training", consent=True, form="masked",
    rules_version="v", expires_at=200.0, complete=True, sealed=b"",
)  # fmt: skip


def test_the_texts_of_a_captured_exchange_open_as_its_own_until_they_are_erased(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    keys, content = make_content_keys(store, lambda: RootKeys(ROOT)), CapturedContent(b'{"a":1}', ())
    record = msgspec.structs.replace(CAPTURED, sealed=keys.seal(CAPTURED, msgspec.msgpack.encode(content)) or b"")
    assert keys.open_capture(record) == content and find_owner(record) == "anna"
    with pytest.raises(InputError):
        keys.open_capture(msgspec.structs.replace(record, request_id="req_2"))
    keys.keys.shred("default", "anna", at=2.0, actor="operator:1000")
    assert keys.open_capture(record) is None
    owner = encode_owner("captured exchange", "default", "p", "req_1")
    first = msgspec.structs.replace(CAPTURED, sealed=seal(derive(ROOT, "captured exchanges"), b"x", owner))
    assert open_version_1(RootKeys(ROOT), first) == b"x"
    store.close()
