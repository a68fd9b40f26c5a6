"""When somebody else is asked to judge, and what follows from the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from steward.core.errors import InputError, Unavailable
from steward.core.extend import Verdict
from steward.guardrails.external import ExternalCheck
from steward.guardrails.guard import Guardrail
from steward.guardrails.plan import GuardrailPlan


class Judge:
    """Refuses what says "bet"; fails where a text says "fail"."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str], list[str]]] = []

    def judge(self, direction: Literal["request", "answer"], texts: Sequence[str], request: Sequence[str] = ()) -> str:
        self.asked.append((direction, list(texts), list(request)))
        if "fail" in texts:
            raise Unavailable("no verdict")
        return "gambling" if "bet" in texts else ""


class Exchange:
    request_id, endpoint, conversation, route, key_id, tenant, project = "r", "/v1/x", None, "chat", "", "t", "p"


def rail(judge: Judge | None, **fields: Any) -> Guardrail:
    plan = GuardrailPlan(**{"kind": "service", "name": "judge", "url": "http://h", "reads": "both", **fields})
    return Guardrail(plan, judge)


def test_requests_and_answers_are_asked_about_as_the_rule_says() -> None:
    judge = Judge()
    both = ExternalCheck(judge, requests=True, answers=True)
    assert (both.judge_request(["bet"]), both.judge_answer(["hi"], ["ok"])) == ("gambling", "")
    assert judge.asked == [("request", ["bet"], []), ("answer", ["ok"], ["hi"])]
    neither = ExternalCheck(judge, requests=False, answers=False)
    assert neither.judge_request(["bet"]) == neither.judge_answer([], ["bet"]) == both.judge_request([""]) == ""
    assert both.judge_answer(["bet"], []) == "" and len(judge.asked) == 2


def test_a_refusal_blocks_and_a_failure_never_looks_like_a_pass() -> None:
    assert rail(Judge()).request(Exchange(), ["bet"]) == Verdict("block", "gambling")
    assert rail(Judge()).request(Exchange(), ["hello"]) == Verdict("allow")
    assert rail(Judge(), mode="observe").request(Exchange(), ["bet"]) == Verdict("allow", "observed: gambling")
    with pytest.raises(Unavailable):
        rail(Judge()).request(Exchange(), ["fail"])
    assert rail(Judge(), on_error="allow").request(Exchange(), ["fail"]) == Verdict("allow", "failed")


def test_an_answer_is_judged_at_its_end() -> None:
    guard, exchange = rail(Judge()), Exchange()
    guard.request(exchange, ["hello"])
    assert guard.delta(exchange, 0, "content", "bet", True) == "bet"
    assert guard.close(exchange) == Verdict("block", "gambling")


def test_what_judges_whole_answers_says_so_for_its_routes() -> None:
    assert rail(Judge()).judges_whole("chat") and rail(Judge(), reads="answers").judges_whole("chat")
    assert not rail(Judge(), reads="requests").judges_whole("chat")
    assert not rail(Judge(), routes=("other",)).judges_whole("chat")
    words = Guardrail(GuardrailPlan(kind="words", name="words", words=("a",)))
    assert not words.judges_whole("chat") and not words.waits and rail(Judge()).waits


def test_a_judge_that_was_not_opened_stops_the_start() -> None:
    with pytest.raises(InputError, match="guards: judge was not opened"):
        rail(None)


def test_the_judge_goes_with_the_guard_to_another_process() -> None:
    make, arguments = rail(Judge()).__reduce__()
    assert make(*arguments).request(Exchange(), ["bet"]).action == "block"
