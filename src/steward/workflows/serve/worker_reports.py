"""What workers say of themselves in files of `home/run`, for the supervisor and the console to read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from steward.gateway.queue_records import QueueDepth
from steward.gateway.route_queue import sum_depths
from steward.gateway.route_records import BreakerReport
from steward.workflows.serve.plan import ServePlan
from steward.workflows.serve.routes import list_routes


class WorkerVersions(msgspec.Struct, frozen=True):
    """The versions that a worker serves, in `home/run/worker-PID.json`."""

    version: int  # of the configuration that new exchanges get
    held: tuple[int, ...]  # the versions that open exchanges may have, this one included
    error: str | None = None  # why the plan that lies there is not served

    @staticmethod
    def file(run: Path, pid: int) -> Path:
        return run / f"worker-{pid}.json"


def queue_depths_file(run: Path, pid: int) -> Path:
    """Where a worker says, every second, how full its lines are: `QueueDepth` by route."""
    return run / f"worker-{pid}-lines.json"


def read_queue_depths(plan: ServePlan, pids: Iterable[int]) -> dict[str, QueueDepth]:
    """How full the lines of all routes are, over the workers with these process ids; they lag by a second."""
    reports: list[Mapping[str, QueueDepth]] = []
    for pid in pids:
        try:
            text = queue_depths_file(Path(plan.home) / "run", pid).read_bytes()
            reports.append(msgspec.json.decode(text, type=dict[str, QueueDepth]))
        except (OSError, msgspec.MsgspecError):  # it has had no request yet
            continue
    totals = sum_depths(reports)
    return {route: totals.get(route, QueueDepth()) for route in list_routes(plan)}


def breakers_file(run: Path, pid: int) -> Path:
    """Where a worker says, every second, how the breakers of its models stand: `BreakerReport` by model."""
    return run / f"worker-{pid}-breakers.json"


def read_breakers(run: Path, pids: Iterable[int]) -> dict[str, list[BreakerReport]]:
    """What each worker with these process ids says of each model; they lag by a second."""
    breakers: dict[str, list[BreakerReport]] = {}
    for pid in pids:
        try:
            text = breakers_file(run, pid).read_bytes()
            report = msgspec.json.decode(text, type=dict[str, BreakerReport])
        except (OSError, msgspec.MsgspecError):  # it has only just started
            continue
        for model, breaker in report.items():
            breakers.setdefault(model, []).append(breaker)
    return breakers


def list_worker_pids(home: Path) -> list[int]:
    """Process ids of the workers that the supervisor says run; none where it says nothing."""
    try:
        state = json.loads((home / "run" / "state.json").read_text())
    except (OSError, ValueError):
        return []
    return [one["pid"] for one in state["processes"] if one["name"].startswith("worker-") and one["pid"]]
