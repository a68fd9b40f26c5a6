"""Each entry of `guards:` becomes the rule of its kind, with what the entry says."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import pytest

from steward.core.errors import InputError
from steward.guardrails.plan import KINDS, Direction, GuardrailPlan, make_check


class Objector:
    """Objects to whatever it is asked about."""

    def judge(self, direction: str, texts: Sequence[str], request: Sequence[str] = ()) -> str:
        return direction

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("reads", "request_read", "answer_read"),
    [("both", True, True), ("requests", True, False), ("answers", False, True)],
)
def test_words_and_judges_look_where_they_are_told_to(reads: Direction, request_read: bool, answer_read: bool) -> None:
    words = make_check(GuardrailPlan(kind="words", name="w", words=("bad",), reads=reads))
    assert (bool(words.judge_request(["bad"])), bool(words.judge_piece("bad", 3))) == (request_read, answer_read)
    judge = make_check(GuardrailPlan(kind="service", name="s", url="http://h", reads=reads), Objector())
    assert (bool(judge.judge_request(["a"])), bool(judge.judge_answer(["a"], ["b"]))) == (request_read, answer_read)


def test_a_judge_in_another_program_must_have_been_opened() -> None:
    external = [kind for kind in KINDS if GuardrailPlan(kind=kind, name="g").is_external]
    assert external == ["service", "model"]
    for kind in external:
        with pytest.raises(InputError, match="guards: g was not opened"):
            make_check(GuardrailPlan(kind=kind, name="g"))


def test_only_the_arguments_of_declared_tools_need_their_schemas() -> None:
    assert make_check(GuardrailPlan(kind="tools", name="t", arguments="declared")).needs_schemas
    assert not make_check(GuardrailPlan(kind="tools", name="t", tools=("a",))).needs_schemas


def test_what_an_entry_leaves_out_is_as_the_reference_of_settings_says() -> None:
    plan = GuardrailPlan(kind="numbers", name="n")
    assert (plan.mode, plan.on_error, plan.reads, plan.arguments) == ("block", "block", "both", "any")
    assert (plan.budget_ms, plan.least_number, plan.request_chars, plan.answer_chars) == (0.0, 10.0, 0, 0)


def test_a_digest_has_six_hex_digits_and_changes_with_the_entry() -> None:
    plan = GuardrailPlan(kind="words", name="w", words=("bad",))
    other = msgspec.structs.replace(plan, words=("worse",))
    assert re.fullmatch("[0-9a-f]{6}", plan.digest) and plan.digest != other.digest
