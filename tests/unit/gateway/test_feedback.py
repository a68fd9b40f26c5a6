import json

import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.core.records import Feedback
from steward.gateway.feedback import MAX_TEXT, accept_feedback, decode

ID = "req_" + "a" * 24
KEY = Caller(principal=Principal(kind="key", id="k1", tenant="t", project="p"))


def seal(record: Feedback, content: bytes) -> bytes:
    return f"{record.id}/{record.project}/{record.request_id}:".encode() + content


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"score": 1.01}, "score"),
        ({"score": -2}, "score"),
        ({"score": "good"}, "score"),
        ({"score": None}, "score"),
        ({"request_id": "chatcmpl-1"}, "request_id"),
        ({"request_id": ID + "0"}, "request_id"),
        ({"label": "not a label, the whole story"}, "label"),
        ({"label": ""}, "label"),
        ({"comment": "x" * (MAX_TEXT + 1)}, "comment"),
        ({"correction": "x" * (MAX_TEXT + 1)}, "correction"),
        ({"comment": 7}, "comment"),
        ({"other": 1}, "other"),
        ({"kind": "my secret"}, "kind"),
        ({"kind": 7}, "kind"),
        ({"kind": "copy"}, "score"),
        ({"kind": "copy", "score": None}, "comment"),
        ({"kind": "abandon", "score": None, "comment": None, "correction": "secret"}, "correction"),
        ({"kind": "judge", "score": None}, "score"),
    ],
)
def test_what_is_wrong_is_named_and_no_text_repeated(change: dict[str, object], param: str | None) -> None:
    body = json.dumps({"request_id": ID, "score": 1, "comment": "my secret"} | change).encode()
    with pytest.raises(Refused) as caught:
        decode(body)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert "secret" not in caught.value.message and "story" not in caught.value.message


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 9999, b'{"request_id":"x","score":NaN}'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        decode(body)


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ("NaN", "not valid JSON"),  # RFC 8259, section 6: neither NaN nor Infinity is JSON
        ("Infinity", "not valid JSON"),
        ("-Infinity", "not valid JSON"),
        ("1e999", "out of range"),  # no double holds it
        ("-1e999", "out of range"),
        ("1e308", "score must be between -1 and 1, not 1e+308."),
        ("9" * 400, "out of range"),
        ('"NaN"', "'score' must be a number, not a string."),
        ("true", "'score' must be a number, not true."),
    ],
    ids=["nan", "inf", "-inf", "1e999", "-1e999", "1e308", "400 digits", "text", "true"],
)
def test_a_score_that_is_no_number_between_minus_1_and_1_is_refused(score: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        decode(f'{{"request_id": "{ID}", "score": {score}}}'.encode())
    assert caught.value.status == 400 and said in caught.value.message


def test_content_leaves_only_through_the_seal() -> None:
    body = json.dumps({"request_id": ID, "score": -0.5, "label": "wrong", "comment": "c", "correction": "d"}).encode()
    record, answer = accept_feedback(body, KEY, "fb_1", 5.0, seal)
    assert (record.tenant, record.project, record.key_id) == ("t", "p", "k1")
    assert (record.score, record.label, record.at) == (-0.5, "wrong", 5.0)
    assert record.sealed and record.sealed.startswith(f"fb_1/p/{ID}:".encode())
    assert json.loads(answer) == {
        "object": "feedback", "id": "fb_1", "request_id": ID, "score": -0.5, "label": "wrong", "kind": "explicit",
    }  # fmt: skip


def test_a_score_alone_seals_nothing() -> None:
    record, _ = accept_feedback(json.dumps({"request_id": ID, "score": 1}).encode(), KEY, "fb_1", 5.0, seal)
    assert record.sealed is None and record.label is None


def test_a_text_may_have_32768_characters() -> None:
    def say(length: int) -> str | None:
        return decode(json.dumps({"request_id": ID, "score": 1, "comment": "x" * length}).encode()).comment

    assert len(say(32_768) or "") == 32_768
    with pytest.raises(Refused, match="comment has 32,769 characters; the limit is 32,768"):
        say(32_769)


@pytest.mark.parametrize("text", [{"comment": "c"}, {"correction": "d"}])
def test_one_text_is_sealed_too(text: dict[str, str]) -> None:
    record, _ = accept_feedback(json.dumps({"request_id": ID, "score": 1, **text}).encode(), KEY, "fb_1", 5.0, seal)
    assert record.sealed is not None and next(iter(text.values())).encode() in record.sealed


@pytest.mark.parametrize("score", [-1, 1, 0])
def test_the_ends_of_the_scale_are_scores(score: int) -> None:
    assert decode(json.dumps({"request_id": ID, "score": score}).encode()).score == score


@pytest.mark.parametrize("kind", ["regenerate", "abandon", "copy", "rephrase"])
def test_a_signal_has_no_score(kind: str) -> None:
    record, answer = accept_feedback(json.dumps({"request_id": ID, "kind": kind}).encode(), KEY, "fb_1", 5.0, seal)
    assert (record.kind, record.score, record.sealed) == (kind, 0.0, None)
    assert json.loads(answer)["score"] is None and json.loads(answer)["kind"] == kind


def test_only_a_key_that_rates_for_others_is_an_evaluator() -> None:
    body = json.dumps({"request_id": ID, "kind": "judge", "score": 0.5}).encode()
    with pytest.raises(Refused) as caught:
        accept_feedback(body, KEY, "fb_1", 5.0, seal)
    assert (caught.value.status, caught.value.param) == (403, "kind")
    rights = frozenset({"feedback", "feedback.project"})
    evaluator = Caller(principal=Principal(kind="key", id="k1", tenant="t", project="p", rights=rights))
    record, _ = accept_feedback(body, evaluator, "fb_1", 5.0, seal)
    assert (record.kind, record.score) == ("judge", 0.5)
