"""The maintenance calendar: what must be renewed, when, and whose task it is. Decides from facts that others gather.

Pure. Keys and certificates are listed here and have alerts of their own; everything else that is due fires
`maintenance-due`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from steward.core.calendar import CalendarEntry, CalendarItem, CalendarKind, CalendarPlan, CalendarState
from steward.core.durations import DAY_S
from steward.core.errors import InputError
from steward.monitoring.conditions import Condition, list_few

HAVE_ALERTS: Final = frozenset({"certificate", "key"})  # of their own
DUE: Final = frozenset({"due soon", "overdue"})
_STEPS: Final[Mapping[str, str]] = {
    "model": "look for a newer version; steward release tries it beside the old one",
    "evaluation": "steward eval run SUITE --out FOLDER",
    "baseline": "steward drift baseline --since 7d",
    "certificate": "put a new certificate at the same path",
    "key": "steward keys rotate NAME",
    "licence": "renew it, then change its date under calendar.items",
    "advisory": "upgrade the package, or write down why it does not concern you",
    "backup": "steward backup",
    "drill": "do it, then change its date under calendar.items",
    "other": "do it, then change its date under calendar.items",
}


class Advisory(msgspec.Struct, frozen=True):
    """A known weakness of one version of a package."""

    package: str
    version: str
    id: str
    fixed_in: tuple[str, ...] = ()


class CalendarFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a deployment. Times in seconds since the epoch."""

    models: Mapping[str, float] = {}  # when each first answered
    evaluated: Mapping[str, float] = {}  # when each model was last evaluated, by what the proof speaks of
    served: Sequence[str] = ()  # models that are served now
    baseline_at: float | None = None
    certificates: Mapping[str, float] = {}  # when each ends, by file
    keys: Mapping[str, float] = {}  # likewise, by name
    backup_at: float | None = None
    installed: Mapping[str, str] = {}  # versions by package
    advisories: Sequence[Advisory] = ()


def make_calendar(plan: CalendarPlan, facts: CalendarFacts, now: float) -> tuple[CalendarEntry, ...]:
    """The most urgent first."""
    entries = [
        *_list_models(plan, facts, now),
        *_list_ends(plan, facts, now),
        *_list_advisories(plan, facts),
        *(_make_item(plan, item, now) for item in plan.items),
    ]
    order: tuple[CalendarState, ...] = ("overdue", "due soon", "not known", "in time")
    return tuple(sorted(entries, key=lambda one: (order.index(one.state), one.days_left or 0.0, one.kind, one.name)))


def judge_maintenance(entries: Iterable[CalendarEntry]) -> list[Condition]:
    """What is due and has no alert of its own, with its owners."""
    due = [one for one in entries if one.state in DUE and one.kind not in HAVE_ALERTS]
    if not due:
        return []
    named = [f"{one.kind} {one.name} ({one.state}, {one.owner or 'nobody named'})" for one in due]
    return [
        Condition(
            rule="maintenance-due",
            severity="ticket",
            summary="Maintenance is due.",
            evidence=list_few(named),
        )
    ]


def read_advisories(content: object) -> tuple[Advisory, ...]:
    """What `pip-audit --format json` writes, or a list of {package, version, id, fixed_in}.

    :raises InputError: neither
    """
    if isinstance(content, dict) and isinstance(content.get("dependencies"), list):
        return tuple(_read_audit(content["dependencies"]))
    try:
        return tuple(msgspec.convert(content, list[Advisory]))
    except msgspec.ValidationError as error:
        raise InputError(
            f"calendar.advisories: {error}; expected the output of `pip-audit --format json`, or a list of "
            '{"package", "version", "id"}'
        ) from error


def _read_audit(dependencies: list[Any]) -> Iterator[Advisory]:
    for one in dependencies:
        if not isinstance(one, dict):
            continue
        for found in one.get("vulns") or ():
            yield Advisory(
                str(one.get("name")),
                str(one.get("version")),
                str(found.get("id")),
                tuple(map(str, found.get("fix_versions") or ())),
            )


def _list_models(plan: CalendarPlan, facts: CalendarFacts, now: float) -> Iterator[CalendarEntry]:
    for name in facts.served:
        at = facts.models.get(name)
        yield _make_aging(plan, "model", name, at, plan.models_every_days, now, "since it first answered")
        last = max((when for subject, when in facts.evaluated.items() if name in subject.split()), default=None)
        yield _make_aging(
            plan, "evaluation", name, last, plan.evaluation_every_days, now, "since it was last evaluated"
        )
    at = facts.baseline_at
    yield _make_aging(plan, "baseline", "drift", at, plan.baseline_every_days, now, "since it was frozen")
    if facts.backup_at is not None:
        yield _make_aging(plan, "backup", "home", facts.backup_at, None, now, "since the last one")


def _list_ends(plan: CalendarPlan, facts: CalendarFacts, now: float) -> Iterator[CalendarEntry]:
    for name, ends in facts.certificates.items():
        yield _make_entry(plan, "certificate", name, None, ends, None, now, "")
    for name, ends in facts.keys.items():
        yield _make_entry(plan, "key", name, None, ends, None, now, "")


def _list_advisories(plan: CalendarPlan, facts: CalendarFacts) -> Iterator[CalendarEntry]:
    installed = {_spell(name): version for name, version in facts.installed.items()}
    for one in facts.advisories:
        if installed.get(_spell(one.package)) != one.version:
            continue
        fixed = f"fixed in {', '.join(one.fixed_in)}" if one.fixed_in else "no fix is known"
        yield CalendarEntry(
            kind="advisory",
            name=f"{one.package} {one.version}",
            state="overdue",
            owner=_find_owner(plan, "advisory", None),
            due_at=None,
            days_left=None,
            age_days=None,
            detail=f"{one.id}; {fixed}",
            next_step=_STEPS["advisory"],
        )


def _spell(package: str) -> str:
    """PEP 503's normal form."""
    return package.lower().replace("_", "-").replace(".", "-")


def _make_item(plan: CalendarPlan, item: CalendarItem, now: float) -> CalendarEntry:
    due_at = item.due_at
    if due_at is None and item.every_days is not None and item.last_at is not None:
        due_at = item.last_at + item.every_days * DAY_S
    return _make_entry(plan, item.kind, item.name, item.owner, due_at, item.last_at, now, "")


def _make_aging(
    plan: CalendarPlan, kind: CalendarKind, name: str, at: float | None, every_days: int | None, now: float, since: str
) -> CalendarEntry:
    """What is due so many days after it was last done; without a number of days it is only shown."""
    due_at = None if at is None or every_days is None else at + every_days * DAY_S
    detail = "never, as far as is known" if at is None else since
    entry = _make_entry(plan, kind, name, None, due_at, at, now, detail)
    if at is not None and every_days is None:
        return msgspec.structs.replace(entry, state="in time")
    return entry


def _make_entry(
    plan: CalendarPlan,
    kind: CalendarKind,
    name: str,
    owner: str | None,
    due_at: float | None,
    since: float | None,
    now: float,
    detail: str,
) -> CalendarEntry:
    left = None if due_at is None else (due_at - now) / DAY_S
    state: CalendarState = (
        "not known" if left is None else "overdue" if left < 0 else "due soon" if left <= plan.warn_days else "in time"
    )
    return CalendarEntry(
        kind=kind,
        name=name,
        state=state,
        owner=_find_owner(plan, kind, owner),
        due_at=due_at,
        days_left=left,
        age_days=None if since is None else (now - since) / DAY_S,
        detail=detail,
        next_step=_STEPS[kind],
    )


def _find_owner(plan: CalendarPlan, kind: CalendarKind, owner: str | None) -> str | None:
    return owner or plan.owners.get(kind) or plan.owner
