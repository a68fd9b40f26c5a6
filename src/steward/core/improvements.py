"""Runs of the improvement circle: what set one off, how far it is, what it made. Times are seconds since the epoch."""

from __future__ import annotations

from typing import Literal

import msgspec

from steward.core.durations import DAY_S
from steward.core.identity import DEFAULT_TENANT

TriggerKind = Literal["manual", "schedule", "new rows", "drift"]
ImprovementState = Literal["proposed", "running", "finished", "failed", "cancelled"]
StepState = Literal["waiting", "running", "done", "failed", "skipped"]


class ImprovementStep(msgspec.Struct, frozen=True, kw_only=True):
    """One command of a run, as it was written, and how it ended."""

    name: str
    command: tuple[str, ...]
    state: StepState = "waiting"
    exit_code: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    attempts: int = 0
    retries: int = 0
    timeout_s: float = DAY_S
    log: str = ""  # file in the run's folder


class ImprovementRun(msgspec.Struct, frozen=True, kw_only=True):
    """`heartbeat_at`: when whoever runs it was last there; `holder` is who."""

    id: str
    tenant: str = DEFAULT_TENANT
    trigger: TriggerKind
    why: str
    state: ImprovementState
    steps: tuple[ImprovementStep, ...]
    started_at: float
    started_by: str
    holder: str = ""
    heartbeat_at: float = 0.0
    ended_at: float | None = None
    error: str = ""
    rows: int = 0  # ratings that there were when it began
    revision: int = 1

    @property
    def is_open(self) -> bool:
        return self.state in ("proposed", "running")
