"""Fills a home with the made-up month, through the store's own adapters, and marks the home as a demonstration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import Alert, Notice
from steward.core.errors import InputError
from steward.core.files import make_private_folder, write_file
from steward.core.identity import Principal
from steward.core.minutes import minute_of
from steward.core.series import DAY_S, start_of
from steward.core.traces import TracePolicy
from steward.workflows import keys
from steward.workflows.audit import make_act
from steward.workflows.demo.governance import fill_governance
from steward.workflows.demo.improvement import DatedLog, fill_improvement
from steward.workflows.demo.month import DAYS, DRIFT_DAY, KEYS, find_incident, make_day
from steward.workflows.serve.deployment import find_deployment

MARK: Final = "demo.json"
HOME: Final = ".steward-demo"
SETTINGS: Final = """\
# A demonstration: all traffic, feedback, alerts, appeals, proofs, releases, models and people in this home are made up.
models:
  - {name: small, backend: embedded, price: {input: 0.15, output: 0.6}}
  - {name: large, backend: embedded, price: {input: 2.5, output: 10}}
routes:
  - name: assistant
    targets: [{model: small, weight: 65}, {model: large, weight: 35}]
  - name: search
    targets: [{model: small, weight: 95}, {model: large, weight: 5}]
  - name: drafts
    targets: [{model: large, weight: 80}, {model: small, weight: 20}]
privacy: {profile: default}
limits:
  teams: {shop: {usd_per_month: 30}, data: {usd_per_day: 0.5}}
  models: {drafts: {usd_per_month: 12}}
slos:
  - {name: answers, kind: availability, objective: 0.99}
  - {name: first-token, kind: ttft, objective: 0.95, threshold_ms: 1200}
  - {name: whole-answer, kind: total, objective: 0.9, threshold_ms: 8000}
  - {name: liked, kind: satisfaction, objective: 0.8}
"""

Progress = Callable[[int, int, str], None]  # days done, of how many, what


class DemoMonth(msgspec.Struct, frozen=True):
    """What a home was filled with."""

    filled_at: float
    first_day: float
    requests: int


def prepare_demo(home: Path) -> Path:
    """The settings of the demonstration, which are written where they are not there yet.

    :raises InputError: this home holds something else
    """
    if (home / "steward.db").exists() and not (home / MARK).exists():
        raise InputError(f"{home} holds a deployment, which a demonstration must not mix with; choose another --home")
    make_private_folder(home)
    settings = home / "steward.yaml"
    if not settings.exists():
        write_file(settings, SETTINGS.encode())
    return settings


def fill_demo(home: Path, now: float, progress: Progress, *, actor: Principal) -> DemoMonth | None:
    """Fill a home that is fresh; None: it was filled before. :raises Unavailable: the store does not answer"""
    if (home / MARK).exists():
        return None
    deployment = find_deployment(home)
    store = deployment.open_store()
    try:
        store.migrate()
        first_day = float(start_of(now, DAY_S) - (DAYS - 1) * DAY_S)
        ids = {key.name: keys.create(home, key.name, key.budget, now, actor=actor, team=key.team).id for key in KEYS}
        requests = _fill_traffic(store, first_day, now, ids, progress)
        _fill_alerts(store, first_day, now)
        fill_governance(home, store, find_incident(first_day), now, actor=actor)
        audit = deployment.open_audit_log()
        fill_improvement(home, store, audit, first_day, now, actor=actor)
        for at, action, subject in (
            (first_day + 9 * 3600, "config.serve", "config"),
            (find_incident(first_day)[1] - 900, "config.serve", "config"),
        ):
            DatedLog(audit, at).record(make_act(actor, action, subject, after="made up"))
    finally:
        store.close()
    month = DemoMonth(filled_at=now, first_day=first_day, requests=requests)
    write_file(home / MARK, msgspec.json.encode(month))
    return month


def _fill_traffic(store: SqlStore, first_day: float, now: float, ids: dict[str, str], progress: Progress) -> int:
    store.ledger.keep_traces(TracePolicy(sample=0.01, slow_s=15.0))
    requests = 0
    for day in range(DAYS):
        records = list(make_day(first_day, day, now, ids))
        requests += store.ledger.drain("demo", f"demo-{day}", len(records) + 1, records)
        store.ledger.delete_segment(f"demo-{day}")
        progress(day + 1, DAYS, "filling a made-up month")
    return requests


def _fill_alerts(store: SqlStore, first_day: float, now: float) -> None:
    """One that paged and ended, one that goes on; the watch goes on from this minute."""
    began, ended = find_incident(first_day)
    page = Alert(
        id="demo-incident",
        rule="failures-up",
        severity="page",
        summary="Many more requests fail than in the days before.",
        evidence="18 of 61 requests failed in the last 15 minutes; in the days before, 0.4 % did.",
        scopes=("model large",),
        value=0.295,
        expected=0.004,
        started_at=began + 300,
        ended_at=ended + 600,
        acknowledged_by="person:anna",
        acknowledged_at=began + 480,
    )
    ticket = Alert(
        id="demo-drift",
        rule="prompt-length-shift",
        severity="ticket",
        summary="Prompts have become longer or shorter than on any recent day.",
        evidence="A prompt has 402 tokens where it had 295 on the same hours of the days before.",
        scopes=("all",),
        value=402.0,
        expected=295.0,
        started_at=min(first_day + DRIFT_DAY * 86400 + 43200, now - 3600),
    )
    for alert in (page, ticket):
        store.alerts.put(alert)
    told = [
        Notice(
            id=f"demo-{kind}",
            alert_id=page.id,
            channel="on-call",
            kind="firing" if kind == "firing" else "resolved",
            created_at=at,
            attempts=1,
            delivered_at=at + 2,
        )
        for kind, at in (("firing", began + 301), ("resolved", ended + 601))
    ]
    store.alerts.add_notices(told)
    store.alerts.write_watched(minute_of(now))
