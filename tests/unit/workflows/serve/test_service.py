"""What a worker does beside answering goes on, whatever happens in one round."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from served_home import serve_home, write_plan
from steward.core.errors import InputError, Unavailable
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.workflows import keys
from steward.workflows.key_terms import KeyTerms
from steward.workflows.serve.plan import read_plan
from steward.workflows.serve.service import KEYS_POLL_S, PLAN_POLL_S, WorkerService, repeat_every
from steward.workflows.serve.worker_reports import WorkerVersions


@pytest.mark.parametrize("error", [Unavailable("away"), OSError(28, "full"), ValueError("a mistake of ours")])
def test_k1_no_failure_ends_a_periodic_action(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[int] = []

    async def act() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise error

    async def main() -> None:
        task = asyncio.create_task(repeat_every(0.0, act))
        while len(rounds) < 3:
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    assert rounds[:3] == [0, 1, 2]
    assert str(error) not in caplog.text  # it may repeat what somebody wrote
    assert ("ValueError" in caplog.text) is isinstance(error, ValueError)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[WorkerService]:
    with serve_home(tmp_path) as home:
        make_key(home, "first")
        yield WorkerService(read_plan(home / "run" / "plan.json"), "w1")


def make_key(home: Path, name: str, **terms: Any) -> str:
    made = keys.create(home, name, LimitSpec(), time.time(), actor=operator(7), terms=KeyTerms(**terms))
    return made.id


def test_a_worker_keeps_what_it_writes_in_the_home(worker: WorkerService) -> None:
    """The keeper drains these folders, and whoever reads ARCHITECTURE.md looks for them there."""
    assert {"ledger", "spool"} <= {path.name for path in worker.home.iterdir() if path.is_dir()}
    assert worker._captures._folder == worker.home / "captures"  # made with the first exchange that is kept


def test_a_batch_goes_on_while_its_key_may_ask(tmp_path: Path) -> None:
    now = time.time()
    with serve_home(tmp_path) as home:
        may_ask = make_key(home, "a", rights=frozenset({"infer"}))
        may_not = make_key(home, "b", rights=frozenset({"usage.read"}))
        not_yet = make_key(home, "c", rights=frozenset({"infer"}), not_before=now + 3600.0, expires_at=now + 7200.0)
        worker = WorkerService(read_plan(home / "run" / "plan.json"), "w1")
        caller = worker._find_caller(may_ask)
        assert caller is not None and caller.principal.id == may_ask
        assert [worker._find_caller(key) for key in (may_not, not_yet, "gone")] == [None, None, None]


class FakeEngine:
    def __init__(self, alive: bool = True) -> None:
        self.alive, self.closed = alive, 0

    async def is_alive(self) -> bool:
        return self.alive

    async def close(self) -> None:
        self.closed += 1


def with_engines(worker: WorkerService, backend: str, **alive: bool) -> None:
    """As if the models of the plan were these, each up or down."""
    model = worker._current.plan.models[0]
    models = tuple(msgspec.structs.replace(model, name=name, backend=backend) for name in alive)
    plan = msgspec.structs.replace(worker._current.plan, models=models)
    engines = {name: FakeEngine(up) for name, up in alive.items()}
    worker._current = cast(Any, SimpleNamespace(plan=plan, engines=engines, version=plan.config_version))


@pytest.mark.parametrize(
    ("backend", "alive", "problem"),
    [
        ("embedded", {"a": True, "b": True}, None),
        ("embedded", {"a": True, "b": False}, "the engine of b does not answer"),
        ("embedded", {"a": False, "b": False}, "the engine of a, b does not answer"),
        ("openai", {"a": True, "b": False}, None),  # somebody else's server takes no gateway out of a load balancer
        ("openai", {"a": False, "b": False}, "no model is available yet"),
    ],
)
def test_ready_is_who_can_answer(
    worker: WorkerService, backend: str, alive: dict[str, bool], problem: str | None
) -> None:
    with_engines(worker, backend, **alive)
    assert asyncio.run(worker._check()) == problem


def test_the_supervisor_reads_which_configurations_are_in_use(
    worker: WorkerService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that were replaced, the ones with a request that goes on."""

    def read_report() -> WorkerVersions:
        file = worker.home / "run" / f"worker-{os.getpid()}.json"
        return msgspec.json.decode(file.read_bytes(), type=WorkerVersions)

    async def go() -> None:
        plan = read_plan(worker.home / "run" / "plan.json")
        await worker._follow_plan()
        assert read_report() == WorkerVersions(1, (1,), None)
        first = worker._current
        first.open += 1
        write_plan(worker.home, msgspec.structs.replace(plan, config_version=2))
        await worker._follow_plan()
        assert read_report() == WorkerVersions(2, (1, 2), None)
        first.leave()
        await worker._follow_plan()
        assert read_report() == WorkerVersions(2, (2,), None) and worker._retired == []
        assert worker._current is not first
        monkeypatch.setattr(worker, "swap", refuse)
        write_plan(worker.home, msgspec.structs.replace(plan, config_version=3))
        for _ in range(2):  # it is said until another plan comes
            await worker._follow_plan()
            assert read_report() == WorkerVersions(2, (2,), "no such secret")

    def refuse(plan: Any) -> None:
        raise InputError("no such secret")

    asyncio.run(go())


def test_engines_that_serve_on_stay_open(worker: WorkerService) -> None:
    kept, gone, busy = FakeEngine(), FakeEngine(), FakeEngine()

    async def close_shadows() -> None: ...

    def generation(open_requests: int, **engines: FakeEngine) -> Any:
        return SimpleNamespace(open=open_requests, engines=engines, close_shadows=close_shadows)

    worker._current = generation(0, a=kept)
    worker._retired = [generation(0, a=kept, b=gone), generation(1, c=busy)]
    asyncio.run(worker._close_unused_generations())
    assert (kept.closed, gone.closed, busy.closed) == (0, 1, 0) and len(worker._retired) == 1


def test_segments_end_when_somebody_waits_for_them(worker: WorkerService) -> None:
    rotated: list[int] = []
    writer = cast(Any, SimpleNamespace(rotate=lambda: rotated.append(1)))
    worker._ledger = worker._spool = worker._captures = writer
    worker._follow_rotation()
    assert rotated == []
    (worker.home / "run" / "rotate").write_text("now")
    worker._follow_rotation()
    worker._follow_rotation()
    assert rotated == [1] * 3  # ledger, ratings and captured exchanges, once


@pytest.mark.parametrize("fails", [False, True])
def test_counts_that_could_not_be_written_are_written_later(worker: WorkerService, fails: bool) -> None:
    written, put_back = list[str](), list[str]()

    def append(record: str) -> None:
        if fails and record == "captures":
            raise OSError(28, "full")
        written.append(record)

    worker._ledger = cast(Any, SimpleNamespace(append=append))
    worker._rejections = cast(Any, SimpleNamespace(take=lambda now: "tally"))
    worker._captures = cast(Any, SimpleNamespace(take_counts=lambda now: "captures", put_back=put_back.append))
    if fails:
        with pytest.raises(OSError, match="full"):
            asyncio.run(worker._write_tally())
    else:
        asyncio.run(worker._write_tally())
    assert (written, put_back) == ((["tally"], ["captures"]) if fails else (["tally", "captures"], []))


def test_where_nothing_was_counted_nothing_is_written(worker: WorkerService) -> None:
    worker._ledger = cast(Any, None)
    asyncio.run(worker._write_tally())


def test_a_revoked_key_and_other_settings_count_within_a_second() -> None:
    """docs/explanation/security.md and `steward keys revoke --help`."""
    assert 0.0 < KEYS_POLL_S < 1.0 and 0.0 < PLAN_POLL_S < 1.0
