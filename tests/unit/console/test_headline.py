"""The sentence says what objectives and alerts say, the gravest first."""

from typing import Any

import pytest

from steward.console.headline import judge_headline
from steward.core.alerts import Alert
from steward.monitoring.slo import SloStatus


def objective(name: str, state: Any = "met") -> SloStatus:
    return SloStatus(
        name=name, kind="availability", objective=0.99, threshold=None, window_days=28, state=state, total=1, bad=0,
        good_share=1.0, budget_left=1.0, burn_rates={}, why="",
    )  # fmt: skip


def alert(severity: Any, summary: str = "It is slow.") -> Alert:
    return Alert(id="a", rule="r", severity=severity, summary=summary, evidence="", scopes=("all",), started_at=0.0)


@pytest.mark.parametrize(
    ("objectives", "alerts", "state", "words"),
    [
        ([], [], "unknown", "No objective is set"),
        ([objective("a", "not enough traffic to judge")], [], "unknown", "too little traffic"),
        ([objective("a")], [], "good", "All objectives are met."),
        ([objective("a"), objective("b", "not enough traffic to judge")], [], "good", "1 of 2 objectives are met"),
        ([objective("a")], [alert("ticket")], "warning", "It is slow."),
        ([objective("a", "burning")], [alert("ticket")], "warning", "a burns the error budget."),
        ([objective("a", "budget spent"), objective("b", "burning")], [], "bad", "a has spent the error budget."),
        ([objective("a", "budget spent")], [alert("page"), alert("page")], "bad", "It is slow, and 1 more."),
    ],
)
def test_the_gravest_is_said(objectives: list[SloStatus], alerts: list[Alert], state: str, words: str) -> None:
    headline = judge_headline(objectives, alerts)
    assert headline.state == state and words in headline.sentence
