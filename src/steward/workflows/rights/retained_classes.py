"""Every class of data that has an end: how long it is kept, which setting says so, and which sweep ends it.

Knows what is served, not what lies in the store. `DataPlace.kept` says the same in words, of every table and folder.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from steward.core.series import DAY_S
from steward.workflows.rights.file_retention import BATCHES, SLOW_S, STORED_RESPONSES
from steward.workflows.rights.retention import FORGET_S, RETENTION_S
from steward.workflows.serve.plan import ServePlan

SweepJob = Literal["retention", "forget", "responses"]
PERIODS: Final[dict[SweepJob, float]] = {"retention": RETENTION_S, "forget": FORGET_S, "responses": SLOW_S}  # seconds


class RetainedClass(msgspec.Struct, frozen=True, kw_only=True):
    """`swept`: what its sweep calls it, as the proofs do. `responses` runs on each machine, the other jobs on one."""

    data: str
    setting: str  # that says how long, or that would; empty: none does any more
    keep_s: float | None  # None: it has no end
    swept: str
    job: SweepJob


def list_classes(plan: ServePlan) -> list[RetainedClass]:
    """What lies in the store, then what lies in files."""
    return [*_list_captures(plan), *_list_rows(plan), *_list_files(plan)]


def _list_captures(plan: ServePlan) -> list[RetainedClass]:
    name, rules = "captured exchanges", plan.capture.rules
    if not rules:
        return [RetainedClass(data=name, setting="capture.rules", keep_s=0.0, swept=name, job="retention")]
    return [
        RetainedClass(
            data=f"{name} for {rule.purpose}, {rule.route or 'all routes'}",
            setting=f"capture.rules.{number}.keep_days",
            keep_s=rule.keep_s,
            swept=name,
            job="retention",
        )
        for number, rule in enumerate(rules)
    ]


def _list_rows(plan: ServePlan) -> list[RetainedClass]:
    retention, monitoring = plan.rights.retention, plan.monitoring
    rows: tuple[tuple[str, str, float | None, str, SweepJob], ...] = (
        ("feedback texts", "retention.feedback_text_days", retention.feedback_text_s, "feedback texts", "retention"),
        (
            *("people in requests", "retention.request_people_days", retention.request_people_s),
            *("people in requests", "retention"),
        ),
        ("traces", "monitoring.traces.keep_for_days", monitoring.traces.keep_for_days * DAY_S, "traces", "forget"),
        ("features", "monitoring.drift.keep_for_days", monitoring.drift.keep_for_days * DAY_S, "features", "forget"),
        *(
            (f"series of {name}", f"monitoring.keep_{name}_for_days", days * DAY_S, "series", "forget")
            for name, days in (
                ("minutes", monitoring.keep_minutes_for_days),
                ("hours", monitoring.keep_hours_for_days),
                ("days", monitoring.keep_days_for_days),
            )
        ),
    )
    return [
        RetainedClass(data=data, setting=setting, keep_s=keep_s, swept=swept, job=job)
        for data, setting, keep_s, swept, job in rows
    ]


def _list_files(plan: ServePlan) -> list[RetainedClass]:
    rows: list[tuple[str, str, float | None]] = [
        (STORED_RESPONSES, "gateway.responses_store.keep_s", plan.responses_store.keep_s),
        (BATCHES, "batches.keep_days", plan.batches.keep_days * DAY_S),
    ]
    for number, entry in enumerate(plan.rights.files):
        keep_s = None if entry.keep_days is None else entry.keep_days * DAY_S
        rows.append((entry.name, f"personal_files.{number}.keep_days", keep_s))
    return [
        RetainedClass(data=data, setting=setting, keep_s=keep_s, swept=data, job="responses")
        for data, setting, keep_s in rows
    ]
