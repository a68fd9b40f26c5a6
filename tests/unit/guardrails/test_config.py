"""The section `guards`: what each kind takes, and what has no effect."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ranges import read_limits
from settings_reference import describe_settings, read_settings
from steward.core.errors import UnknownName
from steward.guardrails.config import GuardConfig


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "injection", "words": ["a"]}, "words: without effect for kind injection"),
        ({"kind": "words"}, "words: kind words needs it"),
        ({"kind": "words", "words": ["*"]}, "an empty one would be found everywhere"),
        ({"kind": "canary", "words": ["short"]}, "a canary of 5 characters; expected 8 or more"),
        ({"kind": "canary"}, "needs words that your system prompt has, or insert: true"),
        ({"kind": "words", "words": ["a"], "insert": True}, "insert: without effect for kind words"),
        ({"kind": "disclosure"}, "text: kind disclosure needs it"),
        ({"kind": "length"}, "needs request_chars or answer_chars"),
        ({"kind": "links", "text": "a"}, "which takes hosts"),
        ({"kind": "secrets", "name": "With Blanks"}, "name"),
        ({"kind": "service"}, "url: kind service needs it"),
        ({"kind": "service", "url": "localhost/judge"}, "expected an address that begins with http"),
        ({"kind": "service", "url": "http://h", "key": "s3cret"}, "never the token itself"),
        ({"kind": "service", "url": "http://h", "model": "m"}, "model: without effect for kind service"),
        ({"kind": "model", "url": "http://h"}, "model: kind model needs it"),
        ({"kind": "model", "url": "http://h", "model": "lg"}, "the judging model would be judged by itself"),
        ({"kind": "model", "url": "http://h", "model": "lg", "routes": ["a", "lg"]}, "would be judged by itself"),
    ],
)
def test_what_has_no_effect_is_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GuardConfig.model_validate(entry)


def test_an_entry_is_called_by_its_kind_and_versioned_by_its_rules() -> None:
    plan = GuardConfig.model_validate({"kind": "words", "words": ["a"]}).plan()
    other = GuardConfig.model_validate({"kind": "words", "words": ["b"], "name": "insults"}).plan()
    assert (plan.name, plan.mode, plan.words) == ("words", "block", ("a",))
    assert other.name == "insults" and plan.digest != other.digest and len(plan.digest) == 6


def test_a_route_that_is_not_served_is_named() -> None:
    with pytest.raises(UnknownName, match="supprt"):
        GuardConfig.model_validate({"kind": "injection", "routes": ["supprt"]}).plan(["support"])


def test_judges_read_requests_unless_told_otherwise() -> None:
    entry = {"kind": "model", "url": "http://h", "model": "lg", "key": "env:K", "routes": ["chat"]}
    plan = GuardConfig.model_validate(entry).plan(["chat", "lg"])
    assert (plan.reads, plan.url, plan.model, plan.key, plan.is_external) == (
        "requests",
        "http://h",
        "lg",
        "env:K",
        True,
    )
    assert GuardConfig.model_validate(entry | {"reads": "both"}).plan().reads == "both"
    assert GuardConfig.model_validate({"kind": "words", "words": ["a"]}).plan().reads == "both"


def test_arguments_are_a_matter_of_tools_alone() -> None:
    assert GuardConfig.model_validate({"kind": "tools", "arguments": "declared"}).plan().arguments == "declared"
    assert GuardConfig.model_validate({"kind": "tools", "tools": ["f"]}).plan().arguments == "any"
    with pytest.raises(ValueError, match="arguments: without effect for kind words"):
        GuardConfig.model_validate({"kind": "words", "words": ["x"], "arguments": "declared"})


def test_defaults_and_lengths_are_those_of_the_settings_reference() -> None:
    assert read_limits(GuardConfig) == {
        "budget_ms": "0.0: 0 <= x",
        "request_chars": "0: 0 <= x",
        "answer_chars": "0: 0 <= x",
        "least_number": "10.0: 0 <= x",
        "text": "n <= 2000",
    }


def test_a_canary_has_eight_characters_or_more() -> None:
    assert GuardConfig.model_validate({"kind": "canary", "words": ["12345678"]}).words == ["12345678"]
    with pytest.raises(ValidationError, match="a canary of 7 characters; expected 8 or more"):
        GuardConfig.model_validate({"kind": "canary", "words": ["1234567"]})


@pytest.mark.parametrize("section", ["guards[]."])
def test_defaults_and_bounds_are_those_that_operators_read(section: str) -> None:
    rows = read_settings(section)
    assert rows and describe_settings(section) == rows
