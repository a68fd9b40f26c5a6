"""When counterfactual audits are due, and with which command they run: decided from what was run before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

RETRY_S: Final = (
    3600.0  # after a run that could not ask all it wanted to, or sooner where the audit itself is more often
)
ANSWERED: Final[Mapping[int, Literal["alike", "different", "cannot tell"]]] = {
    0: "alike", 1: "different", 3: "cannot tell",
}  # fmt: skip  # what exits of `steward fairness run` with --margin mean; any other is a failure

AuditResult = Literal["never run", "running", "alike", "different", "cannot tell", "failed"]


class FairnessAudit(msgspec.Struct, frozen=True, kw_only=True):
    """One that repeats: `suite` is asked of `model` through the gateway, of one person and of another."""

    name: str
    suite: str  # a built-in one, or a file; a relative path from the folder that the home stands in
    model: str  # or route
    every_s: float
    margin: float
    swaps: tuple[str, ...] = ()  # none: all


class AuditRun(msgspec.Struct, frozen=True, kw_only=True):
    """The last run of an audit. Times in seconds since the epoch."""

    started_at: float
    folder: str  # of its answers and its log
    pid: int
    ended_at: float | None = None
    exit_code: int | None = None

    @property
    def result(self) -> AuditResult:
        """
        >>> AuditRun(started_at=0.0, folder="", pid=1, ended_at=9.0, exit_code=2).result
        'failed'
        """
        return "running" if self.exit_code is None else ANSWERED.get(self.exit_code, "failed")


def find_due_at(audit: FairnessAudit, last: AuditRun | None) -> float:
    """From when on it should run; 0: at once."""
    if last is None:
        return 0.0
    if last.result == "failed":
        return (last.ended_at or last.started_at) + min(RETRY_S, audit.every_s)
    return last.started_at + audit.every_s


def choose_due(audits: Sequence[FairnessAudit], runs: Mapping[str, AuditRun], now: float) -> FairnessAudit | None:
    """The one that has waited longest; None: none is due."""
    due = [(find_due_at(audit, runs.get(audit.name)), number) for number, audit in enumerate(audits)]
    waiting = [(at, number) for at, number in due if at <= now]
    return audits[min(waiting)[1]] if waiting else None


def make_arguments(audit: FairnessAudit, out: str, home: str) -> list[str]:
    """Of the command `steward`: what a person would paste to run it by hand."""
    swaps = [word for swap in audit.swaps for word in ("--swap", swap)]
    return [
        "fairness", "run", audit.suite, "--model", audit.model, "--out", out, "--margin", f"{audit.margin:g}", *swaps,
        "--home", home,
    ]  # fmt: skip
