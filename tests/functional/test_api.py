"""The examples of the public functions, run as they stand in the docstrings, the load test against a server of ours."""

from __future__ import annotations

import doctest
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import steward
from steward.adapters.stores.sql import SqlStore
from steward.core.evidence import Evidence
from steward.core.records import Admitted, Settled
from steward.core.traces import TracePolicy
from steward.monitoring.metric_answer import MetricGroup
from steward.settings import Settings
from steward.workflows.metrics import query_metrics
from steward.workflows.serve.from_settings import make_plan

FUNCTIONS = ["compare", "evaluate", "gate", "load_test", "plan", "runs", "score", "series", "traces"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """First token after 60 ms."""
    command = [sys.executable, "-m", "steward.processes.echo", '{"first_ms": 60, "gap_ms": 5}']
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a deployment that has answered three requests."""
    folder = tmp_path_factory.mktemp("served") / "home"
    (folder / "run").mkdir(parents=True)
    plan = make_plan(Settings(), folder, "0")
    (folder / "run" / "plan.json").write_bytes(msgspec.json.encode(plan))
    store = SqlStore(f"sqlite:///{folder / 'steward.db'}")
    store.migrate()
    store.ledger.keep_traces(TracePolicy(sample=1.0))
    now = time.time()
    for number in range(3):
        admitted = Admitted(
            request_id=f"r{number}", at=now, key_id="k", project="p", endpoint="/v1/chat/completions", route="m",
            streamed=True,
        )  # fmt: skip
        settled = Settled(
            request_id=f"r{number}",
            at=now,
            outcome="ok",
            status=200,
            model="m",
            ttft_s=0.25,
            duration_s=1.0,
            ready_s=0.25,
            queued_s=0.2,
            guards=("pii@1.0=block", "pii:answer=allow"),
        )
        store.ledger.drain("w", "s", number + 1, [admitted, settled])
    for number, check in enumerate(("evaluation.run", "loadtest.run", "data.run", "train.run", "evaluation.gate")):
        store.evidence.add(
            Evidence(
                id=f"ev_{number}", check=check, subject="model m", subject_digest="sha256:0", verdict="pass",
                value="0.9", expected="", source="runs/first", produced_at=now - number * 60.0, valid_until=None,
                command="steward eval run", signer="operator:0",
            ),
            tenant="default",
        )  # fmt: skip
    store.close()
    return folder


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_holds(name: str, url: str, home: Path) -> None:
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    (example,) = finder.find(getattr(steward, name), name, globs={"url": url, "home": home})
    runner.run(example)
    assert runner.tries >= 2 and runner.failures == 0


def test_arguments_are_checked_before_anything_runs() -> None:
    with pytest.raises(steward.InputError, match="2 predictions and 1 references"):
        steward.score("exact_match", ["a", "b"], ["a"])
    with pytest.raises(steward.InputError, match="no rate"):
        steward.load_test("http://127.0.0.1:9", "m")
    with pytest.raises(steward.InputError, match="unknown model"):
        steward.plan("lama-3.1-8b", rate=1, input_tokens=1, output_tokens=1)


def test_series_are_a_data_frame_where_pandas_is_installed(home: Path) -> None:
    frame = steward.series("ttft p95 by model, key", since="7d", home=home)
    assert list(frame.columns) == ["at", "model", "key", "value", "count"]
    assert frame["count"].sum() == 3
    assert frame["value"].max() == pytest.approx(0.25, rel=0.01)
    assert str(frame["at"].dt.tz) == "UTC"


def test_series_are_records_without_pandas(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # as where it is not installed
    records = steward.series("requests by model", since="1h", home=home)
    assert sum(record["count"] for record in records) == 3
    assert set(records[0]) == {"at", "model", "value", "count"}


def test_a_question_that_cannot_be_answered_says_why(home: Path, tmp_path: Path) -> None:
    with pytest.raises(steward.InputError, match="did you mean 'ttft'"):
        steward.series("tftt", home=home)
    with pytest.raises(steward.Unavailable, match="no requests recorded yet"):
        steward.series("ttft", home=tmp_path)


def test_runs_are_what_there_is_a_proof_of_newest_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = steward.runs(home=home)
    assert list(frame["kind"]) == ["evaluation", "load", "data", "training"]  # a gate's verdict is no run
    assert str(frame["at"].dt.tz) == "UTC"
    assert list(steward.runs("load", home=home)["id"]) == ["ev_1"]
    assert list(steward.runs(since="90s", home=home)["kind"]) == ["evaluation", "load"]
    assert len(steward.runs(limit=1, home=home)) == 1
    monkeypatch.setitem(sys.modules, "pandas", None)  # as where it is not installed
    (record,) = steward.runs("training", home=home)
    assert (record["verdict"], record["value"], record["source"]) == ("pass", "0.9", "runs/first")
    with pytest.raises(steward.InputError, match="did you mean 'training'"):
        steward.runs("trainings", home=home)


@pytest.mark.parametrize("since", ["1h", "7d", "90d"])
def test_queue_concurrency_and_verdicts_are_series(home: Path, since: str) -> None:
    (wait,) = _answer("queue p95 by model", since, home)
    assert wait.value == pytest.approx(0.2, rel=0.01) and wait.count == 3
    concurrency = query_metrics(home, "concurrency by model", since)
    span_s = concurrency.until - concurrency.since
    assert concurrency.groups[0].value == pytest.approx(3 * (1.0 - 0.25) / span_s, rel=0.01)
    (blocks,) = _answer("guard blocks by guard", since, home)
    (checks,) = _answer("guard checks by guard", since, home)
    assert (blocks.labels, blocks.value, checks.value) == ({"guard": "pii"}, 3.0, 6.0)


def _answer(query: str, since: str, home: Path) -> tuple[MetricGroup, ...]:
    return query_metrics(home, query, since).groups
