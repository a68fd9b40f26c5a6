"""What `POST /v1/appeals` accepts, and what it keeps."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.core.records import Feedback
from steward.gateway.appeals import accept_appeal
from steward.gateway.feedback import MAX_TEXT, FeedbackContent

REQUEST = "req_" + "0" * 24
CALLER = Caller(principal=Principal(kind="key", id="k", tenant="t", project="p"))
AT = 1_795_900_000.0  # 2026-11-28


def seal(record: Feedback, content: bytes) -> bytes:
    return b"sealed " + content


def accept(**body: Any) -> tuple[Feedback, dict[str, Any]]:
    record, answer = accept_appeal(json.dumps(body).encode(), CALLER, "appeal_1", AT, seal, "subject", 30)
    return record, json.loads(answer)


def test_an_appeal_is_sealed_and_has_a_deadline() -> None:
    record, receipt = accept(request_id=REQUEST, ground="it was wrong", wish="look again")
    assert receipt == {"object": "appeal", "id": "appeal_1", "request_id": REQUEST, "decide_by": "2026-12-28"}
    assert (record.kind, record.label, record.score, record.subject) == ("appeal", "2026-12-28", 0.0, "subject")
    assert (record.tenant, record.project, record.request_id, record.any_key) == ("t", "p", REQUEST, False)
    assert record.sealed is not None
    content = msgspec.msgpack.decode(record.sealed.removeprefix(b"sealed "), type=FeedbackContent)
    assert content == FeedbackContent("it was wrong", "look again")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"request_id": "x", "ground": "wrong"}, "request_id"),
        ({"request_id": REQUEST, "ground": "  a "}, "ground"),
        ({"request_id": REQUEST, "ground": "a" * (MAX_TEXT + 1)}, "ground"),
        ({"request_id": REQUEST, "ground": "abc", "wish": "a" * (MAX_TEXT + 1)}, "wish"),
        ({"request_id": REQUEST}, "ground"),
        ({"request_id": REQUEST, "ground": 5}, "ground"),
        ({"request_id": REQUEST, "ground": "abc", "score": 1}, "score"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(body: dict[str, Any], param: str | None) -> None:
    with pytest.raises(Refused) as caught:
        accept(**body)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert "aaaa" not in caught.value.message


def test_limits_are_kept_to_the_letter() -> None:
    assert accept(request_id=REQUEST, ground="a" * MAX_TEXT, wish="b" * MAX_TEXT)[0].sealed
    assert accept(request_id=REQUEST, ground="bad")[0].sealed
