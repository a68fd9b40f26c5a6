"""A provider's usage export against the ledger: reads the file and the store; `gateway/reconcile.py` compares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Unavailable
from steward.core.records import UsageSum
from steward.gateway.reconcile import (
    ExportRow,
    Reconciliation,
    compare_by_day,
    compare_by_request,
    match_model,
    read_export,
)
from steward.workflows.serve.deployment import make_deployment
from steward.workflows.serve.plan import ServePlan, read_plan


def reconcile(home: Path, file: Path, tolerance: float, renamed: Mapping[str, str]) -> Reconciliation:
    """Compare by request where the export has an id for every line, by UTC day and model otherwise.

    `renamed` gives for a model of the export the name that it has in steward.yaml.
    :raises InputError: the file cannot be read, with its row and column; `renamed` names no model
    :raises Unavailable: nothing was served yet, or the store does not answer
    """
    plan_file = home / "run" / "plan.json"
    if not plan_file.exists():
        raise Unavailable(f"{home}: no requests recorded yet; start the gateway with `steward up`")
    plan = read_plan(plan_file)
    upstream = {model.name: model.upstream_model for model in plan.models}
    rows = [_rename_model(row, renamed, upstream) for row in read_export(_read_text(file), str(file))]
    store = make_deployment(plan).open_store()
    try:
        since, until = _find_span(rows)
        lost = store.exchanges.count_lost(since, until, tenant=None)
        if all(row.request for row in rows):
            return compare_by_request(rows, _select_relevant(rows, store, since, until, upstream), tolerance, lost)
        sums = [_name_upstream(item, upstream) for item in store.exchanges.daily_sums(since, until, tenant=None)]
        return compare_by_day(rows, merge_sums(sums), _list_servers(plan), tolerance, lost)
    finally:
        store.close()


def _read_text(file: Path) -> str:
    """:raises InputError: no such file, or not UTF-8"""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 at byte {error.start}; save the export as CSV in UTF-8") from error
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; expected a provider's usage export as CSV") from error


def _rename_model(row: ExportRow, renamed: Mapping[str, str], upstream: Mapping[str, str]) -> ExportRow:
    if row.model not in renamed:
        return row
    ours = renamed[row.model]
    return msgspec.structs.replace(row, model=upstream.get(ours, ours))


def _find_span(rows: Iterable[ExportRow]) -> tuple[float, float]:
    """From the first day's start to the last one's end; everything where the export has no days."""
    days = sorted(row.day for row in rows)
    if not days[0]:
        return 0.0, 1e12
    first, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (days[0], days[-1]))
    return first.timestamp(), (last + timedelta(days=1)).timestamp()


def _name_upstream(item: UsageSum, upstream: Mapping[str, str]) -> UsageSum:
    """Under the name that the provider knows the model by."""
    return msgspec.structs.replace(item, model=upstream.get(item.model, item.model))


def merge_sums(sums: Iterable[UsageSum]) -> list[UsageSum]:
    """One line for a day and model, where several of ours are one of the provider's."""
    groups: dict[tuple[str, str], list[UsageSum]] = defaultdict(list)
    for item in sums:
        groups[item.day, item.model].append(item)
    return [
        UsageSum(
            day=day,
            model=model,
            requests=sum(item.requests for item in items),
            input_tokens=sum(item.input_tokens for item in items),
            output_tokens=sum(item.output_tokens for item in items),
            usd=sum(item.usd for item in items),
        )
        for (day, model), items in groups.items()
    ]


def _list_servers(plan: ServePlan) -> dict[str, str]:
    """Where each model is that a provider may have an export of."""
    return {model.upstream_model: model.url for model in plan.models if model.backend != "embedded"}


def _select_relevant(
    rows: list[ExportRow], store: SqlStore, since: float, until: float, upstream: Mapping[str, str]
) -> dict[str, UsageSum]:
    """The ledger's rows by upstream id: those that the export names, and where it has days, its models' others too."""
    sums = {
        name: _name_upstream(item, upstream)
        for name, item in store.exchanges.sums_by_upstream_id(since, until, tenant=None).items()
    }
    named = {row.request for row in rows}
    models = {match_model(row.model, upstream.values()) for row in rows} if rows[0].day else set()
    return {name: item for name, item in sums.items() if name in named or item.model in models}
