"""Rules of the section `guards`, opened with those whom they ask."""

from __future__ import annotations

import json

import msgspec
import pytest

from steward.adapters.judges.service import ServiceJudge
from steward.core.errors import Refused, Unavailable
from steward.gateway.exchange import Exchange as GatewayExchange
from steward.gateway.guards import guard_answer, guard_request
from steward.guardrails.plan import GuardrailPlan
from steward.workflows.guardrails import choose_canaries, make_canary_prompts, open_guardrails


class Exchange:
    request_id, endpoint, conversation, route, key_id, tenant, project = "r", "/v1/x", None, "chat", "", "t", "p"


def test_rules_keep_their_order_and_judges_are_asked_later() -> None:
    nowhere = "http://127.0.0.1:1/judge"
    rails = open_guardrails(
        [
            GuardrailPlan(kind="injection", name="first"),
            GuardrailPlan(kind="service", name="second", url=nowhere, reads="requests", budget_ms=500),
            GuardrailPlan(kind="model", name="third", url=nowhere, model="lg", reads="requests"),
        ]
    )
    assert [(rail.name, rail.waits) for rail in rails] == [("first", False), ("second", True), ("third", True)]
    for rail in rails[1:]:
        with pytest.raises(Unavailable, match="could not be reached"):
            rail.request(Exchange(), ["hello"])


def test_a_canary_that_is_put_in_is_the_deployments_own_and_looked_for_in_answers() -> None:
    plans = (
        GuardrailPlan(kind="canary", name="c", insert=True, routes=("m",)),
        GuardrailPlan(kind="canary", name="d", words=("zebra-4711",)),
    )
    chosen = choose_canaries(plans, b"k" * 32)
    assert chosen[1] == plans[1] and chosen == choose_canaries(plans, b"k" * 32)
    [canary] = chosen[0].words
    assert canary.startswith("REF-") and [canary] != [choose_canaries(plans, b"x" * 32)[0].words[0]]
    prompts = make_canary_prompts(chosen, ["m", "n"])
    assert list(prompts) == ["m"] and canary in (prompts["m"].system or "") and "zebra" not in str(prompts["m"].system)
    exchange = GatewayExchange("req_1", "/v1/chat/completions", {}, b'{"messages": []}', 0.0, 0.0)
    exchange.route = "m"
    guards = open_guardrails(chosen)
    guard_request(guards, exchange)
    told = {"choices": [{"index": 0, "message": {"content": f"It is {canary.lower().replace('-', ' ')}."}}]}
    with pytest.raises(Refused, match="a canary of the system prompt"):
        guard_answer(guards, exchange, json.dumps(told).encode())


def test_a_judge_is_waited_for_as_long_as_its_budget_or_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        "steward.workflows.guardrails.ServiceJudge",
        lambda url, key, wait: waits.append(wait) or ServiceJudge(url, key, wait),
    )
    plan = GuardrailPlan(kind="service", name="s", url="http://127.0.0.1:1/judge", reads="requests")
    for budget_ms in (500, 0):
        open_guardrails([msgspec.structs.replace(plan, budget_ms=budget_ms)])
    assert waits == [0.5, 10.0]
