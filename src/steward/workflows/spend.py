"""Usage and budgets from the series of days: sums that stay small however many requests there were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, get_args

import msgspec

from steward.core.keys import KeyRecord
from steward.core.records import LimitSpec
from steward.core.series import DAY_S, SeriesFilter, SeriesName, SeriesTotal, start_of
from steward.core.stores import SeriesStore
from steward.gateway.limit_table import LimitTable
from steward.monitoring.spend import HISTORY_DAYS, SpendForecast, find_end_of_budget, find_month, forecast_month

SpendGroup = Literal["model", "key", "team", "route", "day"]
GROUPS: Final[tuple[SpendGroup, ...]] = get_args(SpendGroup)
NO_TEAM: Final = "no team"
_NAMES: Final[dict[SpendGroup, SeriesName]] = {
    "model": "model", "key": "key", "team": "key", "route": "route", "day": "start",
}  # fmt: skip


Period = Literal["day", "month"]


class SpendRow(NamedTuple):
    """One group. `id` is what the ledger calls it, `name` what people do."""

    id: str
    name: str
    requests: float
    failed: float
    input_tokens: float
    output_tokens: float
    usd: float


class BudgetRow(NamedTuple):
    """One budget of money: of whom, for a day or a month, and how it stands."""

    scope: str  # "key", "team", "model"
    id: str
    name: str
    period: Period
    budget: float
    spent: float
    forecast: SpendForecast | None  # of a month
    days_to_end: float | None  # until it is used up, where that comes within the month

    @property
    def left(self) -> float:
        return max(0.0, self.budget - self.spent)


class KeyLister(Protocol):
    """What is asked of keys here."""

    def list_keys(self, *, tenant: str | None) -> list[KeyRecord]: ...


class BudgetList(NamedTuple):
    """The budgets that are used up most, and how many there are."""

    rows: list[BudgetRow]
    total: int


def sum_spend(
    series: SeriesStore,
    keys: KeyLister,
    by: SpendGroup,
    since: float,
    until: float,
    *,
    tenant: str | None,
    project: str | None = None,
) -> list[SpendRow]:
    """Whole UTC days from the one of `since` to the one of `until`; the dearest first, days in their order."""
    where = SeriesFilter(project=project)
    totals = series.totals(DAY_S, start_of(since, DAY_S), int(until) + 1, [_NAMES[by]], tenant=tenant, where=where)
    records = {one.id: one for one in keys.list_keys(tenant=tenant)} if by in ("key", "team") else {}
    name_of = _NAMERS[by]
    groups: dict[tuple[str, str], list[SeriesTotal]] = defaultdict(list)
    for total in totals:
        groups[name_of(total, records)].append(total)
    rows = [_add_up(group, name, parts) for (group, name), parts in groups.items()]
    return rows if by == "day" else sorted(rows, key=lambda row: (-row.usd, -row.requests, row.name))


def _add_up(group: str, name: str, parts: Iterable[SeriesTotal]) -> SpendRow:
    listed = list(parts)
    return SpendRow(
        id=group,
        name=name,
        requests=sum(part.requests for part in listed),
        failed=sum(part.failed for part in listed),
        input_tokens=sum(part.input_tokens for part in listed),
        output_tokens=sum(part.output_tokens for part in listed),
        usd=sum(part.usd for part in listed),
    )


def _name_key(total: SeriesTotal, records: Mapping[str, KeyRecord]) -> tuple[str, str]:
    record = records.get(total.key)
    return total.key, record.name if record is not None else total.key


def _name_team(total: SeriesTotal, records: Mapping[str, KeyRecord]) -> tuple[str, str]:
    record = records.get(total.key)
    team = record.team if record is not None and record.team else NO_TEAM
    return team, team


_NAMERS: Final[dict[SpendGroup, Callable[[SeriesTotal, Mapping[str, KeyRecord]], tuple[str, str]]]] = {
    "model": lambda total, _: (total.model, total.model or "nobody answered"),
    "route": lambda total, _: (total.route, total.route or "none"),
    "day": lambda total, _: (str(total.start), str(total.start)),
    "key": _name_key,
    "team": _name_team,
}


def list_budgets(
    series: SeriesStore,
    keys: KeyLister,
    limits: LimitTable,
    now: float,
    most: int,
    *,
    tenant: str | None,
    project: str | None = None,
) -> BudgetList:
    """The `most` budgets of money that hold now and are used up most. A key that was rotated counts with the ones that
    it replaced. With `project`, those of its keys: budgets of teams and models span projects."""
    records = [one for one in keys.list_keys(tenant=tenant) if project in (None, one.project)]
    if project is not None:
        limits = msgspec.structs.replace(limits, teams={}, models={})
    month, days_left = find_month(now)
    today = start_of(now, DAY_S)
    scopes = list(_list_scopes([one for one in records if _is_in_force(one, now)], limits))
    if not scopes:
        return BudgetList([], 0)
    money = _Money(series, tenant, {one.id: one for one in records})
    spent = {"day": money.sum_by_name(today, now), "month": money.sum_by_name(month, now)}
    found: list[tuple[float, BudgetRow]] = []
    for scope, name, shown, spec in scopes:
        budgets: tuple[tuple[Period, float | None], ...] = (("day", spec.usd_per_day), ("month", spec.usd_per_month))
        for period, budget in budgets:
            if budget is not None:
                used = spent[period].get((scope, name), 0.0)
                found.append(_rank(BudgetRow(scope, name, shown, period, budget, used, None, None)))
    found.sort(key=lambda pair: -pair[0])
    rows = [row for _, row in found[:most]]
    first = min(month, today - HISTORY_DAYS * DAY_S)
    days = money.sum_by_day({(row.scope, row.id) for row in rows if row.period == "month"}, first, now)
    return BudgetList([_add_forecast(row, days, first, today, days_left) for row in rows], len(found))


def _rank(row: BudgetRow) -> tuple[float, BudgetRow]:
    return (row.spent / row.budget if row.budget else 1.0), row


_Name = tuple[str, str]  # a scope, and who it is there: the first key of a lineage, a team, a route


class _Money:
    """US dollars of keys, teams and routes. Of few names all days are read, of all names sums alone."""

    def __init__(self, series: SeriesStore, tenant: str | None, records: Mapping[str, KeyRecord]) -> None:
        self._series, self._tenant, self._records = series, tenant, records

    def sum_by_name(self, since: int, now: float) -> dict[_Name, float]:
        spent: dict[_Name, float] = defaultdict(float)
        names: tuple[SeriesName, ...] = ("key", "route")
        for by in names:
            for total in self._series.totals(DAY_S, since, int(now) + 1, [by], tenant=self._tenant):
                for name in self._list_names(total):
                    spent[name] += total.usd
        return spent

    def sum_by_day(self, names: set[_Name], since: int, now: float) -> dict[_Name, dict[int, float]]:
        """By where the day begins."""
        days: dict[_Name, dict[int, float]] = {name: defaultdict(float) for name in names}
        keys = sorted(one.id for one in self._records.values() if ("key", one.lineage or one.id) in names)
        scopes: dict[str, tuple[SeriesName, list[str] | None]] = {
            "key": ("key", keys), "team": ("team", None), "model": ("route", None),
        }  # fmt: skip
        for scope in sorted({scope for scope, _ in names}):
            by, chosen = scopes[scope]
            asked: dict[str, Any] = {"tenant": self._tenant, "keys_of": chosen}
            for total in self._series.totals(DAY_S, since, int(now) + 1, ["start", by], **asked):
                for name in self._list_names(total):
                    if name[0] == scope and name in days:
                        days[name][total.start] += total.usd
        return days

    def _list_names(self, total: SeriesTotal) -> Iterable[_Name]:
        if total.route:
            yield "model", total.route
        if total.team:
            yield "team", total.team
        if total.key:
            record = self._records.get(total.key)
            yield "key", total.key if record is None else record.lineage or record.id
            if record is not None and record.team:
                yield "team", record.team


def _add_forecast(
    row: BudgetRow, days: Mapping[_Name, Mapping[int, float]], first: int, today: int, days_left: float
) -> BudgetRow:
    """Of a month, what it will cost and when the budget ends."""
    if row.period == "day":
        return row
    spent = days.get((row.scope, row.id), {})
    begin = min(spent, default=today)  # whole days before today since the first with any money
    history = [spent.get(day, 0.0) for day in range(max(begin, first), today, DAY_S)]
    end = find_end_of_budget(row.spent, row.budget, history, days_left)
    return row._replace(forecast=forecast_month(row.spent, history, days_left), days_to_end=end)


def _list_scopes(records: Iterable[KeyRecord], limits: LimitTable) -> Iterable[tuple[str, str, str, LimitSpec]]:
    for record in records:
        own = LimitSpec(
            usd_per_day=record.usd_per_day if record.usd_per_day is not None else limits.default.usd_per_day,
            usd_per_month=record.usd_per_month if record.usd_per_month is not None else limits.default.usd_per_month,
        )
        if own.has_budget() and record.replaced_by is None:
            yield "key", record.lineage or record.id, record.name, own
    for scope, table in (("team", limits.teams), ("model", limits.models)):
        for name, spec in table.items():
            if spec.has_budget():
                yield scope, name, name, spec


def _is_in_force(record: KeyRecord, now: float) -> bool:
    return record.revoked_at is None and (record.expires_at is None or record.expires_at > now)
