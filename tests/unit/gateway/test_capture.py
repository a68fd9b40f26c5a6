"""Which rule keeps an exchange, and what is kept of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest

from steward.core.captures import CapturedText
from steward.core.errors import Refused
from steward.gateway.capture import (
    AnswerTexts,
    CapturePlan,
    CaptureRule,
    choose_rule,
    draw,
    make_content,
    read_consent,
)

SUPPORT, TRAINING = CaptureRule(purpose="support"), CaptureRule(purpose="training")


def chosen(*rules: CaptureRule, consent: bool | None = None, unit: str = "u") -> CaptureRule | None:
    return choose_rule(rules, "route", "project", consent, unit)


@pytest.mark.parametrize(
    ("header", "consent"), [(None, None), ("yes", True), (" YES ", True), ("no", False), ("No", False)]
)
def test_consent_is_yes_no_or_nothing(header: str | None, consent: bool | None) -> None:
    assert read_consent(header) is consent


def test_other_words_are_no_consent_and_no_refusal() -> None:
    with pytest.raises(Refused, match="X-Steward-Training must be yes or no, not 'maybe'") as caught:
        read_consent("maybe")
    assert caught.value.status == 400


def test_the_first_rule_that_fits_keeps_an_exchange() -> None:
    assert chosen() is None
    assert chosen(SUPPORT, CaptureRule(purpose="evaluation")) is SUPPORT


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"route": "route"}, True), ({"route": "other"}, False),
        ({"project": "project"}, True), ({"project": "other"}, False),
        ({"route": "route", "project": "other"}, False),
    ],
)  # fmt: skip
def test_a_rule_is_of_its_route_and_project(changes: dict[str, Any], fits: bool) -> None:
    assert (chosen(msgspec.structs.replace(SUPPORT, **changes)) is not None) is fits


@pytest.mark.parametrize(("consent", "purpose"), [(True, "training"), (False, "support"), (None, "support")])
def test_training_needs_consent_and_the_next_rule_gets_what_has_none(consent: bool | None, purpose: str) -> None:
    rule = chosen(TRAINING, SUPPORT, consent=consent)
    assert rule is not None and rule.purpose == purpose


def test_a_sample_is_a_share_of_units_and_always_the_same() -> None:
    rule = CaptureRule(purpose="support", sample=0.25)
    kept = [unit for unit in map(str, range(4000)) if chosen(rule, unit=unit)]
    assert 0.22 < len(kept) / 4000 < 0.28  # four standard errors: 0.25 ± 4 × 0.0068
    assert all(chosen(rule, unit=unit) for unit in kept)


def test_a_draw_is_the_first_56_bits_of_a_digest() -> None:
    assert draw("a") == int(hashlib.sha256(b"a").hexdigest()[:14], 16) / 2**56


def test_the_version_changes_with_the_rules_only() -> None:
    plan = CapturePlan(rules=(SUPPORT,))
    assert plan.version == CapturePlan(rules=(SUPPORT,), max_spool_bytes=1).version
    assert plan.version != CapturePlan(rules=(msgspec.structs.replace(SUPPORT, sample=0.5),)).version
    assert len(plan.version) == 12


def test_texts_are_kept_by_choice_and_field_and_pass_unchanged() -> None:
    texts = AnswerTexts(100)
    passed = [texts.text(0, "content", "a"), texts.text(1, "content", "x"), texts.text(0, "content", "b", last=True)]
    assert texts.arguments(0, "tool_calls.0.arguments", '{"a"') == '{"a"'
    assert texts.text(0, "content", "") == "" and texts.flush(0) == []
    assert passed == ["a", "x", "b"]
    assert texts.collect() == (
        CapturedText(0, "content", "ab"),
        CapturedText(1, "content", "x"),
        CapturedText(0, "tool_calls.0.arguments", '{"a"'),
    )


def test_texts_are_bounded_and_a_longer_answer_keeps_none() -> None:
    texts = AnswerTexts(3)
    texts.text(0, "content", "abc")
    assert not texts.too_long
    assert texts.text(0, "content", "d") == "d" and texts.too_long
    assert texts.text(0, "content", "e") == "e" and texts.collect() == ()


def test_fields_that_name_the_user_are_not_kept() -> None:
    body = {"model": "m", "user": "anna", "safety_identifier": "a", "metadata": {"user_id": "b"}, "messages": []}
    content = make_content(json.dumps(body).encode(), AnswerTexts(1))
    assert json.loads(content.request) == {"model": "m", "messages": []}
    same = b'{ "model": "m" }'
    assert make_content(same, AnswerTexts(1)).request == same
    with pytest.raises(msgspec.DecodeError):
        make_content(b"{", AnswerTexts(1))
