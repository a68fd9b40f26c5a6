"""Load and capacity: the plan in force against the traffic, when its room runs out, load tests, GPUs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from steward.capacity.headroom import HeadroomStatus
from steward.console.pages.proofs import ProofPage, list_proof_endpoints
from steward.console.shell import Page
from steward.console.source import ConsoleSource
from steward.console.status import gpus
from steward.core.errors import InputError
from steward.core.evidence import Evidence
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.workflows.plan.home import read_plan
from steward.workflows.plan.watch import assess_series

log = logging.getLogger(__name__)

ABOUT: Final = ProofPage(
    path="/load",
    title="Load & capacity",
    kinds={
        "loadtest.run": "load test",
        "capacity.plan": "plan",
        "capacity.watch": "plan against traffic",
    },
    explanation="Load tests and plans stand here with what they found.",
    commands=("steward load run http://127.0.0.1:8080/v1", "steward plan --model llama-3.1-8b --rate 5 --keep"),
)
STYLES: Final = {"holds": "pass", "soon": "tell", "outgrown": "bad", "unknown": "na"}
WORDS: Final = {
    "holds": "The plan holds",
    "soon": "The plan is outgrown soon",
    "outgrown": "The plan is outgrown",
    "unknown": "It cannot be told whether the plan holds",
}


def page(source: ConsoleSource) -> Page:
    return Page(
        list_proof_endpoints(source, ABOUT, "load.html", describe),
        title=ABOUT.title,
        group="Run",
        words="capacity headroom plan load test",
    )


def describe(source: ConsoleSource, who: Principal, proof: Evidence | None) -> Mapping[str, Any]:
    """The plan in force and the GPUs belong to the whole deployment."""
    if proof is not None or who.tenant != DEFAULT_TENANT:
        return {}
    values: dict[str, Any] = {"gpus": gpus(source.snapshot().gpus), "deployment": True}
    try:
        plan = read_plan(source.home)
    except InputError as error:
        return {**values, "plan": None, "no_plan": str(error)}
    status = assess_series(plan, source.store.series, source.clock())
    return {
        **values,
        "plan": plan,
        "status": status,
        "headline": WORDS[status.state],
        "style": STYLES[status.state],
        "runs_out_at": find_end(status, source.clock()),
    }


def find_end(status: HeadroomStatus, now: float) -> float | None:
    """When the traffic reaches what the plan serves, in seconds since the epoch; None: not known, or not growing.

    >>> find_end(HeadroomStatus(state="soon", why="", days_left=2.0), 0.0)
    172800.0
    """
    return None if status.days_left is None else now + 86400.0 * status.days_left
