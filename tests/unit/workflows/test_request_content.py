"""Whose words a reading opens: those of its tenant and project, and comments that count for the request."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import pytest

from console_home import NOW, HomeConsole
from steward.core.captures import CapturedContent, CapturedExchange, CapturedText
from steward.core.errors import InputError, UnknownName
from steward.core.identity import Principal
from steward.core.records import Admitted, Attempt, Feedback, Settled
from steward.gateway.feedback import FeedbackContent
from steward.workflows.request_content import RequestContent, is_captured, read_request_content
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import find_deployment

ANNA: Final = Principal(kind="person", id="anna", reason="complaint 4711")


@pytest.fixture
def home(tmp_path: Path) -> HomeConsole:
    """A request of the project `shop` with a comment from there, one from `bank`, and one of another tenant."""
    made = HomeConsole(tmp_path)
    keys = make_content_keys(made.store, find_deployment(tmp_path).follow_roots())
    admitted = Admitted(
        request_id="req_1", at=NOW - 60, key_id="k", project="shop", endpoint="/v1/chat/completions", route="r",
        streamed=False,
    )  # fmt: skip
    settled = Settled(
        request_id="req_1", at=NOW - 59, outcome="ok", status=200, model="m", usd=None,
        attempts=(Attempt("m", 200, None, NOW - 60, 1.0),),
    )  # fmt: skip
    made.store.ledger.drain("w", "requests", 1, [admitted, settled])
    for tenant, project in (("default", "shop"), ("default", "bank"), ("acme", "shop")):
        name = f"{tenant}-{project}"
        said = Feedback(
            id=name, at=NOW - 30, key_id="k", tenant=tenant, project=project, request_id="req_1", score=-1.0
        )
        sealed = keys.seal(said, msgspec.msgpack.encode(FeedbackContent(f"words of {name}", None)))
        made.store.ledger.drain("w", name, 1, [msgspec.structs.replace(said, sealed=sealed)])
    return made


def read(home: HomeConsole, who: Principal = ANNA, tenant: str | None = None) -> RequestContent:
    return read_request_content(home.home, home.store, "req_1", NOW, actor=who, tenant=tenant)


def test_comments_of_others_on_the_same_request_stay_closed(home: HomeConsole) -> None:
    within = msgspec.structs.replace(ANNA, project="shop", within="shop")
    for content in (read(home), read(home, within, "default")):
        assert [rating.comment for rating in content.ratings] == ["words of default-shop"]
        assert content.purpose is None and content.request == ""


def test_whoever_is_within_a_project_sees_its_ratings_alone(home: HomeConsole) -> None:
    for project, names in [("shop", ["default-shop"]), (None, ["default-shop", "default-bank"])]:
        details = home.store.exchanges.show("req_1", tenant="default", project=project)
        assert details is not None and [row.id for row in details.feedback] == names


@pytest.mark.parametrize(("within", "tenant"), [("bank", "default"), (None, "acme")])
def test_a_request_of_another_project_or_tenant_is_not_known(
    home: HomeConsole, within: str | None, tenant: str
) -> None:
    with pytest.raises(UnknownName, match="req_1"):
        read(home, msgspec.structs.replace(ANNA, within=within), tenant)
    assert not (home.home / "audit").exists()


def test_a_reading_needs_a_reason(home: HomeConsole) -> None:
    with pytest.raises(InputError, match="reason: empty"):
        read(home, msgspec.structs.replace(ANNA, reason=" "))


def keep_words(home: HomeConsole, expires_at: float) -> None:
    keys = make_content_keys(home.store, find_deployment(home.home).follow_roots())
    exchange = CapturedExchange(
        request_id="req_1", at=NOW - 60, key_id="k", project="shop", endpoint="/v1/chat/completions", route="r",
        model="m", streamed=False, subject="s1", conversation=None, purpose="support", consent=None, form="as_sent",
        rules_version="v", expires_at=expires_at, complete=False, sealed=b"",
    )  # fmt: skip
    content = msgspec.msgpack.encode(CapturedContent(b'{"a": 1}', (CapturedText(0, "content", "rest it"),)))
    sealed = msgspec.structs.replace(exchange, sealed=keys.seal(exchange, content))
    home.store.ledger.drain("w", "captures", 1, [sealed])


@pytest.mark.parametrize(("left_s", "is_kept"), [(1.0, True), (0.0, False), (-1.0, False)])
def test_words_are_read_until_they_expire(home: HomeConsole, left_s: float, is_kept: bool) -> None:
    keep_words(home, NOW + left_s)
    content, details = read(home), home.store.exchanges.show("req_1", tenant="default")
    assert details is not None and is_captured(home.store, details, NOW) is is_kept
    assert (content.request, content.purpose) == (('{"a": 1}', "support") if is_kept else ("", None))
    assert [text.text for text in content.answer] == (["rest it"] if is_kept else [])
    assert (content.complete, content.erased) == (not is_kept, False)


def test_nothing_is_captured_of_a_request_that_was_not(home: HomeConsole) -> None:
    details = home.store.exchanges.show("req_1", tenant="default")
    assert details is not None and not is_captured(home.store, details, NOW)


def test_of_a_person_who_was_erased_it_is_said_that_there_were_words(home: HomeConsole) -> None:
    keep_words(home, NOW + 1)
    make_content_keys(home.store, find_deployment(home.home).follow_roots()).keys.shred(
        "default", "s1", at=NOW, actor="o"
    )
    content = read(home)
    assert (content.request, content.answer, content.erased, content.purpose) == ("", (), True, "support")
