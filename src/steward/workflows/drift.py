"""Drift of live traffic: baselines that operators freeze, what is judged against them, and the keeper's look at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from steward.core.durations import parse_span_s
from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.core.features import DriftBaseline
from steward.core.identity import Principal
from steward.core.stores import AlertStore, FeatureStore
from steward.core.threads import open_thread
from steward.monitoring.conditions import Condition, judge_drift
from steward.monitoring.slo import SloPlan
from steward.workflows.audit import make_act
from steward.workflows.serve.deployment import find_deployment, open_served_store

if TYPE_CHECKING:
    from steward.monitoring.live_drift import LiveDrift

DAY_S: Final = 86400.0
LOOK_S: Final = 3600.0
LEAST_ROWS: Final = 100
QUALITY_RULES: Final = ("satisfaction-down", "refusals-up")


def freeze_baseline(home: Path, since: str, who: Principal, now: float | None = None) -> DriftBaseline:
    """Keep what requests of the last `since` were like, to compare later ones with.

    :raises InputError: a span that cannot be understood, or too few sampled requests
    :raises Unavailable: nothing was served yet, or the store does not answer
    """
    at, span_s = time.time() if now is None else now, parse_span_s(since, "since")
    store = open_served_store(home)
    try:
        rows = store.features.read(at - span_s, at, tenant=None)
        if len(rows) < LEAST_ROWS:
            raise InputError(
                f"{len(rows)} sampled requests in the last {since}; a baseline needs {LEAST_ROWS}: name a longer time, "
                "or wait"
            )
        baseline = DriftBaseline(
            created_at=at, created_by=who.actor, since=rows[0].at, until=rows[-1].at, rows=tuple(rows)
        )
        act = make_act(who, "drift.baseline", "drift:baseline", after=f"{len(rows)} requests of the last {since}")
        find_deployment(home).open_audit_log().record(act)
        store.features.add_baseline(baseline)
        return baseline
    finally:
        store.close()


def show_drift(home: Path, now: float | None = None) -> LiveDrift:
    """How the last day compares with the baseline.

    :raises InputError: the extra is not installed :raises Unavailable: nothing was served, or the store does not answer
    """
    store = open_served_store(home)
    try:
        return judge_store(store.features, time.time() if now is None else now)
    finally:
        store.close()


def judge_store(features: FeatureStore, now: float) -> LiveDrift:
    """:raises InputError: the extra is not installed :raises Unavailable: the store does not answer"""
    try:
        from steward.monitoring.live_drift import LiveDrift, judge_live, make_events
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise InputError(f"`steward drift` needs numpy; {install_command('monitoring')}") from error
    baseline = features.newest_baseline()
    if baseline is None:
        return LiveDrift(state="cannot tell", why="no baseline; freeze one with: steward drift baseline --since 7d")
    current = make_events(features.read(now - 2 * DAY_S, now, tenant=None))
    drift = judge_live(make_events(baseline.rows), current, now)
    return msgspec.structs.replace(drift, baseline_at=baseline.created_at)


class DriftLook:
    """Compares once an hour, in a thread: it takes a second or two, and nobody waits for it."""

    def __init__(
        self,
        features: FeatureStore,
        alerts: AlertStore,
        find_slos: Callable[[], Iterable[SloPlan]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._features, self._alerts, self._find_slos, self._clock = features, alerts, find_slos, clock
        self._thread = open_thread("drift")
        self._asked: Future[LiveDrift] | None = None
        self._seen: LiveDrift | None = None
        self._next = float("-inf")

    def __call__(self) -> list[Condition]:
        """:raises Unavailable: the store does not answer"""
        if self._asked is not None and self._asked.done():
            answered, self._asked = self._asked, None
            if answered.exception() is None:
                self._seen = answered.result()
        if self._asked is None and self._clock() >= self._next:
            self._next = self._clock() + LOOK_S
            self._asked = self._thread.submit(judge_store, self._features, self._clock())
        if self._seen is None or not self._seen.drifted:
            return []
        firing = [alert.rule for alert in self._alerts.list_alerts(open_only=True, outside=False)]
        quality = list_quality_rules(self._find_slos())
        return judge_drift(self._seen.drifted, [rule for rule in firing if rule in quality])


def list_quality_rules(slos: Iterable[SloPlan]) -> set[str]:
    """Rules whose alerts say that answers have become worse."""
    own = {plan.name for plan in slos if plan.kind in ("quality", "satisfaction")}
    return {*QUALITY_RULES, *(f"slo-{name}" for name in own), *(f"slo-{name}-slow" for name in own)}
