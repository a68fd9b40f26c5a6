"""One contract over the executors; Ray's part runs where Ray is installed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import data_stages
from executor_tasks import die, double, meet, refuse
from steward.adapters.executors.local import LocalExecutor
from steward.core.errors import InputError, Unavailable
from steward.data.config import Sink, Source
from steward.data.pipeline import Pipeline


@pytest.fixture(scope="module", params=["one", "local", "ray"])
def executor(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "ray":
        pytest.importorskip("ray")
        from steward.adapters.executors.ray import RayExecutor

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(Path(data_stages.__file__).parent))  # Ray's workers import the stages
            with RayExecutor(2) as made:
                yield made
    else:
        with LocalExecutor(1 if request.param == "one" else 2) as made:
            yield made


def test_every_task_once(executor: Any) -> None:
    results = list(executor.map(double, list(range(12))))
    assert sorted(number for number, _ in results) == [2 * number for number in range(12)]


def test_tasks_run_side_by_side(executor: Any, tmp_path: Path) -> None:
    if getattr(executor, "workers", 2) > 1:
        assert len(set(executor.map(meet, [str(tmp_path)] * 2))) == 2


def test_the_same_output_and_ledger_on_each(executor: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        rows = [{"text": f"a longer text {n}" if n % 10 else "short", "source": name} for n in range(450)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pipeline = Pipeline([data_stages.Short(), data_stages.Same(), data_stages.Shout(), data_stages.Same()])
    source = Source(path=str(tmp_path / "*.jsonl"), shard_mb=0.005)
    here = pipeline.run(source, Sink(path=str(tmp_path / "here")))
    there = pipeline.run(source, Sink(path=str(tmp_path / "there")), executor=executor)
    assert len(here.parts) == 4 and here.digest == there.digest and here.stages == there.stages
    ledgers = [(tmp_path / name / "ledger/entries.parquet").read_bytes() for name in ("here", "there")]
    assert ledgers[0] == ledgers[1]


def test_an_error_keeps_its_kind_and_words(executor: Any) -> None:
    with pytest.raises(InputError, match="row 1"):
        list(executor.map(refuse, [1, 1]))


def test_a_worker_that_dies_is_said_and_the_next_call_works() -> None:
    with LocalExecutor(2) as executor:
        with pytest.raises(Unavailable, match="run the same command again"):
            list(executor.map(die, [1, 2]))
        assert len(list(executor.map(double, [1, 2]))) == 2
