"""Deletes what is kept too long, by classes of data, and proves it: a count before, a count of what is left, evidence.

Runs in the keeper. What a legal hold covers stays, and is counted. Rows of the store are swept on one of all machines,
files (stored responses, batches, registered files) on each.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.evidence import Evidence
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.core.record_ids import make_id
from steward.core.rights import SweptRows
from steward.privacy.rights_config import RetentionPlan
from steward.workflows.audit import make_act
from steward.workflows.serve.deployment import HomeDeployment, find_deployment

CHECK: Final = "privacy.retention"
RETENTION_S: Final = 60.0  # between two looks for data about people that are no longer kept
FORGET_S: Final = 3600.0  # between two looks for series, features and traces that are no longer kept
KEEPER: Final = Principal(kind="service", id="keeper")


class SweptClass(msgspec.Struct, frozen=True, kw_only=True):
    """What one sweep did with one class of data."""

    name: str
    deleted: int
    held: int  # too old, but under a legal hold, or of an appeal that nobody has decided
    left: int  # too old, not held, and still there: 0 unless something arrived meanwhile


class RetentionSweep:
    """The keeper's job."""

    def __init__(self, deployment: HomeDeployment, store: SqlStore, clock: Callable[[], float] = time.time) -> None:
        self._deployment, self._store, self._clock = deployment, store, clock

    def run(self) -> None:
        """:raises Unavailable: the store does not answer, or the audit log cannot be written"""
        now = self._clock()
        plan = find_deployment(self._deployment.home).rights.retention
        for swept in sweep(self._store, plan, now):
            record_sweep(self._deployment, self._store, swept, now)


def record_sweep(deployment: HomeDeployment, store: SqlStore, swept: SweptClass, now: float) -> None:
    """An act and a proof, where something was deleted or should have been.

    :raises Unavailable: the store does not answer, or the audit log cannot be written
    """
    if swept.deleted or swept.left:
        act = make_act(KEEPER, "privacy.sweep", f"class:{swept.name}", after=f"{swept.deleted} deleted")
        deployment.open_audit_log().record(act)
        store.evidence.add(describe_sweep(swept, now), tenant=DEFAULT_TENANT)


def sweep_class(name: str, run: Callable[[], SweptRows]) -> SweptClass:
    """Sweep, and once more: what the second run finds, the first has left."""
    first = run()
    return SweptClass(name=name, deleted=first.deleted, held=first.held, left=run().deleted)


def sweep(store: SqlStore, plan: RetentionPlan, now: float) -> list[SweptClass]:
    """Delete what is too old of each class that has an end."""
    swept = [_sweep_captures(store, now)]
    for name, age_s, run in (
        ("feedback texts", plan.feedback_text_s, store.rights.empty_feedback_before),
        ("people in requests", plan.request_people_s, store.rights.detach_requests_before),
    ):
        if age_s is not None:
            deleted, held = run(now - age_s)
            left, _ = run(now - age_s)  # a second run finds what the first has left
            swept.append(SweptClass(name=name, deleted=deleted, held=held, left=left))
    return swept


def _sweep_captures(store: SqlStore, now: float) -> SweptClass:
    first = store.captures.delete_expired(now)
    left = store.captures.delete_expired(now).deleted
    return SweptClass(name="captured exchanges", deleted=first.deleted, held=first.held, left=left)


def describe_sweep(swept: SweptClass, now: float) -> Evidence:
    """What a sweep proves."""
    held = f", {swept.held:,} under a legal hold or an open appeal" if swept.held else ""
    return Evidence(
        id=make_id("ev"),
        check=CHECK,
        subject=swept.name,
        subject_digest=f"sha256:{hashlib.sha256(swept.name.encode()).hexdigest()}",
        verdict="fail" if swept.left else "pass",
        value=f"{swept.deleted:,} deleted{held}, {swept.left:,} left",
        expected="none left that is too old and not held",
        source="store",
        produced_at=now,
        valid_until=None,
        command="steward privacy report",
        signer=KEEPER.actor,
    )
