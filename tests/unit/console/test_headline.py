"""The sentence says what objectives and alerts say, the gravest first."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console_client import snapshot, source
from every_page import hide_store
from steward.console.headline import Headlines, judge_headline
from steward.core.alerts import Alert
from steward.core.identity import Principal
from steward.core.records import Health
from steward.monitoring.slo import SloStatus
from steward.settings import Settings


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


def test_what_runs_counts_where_it_is_known() -> None:
    down = msgspec.structs.replace(snapshot(), models=(Health(name="big", state="down"),))
    headline = judge_headline([objective("a")], [], down)
    assert (headline.state, headline.sentence) == ("bad", "big is down.")


def test_the_sentence_is_worked_out_anew_after_ten_seconds_for_each_tenant(tmp_path: Path) -> None:
    now = [1000.0]
    settings = Settings.model_validate({"slos": [{"name": "a", "kind": "availability", "objective": 0.9}]})
    pages = msgspec.structs.replace(source(tmp_path, settings=settings), clock=lambda: now[0], snapshot=snapshot)
    pages.store.migrate()
    headlines = Headlines(pages)

    def find(tenant: str) -> str:
        who = Principal(kind="person", id="a", tenant=tenant, rights=frozenset({"console.read"}))
        return asyncio.run(headlines.find(who)).sentence

    assert find("default").startswith("No alert is firing.") and not headlines.demo
    pages.store.alerts.put(alert("page"))
    now[0] += 9.9
    assert find("default").startswith("No alert is firing.")
    now[0] += 0.1
    assert find("default") == "It is slow."
    assert find("acme").startswith("No alert is firing.")  # alerts are the deployment's
    pages.store.close()
    hide_store(tmp_path)
    now[0] += 10.0
    assert find("default") == "The store does not answer. Before, it said: It is slow."
    assert find("other") == "The store does not answer, so nobody can say how things stand."
