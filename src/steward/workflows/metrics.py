"""Questions about series, answered from the store: for the command line, the administrative API and Python."""

from __future__ import annotations

import time
from pathlib import Path

from steward.adapters.stores.sql import SqlStore
from steward.core.durations import parse_span_s
from steward.core.errors import InputError
from steward.core.identity import DEFAULT_TENANT
from steward.core.series import RESOLUTIONS, SeriesFilter, start_of
from steward.monitoring.metric_answer import MetricAnswer, answer_gauges, answer_query, choose_resolution
from steward.monitoring.metric_query import MetricQuery, parse_query
from steward.workflows.serve.deployment import open_served_store


def query_metrics(
    home: Path,
    text: str,
    since: str = "24h",
    *,
    tenant: str | None = None,
    project: str | None = None,
    now: float | None = None,
) -> MetricAnswer:
    """What `text` asks for, over the last `since`, such as 7d; with `project`, of the requests of its keys.

    :raises InputError: a question or span that cannot be understood, or a name that there is not
    :raises Unavailable: nothing has been served, or the store does not answer
    """
    query, span_s = parse_query(text), parse_span_s(since, "since")
    if not 60.0 <= span_s <= 3660 * 86400.0:
        raise InputError(f"since {since!r}: expected from 1m to 3660d, such as 24h or 7d")
    store = open_served_store(home)
    try:
        until = time.time() if now is None else now
        if query.metric.kind in ("gauge", "counter"):
            return _answer_gauges(store, query, until, span_s, tenant, project)
        first = {resolution_s: store.series.first(resolution_s, tenant=tenant) for resolution_s in RESOLUTIONS}
        resolution_s = choose_resolution(until - span_s, until, first)
        start = start_of(until - span_s, resolution_s)
        wanted = query.metric.columns if query.metric.kind == "histogram" else ()
        of_project = SeriesFilter(project=project)
        read = store.series.read if _speaks_of_keys(text) else store.series.read_rollup
        rows = read(resolution_s, start, int(until) + 1, tenant=tenant, where=of_project, histograms=wanted) or []
        names = _read_key_names(store, tenant) if _speaks_of_keys(text) else {}
        return answer_query(query, rows, resolution_s, start, until, names)
    finally:
        store.close()


def _answer_gauges(
    store: SqlStore, query: MetricQuery, until: float, span_s: float, tenant: str | None, project: str | None
) -> MetricAnswer:
    """:raises InputError: a tenant or a project asks, whose these are not"""
    if tenant not in (None, DEFAULT_TENANT) or project is not None:
        raise InputError(f"{query.metric.name} is of the whole deployment; only its operator may ask for it")
    first = {resolution_s: store.gauges.first(resolution_s) for resolution_s in RESOLUTIONS}
    resolution_s = choose_resolution(until - span_s, until, first)
    start = start_of(until - span_s, resolution_s)
    rows = store.gauges.read(resolution_s, start, int(until) + 1, query.metric.columns[0])
    return answer_gauges(query, rows, resolution_s, start, until)


def _speaks_of_keys(text: str) -> bool:
    return "key" in text.lower()


def _read_key_names(store: SqlStore, tenant: str | None) -> dict[str, str]:
    """By id. Of keys that share a name, which a rotation leads to, each is that name."""
    return {record.id: record.name for record in store.keys.list_keys(tenant=tenant)}
