"""A home with something on every page of the console, whatever people and clients could write being hostile; and the
address of each page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from console_client import snapshot
from console_home import HOSTILE, NOW, HomeConsole
from steward.console.app import list_pages
from steward.console.sessions import Sessions
from steward.core.alerts import Alert, Silence
from steward.core.evidence import Evidence
from steward.core.identity import Principal, operator
from steward.core.records import Admitted, Attempt, Feedback, LimitSpec, Settled
from steward.workflows import access, keys, prompts
from steward.workflows.rights.breaches import open_breach
from steward.workflows.rights.holds import add_hold
from steward.workflows.serve.deployment import find_deployment

ME: Final = operator(0)
ESCAPED: Final = "&lt;script&gt;alert(1)"
REQUEST: Final = "req_000000000000000000000001"
CSV_FILES: Final = (  # what the table of a page holds
    *(
        "/access.csv",
        "/access/people.csv",
        "/access/roles.csv",
        "/audit.csv",
        "/evaluations.csv",
        "/data.csv",
        "/load.csv",
    ),
    *("/releases.csv", "/registry.csv", "/alerts.csv", "/satisfaction.csv", "/appeals.csv", "/access/sessions.csv"),
    *("/settings.csv", "/settings/history.csv", "/privacy.csv", "/training.csv", "/prompts.csv"),
    "/privacy/retention.csv",
)
# what is sent as it is, or has no page of its own: files, streams, and where a provider leads
NO_PAGES: Final = {
    *("/api/snapshot", "/api/status", "/metrics", "/healthz", "/live", "/static/{name}", "/badge.svg"),
    *("/usage.csv", "/requests.csv", "/traffic.csv", "/audit/checkpoint", "/evaluations/{proof}/report", *CSV_FILES),
    *("/data/{proof}/report", "/load/{proof}/report", "/login", "/settings/approvals/{approval}"),
}
# what browser tests look at over a demonstration, and what over a home with settings and people
DEMO_PAGES: Final = (
    "/?range=30d", "/traffic?range=30d&compare=before", "/requests?range=30d", "/satisfaction", "/alerts",
    "/alerts/demo-incident", "/drift", "/status", "/display", "/search?q=a", "/first-run", "/releases", "/registry",
    "/training", "/training/ex_", "/traffic?range=30d&model_version=2026-10&beside=2026-09",
)  # fmt: skip
HOME_PAGES: Final = (
    "/models", "/prompts", "/prompts/greet", "/playground", "/evaluations", "/evaluations/ev_1", "/data", "/load",
    "/usage", "/access", "/access/people", "/access/roles", "/access/sessions", "/account",
    "/access/explain?subject=anna&what=infer", "/privacy", "/privacy/rights", "/privacy/retention", "/audit",
    "/settings", "/settings/edit", "/settings/edit?key=gateway.queue",
    "/settings/history", "/settings/approvals", "/settings/diff?from=1&to=1",
    "/readiness", "/readiness/evidence/ev_1", "/readiness/controls",
    "/readiness/controls?framework=ml-test-score", "/appeals",
)  # fmt: skip
QUERIES: Final = {
    "/settings/edit": "?key=gateway.queue",
    "/settings/diff": "?from=1&to=1",
    "/access/explain": "?subject=berta&what=infer",
    "/search": "?q=script",
}


def fill_every_page(console: HomeConsole) -> dict[str, str]:
    """What stands for each parameter of a path."""
    home, store = console.home, console.store
    audit = find_deployment(home).open_audit_log()
    actor: Principal = msgspec.structs.replace(ME, reason=HOSTILE)
    key = keys.create(home, HOSTILE, LimitSpec(usd_per_month=5.0), NOW - 9, actor=actor, team=HOSTILE, project="p")
    prompts.add(home, "greet", prompts.PromptText(HOSTILE), NOW - 9, actor=actor, audit=audit)
    prompts.add(home, "greet", prompts.PromptText(f"{HOSTILE} again"), NOW - 8, actor=actor, audit=audit)
    access.add_person(home, "berta", NOW - 9, actor=actor, groups=[], role="viewer")
    add_hold(home, None, HOSTILE, NOW - 9, actor=actor)
    open_breach(home, HOSTILE, NOW - 99, NOW - 9, NOW - 8, actor=actor)
    alert = Alert(
        id="alert-1", rule=HOSTILE, severity="page", summary=HOSTILE, evidence=HOSTILE, scopes=(HOSTILE,),
        started_at=NOW - 600, acknowledged_by=HOSTILE, acknowledged_at=NOW,
    )  # fmt: skip
    store.alerts.put(alert)
    store.alerts.put(msgspec.structs.replace(alert, id="alert-0", started_at=NOW - 9000, ended_at=NOW - 8000))
    store.alerts.add_silence(
        Silence(id="s1", rule=HOSTILE, starts_at=NOW - 9, ends_at=NOW + 9, comment=HOSTILE, created_by=HOSTILE)
    )
    proofs = ("evaluation.run", "data.run", "loadtest.run", "privacy.scan", "privacy.erasure", "privacy.retention")
    for check in proofs:
        store.evidence.add(_make_proof(check), tenant="default")
    store.ledger.drain("w", "s", 1, _list_records(key.id))
    return {
        "prompt": "greet",
        "key": key.id,
        "request_id": REQUEST,
        "alert": "alert-1",
        "proof": "ev_",
        "record": "ev_evaluation.run",
    }


def _make_proof(check: str) -> Evidence:
    return Evidence(
        id=f"ev_{check}", check=check, subject=HOSTILE, subject_digest="sha256:0", verdict="fail", value=HOSTILE,
        expected=HOSTILE, source="", produced_at=NOW - 9, valid_until=None, command=HOSTILE, signer=HOSTILE,
    )  # fmt: skip


def _list_records(key: str) -> list[Any]:
    admitted = Admitted(
        request_id=REQUEST, at=NOW - 600, key_id=key, project="p", endpoint=HOSTILE, route=HOSTILE, streamed=True,
        subject=HOSTILE, team=HOSTILE, prompt_version=HOSTILE,
    )  # fmt: skip
    settled = Settled(
        request_id=REQUEST, at=NOW - 599, outcome="ok", status=200, model=HOSTILE, usd=0.5, input_tokens=10,
        output_tokens=20, ttft_s=0.25, duration_s=1.0, guards=(HOSTILE,), upstream_id=HOSTILE, masked={HOSTILE: 1},
        attempts=(Attempt(HOSTILE, 200, HOSTILE, NOW - 600, 1.0),),
    )  # fmt: skip
    rated = Feedback(
        id="f1", at=NOW - 60, key_id=key, project="p", request_id=REQUEST, score=1.0, label=HOSTILE, subject=HOSTILE
    )
    due = Feedback(
        id="appeal_1", at=NOW - 60, key_id=key, project="p", request_id=REQUEST, score=0.0, label="2027-02-01",
        subject=HOSTILE, kind="appeal",
    )  # fmt: skip
    return [admitted, settled, rated, due]


def list_page_paths(console: HomeConsole, names: dict[str, str]) -> list[str]:
    """The address of every page that can be looked at, in the order of the table: those of a single thing, where there
    is one of its kind in `names`."""
    pages = list_pages(snapshot, Sessions("t"), str, source=console.source)
    paths = [one.path for page in pages for one in page.endpoints if one.method == "GET" and one.path not in NO_PAGES]
    checks = {"/evaluations": "evaluation.run", "/data": "data.run", "/load": "loadtest.run"}

    def fill(path: str) -> str:
        proof = names["proof"] + checks.get(path.partition("/{")[0], "")
        return re.sub(r"{(\w+)}", lambda name: proof if name[1] == "proof" else names[name[1]], path)

    known = {*names, "proof"}
    return [fill(path) + QUERIES.get(path, "") for path in paths if known.issuperset(re.findall(r"{(\w+)}", path))]


def hide_store(home: Path) -> None:
    """As a disk that is gone would: whoever opens the database finds no file."""
    for name in ("steward.db-wal", "steward.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "steward.db").rename(home / "steward.db.away")
    (home / "steward.db").mkdir()
