"""People become realistic names, the same ones within a conversation, and come back in pieces of any size."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from steward.gateway.exchange import Exchange
from steward.gateway.guards import GuardedStream, guard_answer, guard_request
from steward.privacy.finding import PersonalFinding
from steward.privacy.guard import PrivacyGuard
from steward.privacy.policy import PROFILE_ACTIONS, PrivacyPolicy
from steward.privacy.pseudonyms import TokenKey, mask
from steward.privacy.surrogates import _BEGINNINGS, _ENDINGS, _GIVEN, SurrogateMaker, Surrogates
from steward.privacy.url_context import UrlContext

KEY, SCOPE = b"k" * 32, ("p", "conversation", "c")
BACK = Surrogates({"Ada Brenwick": "Zora Quill", "Brenwick": "Quill", "EMAIL_7F3K2Q9ABC": "z@q.example"})
TEXT = "Dear Ada Brenwick, dear Ms. Brenwick (EMAIL_7F3K2Q9ABC), Ada and Bren greet ADA BRENWICK."
VALUE = "Dear Zora Quill, dear Ms. Quill (z@q.example), Ada and Bren greet Zora Quill."


def cut(text: str, source: random.Random) -> list[str]:
    places = sorted(source.sample(range(1, len(text)), source.randint(1, len(text) - 1)))
    return [text[start:stop] for start, stop in zip([0, *places], [*places, len(text)], strict=True)]


def feed_all(back: Surrogates, pieces: Sequence[str]) -> list[str]:
    out, held, context = [], "", UrlContext()
    for number, piece in enumerate(pieces, 1):
        passed, held = back.feed(held + piece, number == len(pieces), context)
        out.append(passed)
    assert held == ""
    return out


@pytest.mark.parametrize("seed", range(300))
def test_names_and_tokens_that_are_cut_anywhere_come_back(seed: int) -> None:
    out = feed_all(BACK, cut(TEXT, random.Random(seed)))
    assert "".join(out) == VALUE == BACK.restore(TEXT)


def test_only_what_may_become_a_name_waits() -> None:
    assert BACK.feed("Hello Ada Bre", False) == ("Hello ", "Ada Bre")
    assert BACK.feed("Hello Adam", False) == ("Hello Adam", "")
    assert BACK.feed("Hello Ada Bre", True) == ("Hello Ada Bre", "")


def test_a_name_within_a_url_stays() -> None:
    text = "see https://evil.example/?q=Brenwick&x=1 for Brenwick"
    assert "".join(feed_all(BACK, cut(text, random.Random(1)))) == "see https://evil.example/?q=Brenwick&x=1 for Quill"


def test_a_person_has_one_name_in_a_conversation_and_others_elsewhere() -> None:
    first = SurrogateMaker(TokenKey(KEY), SCOPE).make_token("PERSON", "Zora Quill")
    assert first == SurrogateMaker(TokenKey(KEY), SCOPE).make_token("PERSON", "Zora Quill")
    others = {
        SurrogateMaker(TokenKey(KEY), ("p", "conversation", "d")).make_token("PERSON", "Zora Quill"),
        SurrogateMaker(TokenKey(b"x" * 32), SCOPE).make_token("PERSON", "Zora Quill"),
        SurrogateMaker(TokenKey(KEY), SCOPE).make_token("PERSON", "Bela Quill"),
        SurrogateMaker(TokenKey(KEY), SCOPE).make_token("PERSON", "Zora Quill", 1),
    }
    assert first not in others and len(others) == 4
    assert " " not in SurrogateMaker(TokenKey(KEY), SCOPE).make_token("PERSON", "Quill")
    assert SurrogateMaker(TokenKey(KEY), SCOPE).make_token("EMAIL_ADDRESS", "a@b.example").startswith("EMAIL_")
    assert SurrogateMaker(TokenKey(KEY), SCOPE).make_token("PERSON", "Quill", 6).startswith("PERSON_")


def mask_people(text: str, *values: str) -> tuple[str, Surrogates]:
    found = sorted((text.index(value), value) for value in values)
    row = [PersonalFinding(at, at + len(value), "PERSON", 0.9, "names") for at, value in found]
    maker = SurrogateMaker(TokenKey(KEY), SCOPE)
    (masked,), back = mask([text], [row], maker.make_token, lambda entity, value: None, Surrogates)
    assert isinstance(back, Surrogates)
    return masked, back


def test_a_name_that_stands_in_the_text_already_is_given_to_nobody() -> None:
    taken = SurrogateMaker(TokenKey(KEY), SCOPE).make_token("PERSON", "Zora Quill")
    text = f"Zora Quill met {taken}."
    masked, back = mask_people(text, "Zora Quill")
    assert "Zora" not in masked and masked.count(taken) == 1 and back.restore(masked) == text


def test_two_hundred_people_in_one_request_keep_apart() -> None:
    names = [f"Zora Q{number:03d}x" for number in range(200)]
    text = " and ".join(names)
    masked, back = mask_people(text, *names)
    assert len(set(masked.split(" and "))) == 200 and back.restore(masked) == text and "Zora" not in masked


def test_the_lists_are_whole_and_ascii() -> None:
    for names in (_GIVEN, _BEGINNINGS, _ENDINGS):
        assert len(set(names)) == len(names) and len(names) & (len(names) - 1) == 0 and "".join(names).isascii()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_conversation_through_the_guard(streamed: bool) -> None:
    guard = PrivacyGuard(PrivacyPolicy(actions=dict(PROFILE_ACTIONS["gdpr"]), surrogates=True), bytes(32))
    said = {"model": "m", "messages": [{"role": "user", "content": "My name is Zora Quill, z@q.example."}]}
    exchange = Exchange("req_1", "/v1/chat/completions", {}, json.dumps(said).encode(), 0.0, 0.0)
    guard_request([guard], exchange)
    sent = json.loads(exchange.body)["messages"][0]["content"]
    assert "Zora" not in sent and "PERSON_" not in sent and "EMAIL_" in sent
    text = sent.replace("My name is", "Hello")
    if streamed:
        events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in cut(text, random.Random(3))]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        stream, out = GuardedStream([guard], exchange), ""
        for event in events:
            for line in stream.feed(b"data: " + json.dumps(event).encode() + b"\n\n").splitlines():
                if line.startswith(b"data: {"):
                    out += json.loads(line[6:])["choices"][0]["delta"].get("content", "")
    else:
        answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
        answered = guard_answer([guard], exchange, json.dumps(answer).encode())
        out = json.loads(answered)["choices"][0]["message"]["content"]
    assert out == "Hello Zora Quill, z@q.example."
