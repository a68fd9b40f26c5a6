"""The page of training: jobs, training runs, experiments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console_home import HOSTILE, NOW, HomeConsole, read_text
from served_home import serve_home
from steward.console.pages.training import TrainingView, view_training
from steward.console.reader import Reader
from steward.core.improvements import ImprovementRun, ImprovementStep
from steward.improvement.experiment import ExperimentReport, SecondLook, Trial
from steward.improvement.training import TrainingRun
from steward.workflows.train.folder import write_state


@pytest.fixture
def console(tmp_path: Path) -> Iterator[HomeConsole]:
    with serve_home(tmp_path) as home:
        yield HomeConsole(home)


def test_an_empty_page_says_how_each_begins(console: HomeConsole) -> None:
    text = read_text(console.get("/training"))
    for command in ("steward improve run", "steward train run train.yaml", "steward experiment run experiment.yaml"):
        assert command in text
    assert "From ratings to a better model: runs begin by hand." in text


def test_jobs_and_training_runs_stand_there(console: HomeConsole) -> None:
    steps = (
        ImprovementStep(name="build", command=("a",), state="done"),
        ImprovementStep(name="train", command=("b",), state="running", attempts=2),
    )
    job = ImprovementRun(
        id="imp_1", trigger="new rows", why="240 ratings", state="running", steps=steps, started_at=NOW - 60,
        started_by="service:improve", heartbeat_at=NOW - 2, holder="gpu-1:4711",
    )  # fmt: skip
    assert console.store.improvements.start(job)
    folder = console.home / "training" / "tr_1"
    folder.mkdir(parents=True)
    run = TrainingRun(
        id="tr_1", trainer="trl", method="sft", base="starter", dataset="d", state="failed", reason=HOSTILE,
        started_at=NOW - 100, ended_at=NOW - 10, heard_at=NOW - 10, step=30, steps=40, loss=0.5, folder=str(folder),
        curve=((1, 2.0), (30, 0.5)),
    )  # fmt: skip
    write_state(folder, run)
    page = console.get("/training")
    text = read_text(page)
    assert "<script>alert" not in page
    assert "imp_1 running build done, train running (2 tries) new rows: 240 ratings" in text
    assert "gpu-1:4711 service:improve" in text  # who carries it out, beside when that was heard of
    assert "tr_1 failed 30 of 40 0.5000" in text


def experiment(home: Path) -> ExperimentReport:
    folder = home / "experiments" / "ex_1"
    folder.mkdir(parents=True)
    settings: dict[str, Any] = {
        "name": "rates", "space": {"rate": {"low": 0.1, "high": 0.5}}, "dataset": "set", "trials": 2,
        "evaluate": ["true"],
    }  # fmt: skip
    (folder / "config.json").write_bytes(msgspec.json.encode({"settings": settings, "base": str(home)}))
    trials = tuple(
        Trial(number=number, parameters={"rate": rate}, state="complete", items=2, scores=(score, score))
        for number, rate, score in ((0, 0.1, 0.5), (1, 0.5, 0.75))
    )
    report = ExperimentReport(
        id="ex_1", name="rates", folder=str(folder), state="finished", goal="maximize", trials=trials, broken={},
        pareto=(1,), importance={"rate": 0.8}, winner=1, parameters={"rate": 0.5}, verdict="cannot tell",
        first_score=SecondLook(number=1, items=2, value=0.75, low=0.6, high=0.9),
        second_score=SecondLook(number=1, items=2, value=0.65, low=0.4, high=0.8),
        against_first=SecondLook(number=1, items=2, value=0.05, low=-0.1, high=0.2),
    )  # fmt: skip
    (folder / "report.json").write_bytes(msgspec.json.encode(report))
    return report


def test_an_experiment_shows_both_scores_of_its_winner_and_every_trial(console: HomeConsole) -> None:
    experiment(console.home)
    assert "rates finished 2 1 0.750 0.650 cannot tell" in read_text(console.get("/training"))
    page = console.get("/training/ex_1")
    text = read_text(page)
    assert "trial 1 of 2 won" in text and "0.650" in text and "on items that no trial saw" in text
    assert 'class="chart"' in page and "<polyline" in page and "rate 80 %" in text
    assert "1 complete 0.7500 2 rate 0.5 winner" in text and "0 complete 0.5000 2 rate 0.1 –" in text
    assert console.ask("GET", "/training/ex_none")[0] == 404


def test_jobs_of_another_tenant_stay_out(console: HomeConsole) -> None:
    for tenant in ("default", "acme"):
        job = ImprovementRun(
            id=f"imp_{tenant}", trigger="new rows", why="w", state="finished", steps=(), started_at=NOW, started_by="p",
            heartbeat_at=NOW, ended_at=NOW, tenant=tenant,
        )  # fmt: skip
        assert console.store.improvements.start(job)
    page = console.get("/training")
    assert "imp_default" in page and "imp_acme" not in page


def training(**known: Any) -> TrainingView:
    given: dict[str, Any] = {
        "id": "tr_1", "trainer": "trl", "method": "sft", "base": "b", "dataset": "d", "state": "running",
        "started_at": NOW - 60, "heard_at": NOW,
    } | known  # fmt: skip
    return view_training(TrainingRun(**given), Reader(), NOW)


def test_a_training_run_tells_how_far_it_is_and_how_long_it_still_takes() -> None:
    """20 of 60 steps in a minute leave 40, two minutes at that pace."""
    view = training(step=20, steps=60, loss=0.12345, curve=tuple((step, 1.0) for step in range(40)))
    assert (view.progress, view.loss, view.took) == ("20 of 60", "0.1235", "1 min, 2 min left")
    assert view.curve == "▁" * 10  # a loss that does not change
    view = training(step=20)
    assert (view.progress, view.loss, view.curve, view.took) == ("20", "–", "", "1 min")
