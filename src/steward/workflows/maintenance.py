"""Gathers what the maintenance calendar is made of: from the store, the plan, the files that it names."""

from __future__ import annotations

import json
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.core.calendar import CalendarEntry, CalendarPlan
from steward.core.errors import InputError
from steward.core.series import DAY_S, SeriesRow
from steward.monitoring.conditions import Condition
from steward.monitoring.maintenance import (
    Advisory,
    CalendarFacts,
    judge_maintenance,
    make_calendar,
    read_advisories,
)
from steward.workflows.serve.deployment import open_served_store
from steward.workflows.serve.plan import ServePlan, read_plan
from steward.workflows.tls import read_certificate_ends

MOST_PROOFS: Final = 2000
EVALUATIONS: Final = ("evaluation.run", "evaluation.gate")


def read_calendar(home: Path, now: float | None = None) -> tuple[CalendarEntry, ...]:
    """What must be renewed, the most urgent first.

    :raises InputError: a file of advisories that cannot be read
    :raises Unavailable: nothing was served yet, or the store does not answer
    """
    store, plan = open_served_store(home), read_plan(home / "run" / "plan.json")
    try:
        at = time.time() if now is None else now
        return make_calendar(plan.monitoring.calendar, gather_facts(store, plan, at), at)
    finally:
        store.close()


def check_maintenance(store: SqlStore, plan: ServePlan | None, now: float) -> list[Condition]:
    """For the keeper: a file that cannot be read is due, too."""
    if plan is None:
        return []
    calendar = plan.monitoring.calendar
    try:
        return judge_maintenance(make_calendar(calendar, gather_facts(store, plan, now), now))
    except InputError as error:
        summary = "The maintenance calendar cannot be made."
        return [Condition(rule="maintenance-due", severity="ticket", summary=summary, evidence=str(error))]


def gather_facts(store: SqlStore, plan: ServePlan, now: float) -> CalendarFacts:
    """:raises InputError: a file of advisories that cannot be read :raises Unavailable: the store does not answer"""
    baseline = store.features.newest_baseline()
    days = store.series.read_rollup(DAY_S, 0, int(now) + 1, tenant=None, histograms=()) or []
    evaluated: dict[str, float] = {}
    for check in EVALUATIONS:
        for proof in store.evidence.list_evidence(MOST_PROOFS, check, tenant=None):
            evaluated[proof.subject] = max(evaluated.get(proof.subject, 0.0), proof.produced_at)
    advisories = read_advisory_file(plan.monitoring.calendar)
    return CalendarFacts(
        models=find_first_answers(days),
        served=[model.name for model in plan.models],
        evaluated=evaluated,
        baseline_at=baseline.created_at if baseline is not None else None,
        certificates=read_certificate_ends(plan.tls, plan.console_tls),
        keys={
            record.name: record.expires_at
            for record in store.keys.list_keys(tenant=None)
            if record.expires_at is not None and record.revoked_at is None and record.replaced_by is None
        },
        installed=list_installed() if advisories else {},
        advisories=advisories,
    )


def find_first_answers(days: list[SeriesRow]) -> dict[str, float]:
    """The day on which each model first answered, as far back as series of days are kept."""
    first: dict[str, float] = {}
    for row in days:
        first[row.model] = min(first.get(row.model, float(row.start)), float(row.start))
    return first


def read_advisory_file(plan: CalendarPlan) -> tuple[Advisory, ...]:
    """:raises InputError: no such file, or another form"""
    if plan.advisories is None:
        return ()
    try:
        return read_advisories(json.loads(Path(plan.advisories).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(
            f"calendar.advisories {plan.advisories}: {error.strerror}; make it with: "
            f"pip-audit --format json --output {plan.advisories}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"calendar.advisories {plan.advisories}: not JSON; expected the output of pip-audit --format json"
        ) from error


def list_installed() -> dict[str, str]:
    """Versions of this environment's packages."""
    return {one.metadata["Name"]: one.version for one in distributions() if one.metadata["Name"]}
