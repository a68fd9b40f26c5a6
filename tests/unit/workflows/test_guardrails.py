"""Rules of the section `guards`, opened with those whom they ask."""

from __future__ import annotations

import pytest

from steward.core.errors import Unavailable
from steward.guardrails.plan import GuardrailPlan
from steward.workflows.guardrails import open_guardrails


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
