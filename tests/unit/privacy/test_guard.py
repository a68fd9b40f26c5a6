"""restore(stream(mask(T))) == T, for all texts and all ways to cut them."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Literal

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from failing_guard import FailingGuard
from steward.core.extend import DetectedSpan, GuardContext, Verdict
from steward.privacy.config import PrivacyConfig
from steward.privacy.custom import CustomDetector, CustomDetectors, DetectorFailed
from steward.privacy.entities import ENTITIES, PROFILES
from steward.privacy.finding import PersonalFinding
from steward.privacy.guard import LenientGuard, PrivacyGuard, SeenTexts, make_guard, token_scope
from steward.privacy.policy import PROFILE_ACTIONS, PrivacyPolicy
from steward.privacy.pseudonyms import Ambiguous, Pseudonyms, make_token, mask
from steward.privacy.scan import scan_text
from steward.privacy.url_context import UrlContext

KEY = bytes(32)
ALL = PrivacyPolicy(actions=dict(PROFILE_ACTIONS["gdpr"]))


def find_personal_data(text: str) -> list[PersonalFinding]:
    return scan_text(text, PROFILES["gdpr"])


class Exchange:
    """What the gateway's exchange shows to a guard."""

    def __init__(self, request_id: str = "req_1", project: str = "p", conversation: str | None = None) -> None:
        self.request_id, self.project, self.conversation = request_id, project, conversation
        self.endpoint, self.route, self.key_id = "/v1/chat/completions", "m", ""
        self.tenant = "t"


VALUES = ["bob@example.com", "Bob@example.com", "+49 30 901820", "4111 1111 1111 1111", "192.168.7.9", "2001:db8::7"]
TOKENS = [make_token(KEY, token_scope(Exchange()), find_personal_data(value)[0].entity, value) for value in VALUES]
PIECES = st.one_of(
    st.sampled_from(VALUES),
    st.sampled_from(TOKENS),  # planted: the very tokens that this request would issue
    st.sampled_from([text[:-1] for text in TOKENS] + [text.lower() for text in TOKENS]),
    st.sampled_from(["EMAIL_", "EMAIL_7F3K2Q", "PHONE", "CARD_0123456789", "I", "IP_", " ", "\n", '"', "\\", "é", "_"]),
    st.text(max_size=8),
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)


def is_in_url(before: str) -> bool:
    context = UrlContext()
    context.follow(before)
    return context.is_in_url()


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places})
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 10_000), max_size=40))
@example("EMAIL_7F3K2Q" + VALUES[3], [])
@example(" ".join(TOKENS + VALUES), [])
def test_what_is_masked_comes_back_whole_however_it_is_cut(text: str, places: list[int]) -> None:
    assume(not any(is_in_url(text[: span.start]) for span in find_personal_data(text)))  # tests/security/test_s13_…
    guard, exchange = PrivacyGuard(ALL, KEY), Exchange()
    verdict = guard.request(exchange, [text])
    masked = verdict.texts[0] if verdict.action == "rewrite" else text
    emitted = ""
    for piece in cut(masked, places):
        emitted += guard.delta(exchange, 0, "content", piece, last=False)
        assert text.startswith(emitted)  # no part of a token is ever emitted
    assert emitted + guard.delta(exchange, 0, "content", "", last=True) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*VALUES, "hello", "é", "12", "(", "EMAIL_7F3K2Q", *TOKENS]), min_size=1))
def test_no_value_is_left(words: list[str]) -> None:
    text = " \n ".join(words)
    verdict = PrivacyGuard(ALL, KEY).request(Exchange(), [text])
    assert (verdict.action == "rewrite") == bool(set(words) & set(VALUES))
    assert not [value for value in VALUES if value in "".join(verdict.texts)]


def test_a_token_is_never_taken_for_data() -> None:
    tokens = [make_token(KEY, ("p", str(number)), kind, "v") for number in range(2000) for kind in ENTITIES]
    assert find_personal_data(" ".join(tokens)) == [] and find_personal_data("".join(tokens)) == []


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(1, 3))
def test_every_character_apart_holds_back_less_than_a_token(text: str, size: int) -> None:
    back = Pseudonyms(dict(zip(TOKENS, VALUES, strict=True)))
    held, out = "", ""
    for start in range(0, len(text), size):
        piece, held = back.feed(held + text[start : start + size], last=False)
        out += piece
        assert len(held) <= 16
    assert out + back.feed(held, last=True)[0] == back.restore(text)


def test_choices_and_fields_do_not_mix() -> None:
    guard, exchange = PrivacyGuard(ALL, KEY), Exchange()
    issued = guard.request(exchange, [VALUES[0]]).texts[0]
    assert guard.delta(exchange, 0, "content", issued[:7], False) == ""
    assert guard.delta(exchange, 1, "content", issued[7:], False) == issued[7:]
    assert guard.delta(exchange, 0, "reasoning", "x", False) == "x"
    assert guard.delta(exchange, 0, "content", issued[7:].lower(), False) == VALUES[0]


def test_a_token_that_another_request_issued_is_not_restored() -> None:
    guard, one, two = PrivacyGuard(ALL, KEY), Exchange("req_1"), Exchange("req_2")
    theirs = guard.request(one, ["eve@example.com"]).texts[0]
    guard.request(two, [VALUES[0]])
    assert guard.delta(two, 0, "content", theirs, True) == theirs


def test_a_token_is_the_same_within_a_conversation_only() -> None:
    guard = PrivacyGuard(ALL, KEY)

    def issued(exchange: GuardContext) -> str:
        return guard.request(exchange, [VALUES[0]]).texts[0]

    same = issued(Exchange("req_1", conversation="c"))
    assert same == issued(Exchange("req_2", conversation="c"))
    others = [Exchange(conversation="d"), Exchange("req_2"), Exchange("req_1"), Exchange("c"), Exchange(project="q")]
    assert len({same, *map(issued, others)}) == 6


def test_values_need_no_escaping_in_json() -> None:
    for value in VALUES:
        assert json.dumps(value) == f'"{value}"'


def test_nothing_is_remembered_when_the_exchange_is_gone() -> None:
    guard, exchange = PrivacyGuard(ALL, KEY), Exchange()
    guard.request(exchange, [VALUES[0]])
    assert len(guard._states) == 1
    del exchange
    assert len(guard._states) == 0


def test_blocked_and_redacted_kinds() -> None:
    policy = PrivacyConfig.model_validate(
        {"profile": "gdpr", "actions": {"credit_card": "block", "email": "redact"}}
    ).policy()
    assert policy is not None
    guard, exchange = PrivacyGuard(policy, KEY), Exchange()
    verdict = guard.request(exchange, ["pay with 4111 1111 1111 1111"])
    assert verdict.action == "block" and "4111" not in verdict.reason and "payment card" in verdict.reason
    verdict = guard.request(exchange, ["bob@example.com at 8.8.4.4"])
    assert verdict.texts[0].startswith("[EMAIL REDACTED] at IP_")
    assert guard.delta(exchange, 0, "content", verdict.texts[0], True) == "[EMAIL REDACTED] at 8.8.4.4"


def test_a_key_has_rules_of_its_own_and_so_has_a_route() -> None:
    policy = PrivacyConfig.model_validate(
        {"profile": "gdpr", "routes": {"m": {"profile": "pci"}}, "keys": {"k1": {"profile": "off"}}}
    ).policy()
    assert policy is not None
    guard, exchange, trusted = PrivacyGuard(policy, KEY), Exchange(), Exchange()
    text, trusted.key_id = "bob@example.com 4111 1111 1111 1111", "k1"
    assert guard.request(exchange, [text]).texts == ("bob@example.com **** **** **** 1111",)
    assert guard.request(trusted, [text]).action == "allow"
    exchange.route = "other"
    assert "bob" not in guard.request(exchange, [text]).texts[0]


def test_a_failure_blocks_unless_the_settings_say_allow(caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(make_guard(ALL, KEY), PrivacyGuard)
    assert PrivacyConfig().on_error == "block"
    verdict = LenientGuard(FailingGuard()).request(Exchange(), ["bob@example.com"])
    assert (verdict.action, verdict.reason) == ("allow", "failed")
    assert "RuntimeError" in caplog.text and "bob" not in caplog.text


def test_tokens_that_cannot_be_told_apart_are_a_failure() -> None:
    findings = [find_personal_data("bob@example.com"), []]
    with pytest.raises(Ambiguous):
        mask(["bob@example.com", TOKENS[0]], findings, lambda *_: TOKENS[0], lambda entity, value: None)


def test_where_a_value_has_one_token() -> None:
    """Within a conversation, else within a project's embeddings, else within a request."""
    exchange = Exchange()
    assert token_scope(exchange) == ("p", "request", "req_1")
    exchange.endpoint = "/v1/embeddings"
    assert token_scope(exchange) == ("p", "embeddings", "")
    exchange.conversation = "c"
    assert token_scope(exchange) == ("p", "conversation", "c")


def test_what_is_off_or_has_nothing_personal_is_let_through() -> None:
    off = PrivacyPolicy(actions={})
    verdict = PrivacyGuard(off, KEY).request(Exchange(), ["bob@example.com"])
    assert (verdict.action, verdict.reason) == ("allow", "off")
    assert PrivacyGuard(ALL, KEY).request(Exchange(), ["hello"]).action == "allow"
    only_cards = PrivacyPolicy(actions={"CREDIT_CARD": "mask"})
    assert PrivacyGuard(only_cards, KEY).request(Exchange(), ["bob@example.com"]).action == "allow"


def test_twenty_thousand_different_values_are_replaced_and_no_more() -> None:
    def texts(count: int) -> list[str]:
        return [" ".join(f"u{number}@a.io" for number in range(count)), "u0@a.io"]

    policy = PrivacyPolicy(actions={"EMAIL_ADDRESS": "redact"})
    verdict = PrivacyGuard(policy, KEY).request(Exchange(), texts(20_000))
    assert verdict.action == "rewrite" and verdict.masked == {"email": 20_001}
    verdict = PrivacyGuard(policy, KEY).request(Exchange(), texts(20_001))
    assert (verdict.action, verdict.reason) == (
        "block", "the request contains more than 20,000 different personal values",
    )  # fmt: skip


def test_what_was_remembered_can_be_told_to_another_process() -> None:
    guard, other, exchange = PrivacyGuard(ALL, KEY), PrivacyGuard(ALL, KEY), Exchange()
    assert guard.recall(exchange) is None
    other.remember(exchange, None)
    token = guard.request(exchange, [VALUES[0]]).texts[0]
    assert other.delta(exchange, 0, "content", token, True) == token
    other.remember(exchange, guard.recall(exchange))
    assert other.delta(exchange, 0, "content", token, True) == VALUES[0]


def test_a_lenient_guard_lets_through_what_it_cannot_decide(caplog: pytest.LogCaptureFixture) -> None:
    lenient, exchange = LenientGuard(FailingGuard()), Exchange()
    assert lenient.delta(exchange, 0, "content", "as it came", True) == "as it came"
    assert (lenient.close(exchange).action, lenient.close(exchange).reason) == ("allow", "failed")
    assert "secret" not in caplog.text and "req_1: guard privacy failed" in caplog.text
    kind = PrivacyPolicy(actions=ALL.actions, on_error="allow")
    made = make_guard(kind, KEY)
    assert isinstance(made, LenientGuard) and made.name == "privacy"
    token = made.request(exchange, [VALUES[0]]).texts[0]
    other = copy.copy(made)  # by what it says of itself, as for a large text in another process
    assert isinstance(other, LenientGuard)
    other.remember(exchange, made.recall(exchange))
    assert other.delta(exchange, 0, "content", token, True) == VALUES[0]


def test_a_detector_of_the_operator_is_masked_and_restored() -> None:
    policy = PrivacyPolicy(
        actions={"CUSTOM": "pseudonymise"}, detectors=(CustomDetector(name="badge", pattern="B-[0-9]{4}"),)
    )
    guard, exchange = PrivacyGuard(policy, KEY), Exchange()
    verdict = guard.request(exchange, ["badge B-1234"])
    assert verdict.action == "rewrite" and verdict.masked == {"custom": 1} and "B-1234" not in verdict.texts[0]
    assert guard.delta(exchange, 0, "content", verdict.texts[0], True) == "badge B-1234"


class FailingDetector:
    def detect(self, text: str) -> list[DetectedSpan]:
        raise ValueError(text)


def guard_with_failing(on_error: Literal["block", "allow"]) -> PrivacyGuard:
    plan = CustomDetector(name="own", function="own.py:find", on_error=on_error)
    policy = PrivacyPolicy(actions=dict(PROFILE_ACTIONS["gdpr"]), detectors=(plan,))
    return PrivacyGuard(policy, KEY, CustomDetectors([plan], {"own": FailingDetector()}))


def test_a_detector_that_fails_blocks_or_is_named_in_the_receipt() -> None:
    with pytest.raises(DetectorFailed):
        guard_with_failing("block").request(Exchange(), ["hello"])
    lenient = guard_with_failing("allow")
    assert lenient.request(Exchange(), ["hello"]) == Verdict("allow", "without own, which failed")
    verdict = lenient.request(Exchange(), ["bob@example.com"])
    assert (verdict.action, verdict.reason) == ("rewrite", "without own, which failed")


def test_a_guard_that_waits_for_others_says_so_and_keeps_its_detectors_elsewhere() -> None:
    guard = guard_with_failing("block")
    assert guard.waits and LenientGuard(guard).waits and not PrivacyGuard(ALL, KEY).waits
    make, arguments = guard.__reduce__()
    with pytest.raises(DetectorFailed):
        make(*arguments).request(Exchange(), ["hello"])


def test_a_text_that_comes_again_is_not_looked_at_again() -> None:
    text = f"{'My address, which I tell with each turn, is'} bob@example.com."
    seen = SeenTexts()
    first = seen.scan(text, frozenset({"EMAIL_ADDRESS"}))
    assert [(one.entity, text[one.start : one.end]) for one in first] == [("EMAIL_ADDRESS", "bob@example.com")]
    assert seen.scan(text, frozenset({"EMAIL_ADDRESS"})) is first
    assert seen.scan(text, frozenset({"PHONE_NUMBER"})) == []  # under another policy it is looked at
    assert seen.scan(f"{text} ", frozenset({"EMAIL_ADDRESS"})) == first


def test_of_texts_that_came_nothing_is_kept_but_places() -> None:
    seen = SeenTexts()
    seen.scan("Write to bob@example.com, please.", frozenset({"EMAIL_ADDRESS"}))
    assert b"bob" not in pickle.dumps(seen._rows)


def test_the_texts_of_late_are_bounded() -> None:
    seen = SeenTexts()
    for number in range(1100):
        seen.scan(f"nothing {number}", frozenset({"EMAIL_ADDRESS"}))
    assert len(seen._rows) == 1024
    many = "bob@example.com " * 65  # too many finds to remember
    assert seen.scan(many, frozenset({"EMAIL_ADDRESS"})) is not seen.scan(many, frozenset({"EMAIL_ADDRESS"}))


@pytest.mark.parametrize(
    ("values", "is_so"),
    [
        ({"EMAIL_0123456789": "a", "PHONE_ABCDEFGHJK": "b"}, True),
        ({"EMAIL_0123456789": "a", "PHONE_0123456789": "b"}, False),
        ({}, True),
    ],
)
def test_tokens_that_end_alike_are_told_apart_by_proof(values: dict[str, str], is_so: bool) -> None:
    back = Pseudonyms(values)
    assert back.have_a_body_each() is is_so
    for token, value in values.items():
        assert back.restore(f"x {token.lower()} {token}") == f"x {value} {value}"


def test_a_token_within_a_longer_word_is_that_of_the_longest_kind() -> None:
    back = Pseudonyms({"IP_0123456789": "short", "ZIP_0123456789": "long"})
    assert back.restore("ZIP_0123456789 IP_0123456789 XIP_0123456789") == "long short Xshort"
