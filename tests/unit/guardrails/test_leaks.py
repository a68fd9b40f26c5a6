"""Addresses and secrets in answers, whole and in pieces of any size."""

from __future__ import annotations

import pytest

from steward.guardrails.check import GuardCheck
from steward.guardrails.leaks import LONGEST_HELD, LinksCheck, SecretsCheck, hold_word

KEY = "AKIAIOSFODNN7EXAMPLE"  # of Amazon's documentation
LINKS = LinksCheck(["example.com"])


def run(check: GuardCheck, text: str, size: int) -> str:
    out, held = "", ""
    for at in range(0, len(text), size):
        ready, held = check.rewrite(held + text[at : at + size], False)
        out += ready
    return out + check.rewrite(held, True)[0]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://example.com/a and https://docs.example.com/b", None),
        ("![x](https://evil.test/?d=1) end", "![x]([link removed]) end"),
        ('<img src="//evil.test/p.png"> end', '<img src="[link removed]"> end'),
        ("www.evil.test now", "[link removed] now"),
        ("http:\\\\evil.test\\a now", "[link removed] now"),
        ("https://example.com.evil.test/ now", "[link removed] now"),
        ("https://example.com@evil.test/ now", "[link removed] now"),
        ("ftp://example.com/a now", "[link removed] now"),
        ("[a](javascript:alert(1)) b", "[a]([link removed])) b"),
        ("no address here, 1//2 is none", None),
    ],
)
def test_only_allowed_hosts_stay(text: str, expected: str | None, size: int) -> None:
    assert run(LINKS, text, size) == (text if expected is None else expected)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_secrets_are_taken_out_of_answers(size: int) -> None:
    assert run(SecretsCheck(), f"the key is {KEY} now", size) == "the key is [SECRET REDACTED] now"


def test_secrets_in_a_request_are_a_reason() -> None:
    assert SecretsCheck().judge_request(["hello", KEY]) == "secrets (aws_access_key)"
    assert SecretsCheck().judge_request(["hello"]) == ""


def test_a_word_waits_for_its_end_unless_it_is_too_long() -> None:
    assert hold_word("a bc", False) == ("a ", "bc") and hold_word("a bc", True) == ("a bc", "")
    assert hold_word("a bc ", False) == ("a bc ", "")
    assert hold_word("x" * LONGEST_HELD, False) == ("", "x" * LONGEST_HELD)
    assert hold_word("x" * (LONGEST_HELD + 1), False) == ("x" * (LONGEST_HELD + 1), "")
