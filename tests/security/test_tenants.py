"""Whoever is of one tenant sees nothing of another: every read of the store, every page of the console, every operation
of the administrative API, and every command that takes `--tenant`, in a home where two tenants have one of everything.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from typer.testing import CliRunner

from console_client import ask, snapshot, source
from served_home import serve_home
from steward.adapters.stores.sql import SqlStore
from steward.cli.commands import STEWARD
from steward.cli.lazy import Group
from steward.cli.lazy import build as build_command
from steward.cli.main import app
from steward.console.api import PREFIX, build_api
from steward.console.app import build, list_pages
from steward.console.operations import list_operations
from steward.console.sessions import Sessions
from steward.core.errors import StewardError
from steward.core.identity import ALL_RIGHTS, Principal
from steward.core.records import ExchangeFilter
from steward.core.series import SeriesFilter
from steward.workflows.serve.deployment import find_deployment
from two_tenants import FILE_DIGEST, FOREIGN, LATER, NOW, OWN, fill

THEIRS: Final = f"{FOREIGN}-bank"
MINE: Final = f"{OWN}-acme"
MINUTE, DAY = 60, 86400
# How each read of the store is asked, and whether its answer names what it is of; counts name nothing.
READS: Final[dict[str, tuple[dict[str, Any], bool]]] = {
    "exchanges.count_lost": ({"since": 0.0, "until": LATER}, False),
    "exchanges.daily_sums": ({"since": 0.0, "until": LATER}, True),
    "exchanges.find": ({"wanted": ExchangeFilter(since=0.0, until=LATER), "limit": 99}, True),
    "exchanges.find_origin": ({"request_id": f"req-{THEIRS}"}, False),
    "exchanges.prompt_sums": ({"newest": 99}, True),
    "exchanges.series": ({"since": NOW - 120, "bucket_s": 60.0, "until": NOW}, False),
    "exchanges.show": ({"request_id": f"req-{THEIRS}"}, False),
    "exchanges.sums_by_upstream_id": ({"since": 0.0, "until": LATER}, True),
    "exchanges.tail": ({"limit": 99}, True),
    "exchanges.usage": ({"since": 0.0, "until": LATER, "by": "route"}, True),
    "feedback.list_appeals": ({"limit": 99}, True),
    "feedback.find_appeal": ({"appeal_id": f"appeal_{THEIRS}"}, False),
    "feedback.list_rated": ({}, True),
    "feedback.read_sealed": ({"ids": [f"f-{THEIRS}", f"f-{MINE}"]}, True),
    "feedback.report": ({"since": 0.0, "limit": 99}, True),
    "captures.counts": ({}, True),
    "captures.find": ({"request_id": f"req-{THEIRS}"}, False),
    "captures.list_captures": ({"since": 0.0, "until": LATER, "limit": 99}, True),
    "captures.list_newest": ({"limit": 99, "purpose": "training", "now": NOW}, True),
    "reactions.read": ({"since": 0.0}, True),
    "reactions.read_people": ({"since": 0.0}, True),
    "rights.count_classes": ({"people": True}, False),
    "rights.count_masked": ({"since": 0.0}, True),
    "rights.find": ({"subjects": [f"sub-{THEIRS}", f"sub-{MINE}"]}, True),
    "rights.list_affected": ({"since": 0.0, "until": LATER, "routes": [], "limit": 99}, True),
    "rights.list_breaches": ({}, True),
    "rights.list_holds": ({"all_states": True}, True),
    "rights.list_projects": ({}, True),
    "meters.read": ({}, True),
    "minutes.read": ({"since": 0, "until": int(LATER) // MINUTE}, True),
    "minutes.span": ({}, False),
    "series.first": ({"resolution_s": DAY}, False),
    "series.count_requests": (
        {"resolution_s": DAY, "since": 0, "until": int(LATER), "most": 99, "where": SeriesFilter()},
        True,
    ),
    "series.has_other_keys": ({"resolution_s": DAY, "since": 0, "until": int(LATER)}, False),
    "series.read": ({"resolution_s": DAY, "since": 0, "until": int(LATER)}, True),
    "series.read_rollup": ({"resolution_s": DAY, "since": 0, "until": int(LATER)}, True),
    "series.version_totals": (
        {"resolution_s": DAY, "since": 0, "until": int(LATER), "where": SeriesFilter()},
        True,
    ),
    "series.totals": ({"resolution_s": DAY, "since": 0, "until": int(LATER), "by": ["route"]}, True),
    "features.read_outcomes": ({"since": 0.0, "until": LATER}, True),
    "features.read": ({"since": 0.0, "until": LATER}, True),
    "traces.find": ({"request_id": f"req-{THEIRS}"}, False),
    "traces.list_traces": ({"since": 0.0, "until": LATER, "limit": 99}, True),
    "keys.last_uses": ({}, False),
    "keys.list_keys": ({}, True),
    "keys.list_revoked": ({}, False),
    "access.list_grants": ({}, True),
    "access.list_people": ({}, True),
    "sessions.list_sessions": ({"now": NOW}, True),
    "subject_keys.count_keys": ({}, False),
    "subject_keys.find": ({"ids": [f"key-{THEIRS}", f"key-{MINE}"]}, True),
    "subject_keys.find_subject": ({"subject": f"sub-{THEIRS}"}, False),
    "subject_keys.list_erasures": ({}, True),
    "subject_keys.list_keys": ({"limit": 99}, True),
    "evidence.find": ({"evidence_id": f"ev_data.run_{THEIRS}"}, False),
    "evidence.list_evidence": ({"limit": 99}, True),
    "evidence.list_newest": ({"check": "data.run"}, True),
    "approvals.find_newest": ({"subject": f"prompt:{THEIRS}", "digest": "sha256:same"}, False),
    "approvals.find_request": ({"request_id": f"ap_{THEIRS}"}, False),
    "approvals.list_requests": ({"limit": 99}, True),
    "releases.find": ({"release_id": f"rel_{THEIRS}"}, False),
    "releases.list_releases": ({"limit": 99}, True),
    "registry.find_by_file": ({"sha256": FILE_DIGEST}, True),
    "registry.list_moves": ({"name": "shared"}, True),
    "registry.list_versions": ({"name": "shared"}, True),
    "improvements.list_runs": ({"limit": 99}, True),
}
# Changes, each of something of another tenant: nothing is changed.
CHANGES: Final[dict[str, tuple[dict[str, Any], Any]]] = {
    "rights.erase": ({"subjects": [f"sub-{THEIRS}"], "before": LATER}, {}),
    "rights.release_hold": ({"hold_id": f"hold_{THEIRS}", "at": NOW, "actor": "person:x"}, None),
    "rights.replace_feedback": ({"feedback_id": f"f-{THEIRS}", "sealed": b"y"}, False),
    "registry.delete_version": ({"name": "shared", "digest": f"sha256:{THEIRS}"}, False),
    "registry.mark_version": ({"name": "shared", "digest": f"sha256:{THEIRS}", "tainted": "x", "held": None}, False),
}
ADDS: Final = {"evidence.add", "evidence.add_all"}  # to the tenant that it names
# Commands that take --tenant, each with what else it needs; `None`: it writes for one person of the tenant, which
# tests/functional/test_rights.py holds, or makes something new for it.
COMMANDS: Final[dict[str, list[str] | None]] = {
    "usage": [], "tail": ["-n", "99"], "feedback": [], "evidence list": [], "evidence show": [f"ev_data.run_{THEIRS}"],
    "audit tail": [], "keys list": [], "users list": [], "approvals": ["--all"], "approvals list": ["--all"],
    "trace": [f"req-{THEIRS}"],
    "metrics query": ["requests by route"], "slo status": [],
    "release status": [], "release start": [THEIRS, "--candidate", "small"],
    "release pause": [THEIRS], "release resume": [THEIRS], "release promote": [f"rel_{THEIRS}"],
    "release rollback": [f"rel_{THEIRS}"],
    "model list": [], "model show": [f"shared@{THEIRS}"], "model lineage": [f"req-{THEIRS}"],
    "model export": [f"shared@{THEIRS}", "nowhere"], "model alias": [f"shared@{THEIRS}", "candidate"],
    "model sign": [f"shared@{THEIRS}"], "model verify": [f"shared@{THEIRS}"],
    "model mark": [f"shared@{THEIRS}", "--held", "x"], "model collect": ["--dry-run", "--keep", "0"],
    "card model": [f"shared@{THEIRS}"], "card state": ["model", f"shared@{THEIRS}", "--owner", "x"],
    "improve status": [], "improve cancel": [f"imp_{THEIRS}"],
    "privacy report": None, "privacy holds list": ["--all"], "privacy holds release": [f"hold_{THEIRS}"],
    "privacy breach status": [], "privacy breach close": [f"br_{THEIRS}", "x"],
    "privacy export": None, "privacy erase": None, "privacy correct": None, "privacy holds add": None,
    "privacy breach open": None,
    "model import": None, "improve run": None, "keys create": None, "users add": None, "crypt rotate": None,
}  # fmt: skip
ACME: Final = Principal(kind="person", id="anna", tenant="acme", rights=ALL_RIGHTS, auth_method="session")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with serve_home(tmp_path_factory.mktemp("tenants")) as home:
        fill(home)
        yield home


@pytest.fixture(scope="module")
def store(home: Path) -> Iterator[SqlStore]:
    store = find_deployment(home).open_store()
    yield store
    store.close()


def list_methods() -> set[str]:
    """Every method of the store that asks for a tenant."""
    store = SqlStore("sqlite://")
    families = {name: family for name, family in vars(store).items() if name != "database"}
    methods = {
        f"{name}.{each}"
        for name, family in families.items()
        for each, method in inspect.getmembers(family, inspect.ismethod)
        if "tenant" in inspect.signature(method).parameters
    }
    store.close()
    return methods


def call(store: SqlStore, name: str, arguments: dict[str, Any]) -> Any:
    family, _, method = name.partition(".")
    return getattr(getattr(store, family), method)(**arguments, tenant="acme")


def test_every_read_and_change_of_the_store_is_tried_here() -> None:
    assert list_methods() == READS.keys() | CHANGES.keys() | ADDS


@pytest.mark.parametrize("name", READS)
def test_a_read_shows_nothing_of_another_tenant(name: str, store: SqlStore) -> None:
    arguments, names = READS[name]
    shown = repr(call(store, name, arguments))
    assert FOREIGN not in shown
    assert (OWN in shown) == names


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_touches_nothing_of_another_tenant(name: str, store: SqlStore) -> None:
    arguments, expected = CHANGES[name]
    assert call(store, name, arguments) == expected


class TenantConsole:
    """All pages and operations, asked by a person of `acme` who has all rights there."""

    def __init__(self, home: Path, store: SqlStore) -> None:
        async def find(_: Any) -> Principal:
            return ACME

        self.source = msgspec.structs.replace(source(home, now=NOW), store=store)
        api = build_api(list_operations(home, lambda: NOW), "1")
        self._app = build(snapshot, Sessions("t"), lambda: FOREIGN, find, api, source=self.source)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
        headers = {"authorization": "Bearer stw_live_anna", "content_type": "application/json"}
        status, _, text = ask(self._app, method, path, body, **headers)
        return status, text


@pytest.fixture(scope="module")
def console(home: Path, store: SqlStore) -> TenantConsole:
    return TenantConsole(home, store)


def list_foreign(path: str) -> list[str]:
    """The path with the ids of what belongs to another tenant in its segments."""
    ids = ("", "req-", "ap_", "rel_", "ev_evaluation.run_", "ev_data.run_", "ev_loadtest.run_", "hold_", "br_", "f-")
    return [re.sub(r"{[^}]*}", f"{prefix}{THEIRS}", path) for prefix in ids] if "{" in path else [path]


def check_text(path: str, text: str) -> None:
    """Nothing of another tenant but the name that was asked for, which a refusal repeats."""
    for segment in path.split("/"):
        text = text.replace(segment, "") if FOREIGN in segment else text
    assert FOREIGN not in text, (path, text)


def test_no_page_shows_anything_of_another_tenant(console: TenantConsole) -> None:
    pages = list_pages(snapshot, Sessions("t"), lambda: FOREIGN, source=console.source)
    own = set()
    for path in [one.path for page in pages for one in page.endpoints if one.method == "GET"]:
        for asked in list_foreign(path):
            status, text = console.ask("GET", asked)
            check_text(asked, text)
            assert status != 200 or "{" not in path or path.startswith("/static"), (asked, text)
            if OWN in text:
                own.add(path)
    wanted = {"/requests", "/traffic", "/usage", "/access", "/access/people", "/access/sessions", "/audit",
              "/evaluations", "/data", "/load", "/settings/approvals", "/privacy/rights", "/usage.csv"}  # fmt: skip
    assert wanted <= own


def test_no_operation_answers_with_anything_of_another_tenant(console: TenantConsole, home: Path) -> None:
    own = set()
    for operation in list_operations(home):
        query = {"/metrics/query": "?query=requests%20by%20route", "/access": f"?who=person:{THEIRS}&what=infer"}
        for asked in list_foreign(operation.path):
            asked_query = query.get(operation.path, "") if operation.method == "GET" else ""
            status, text = console.ask(operation.method, PREFIX + asked + asked_query, b"{}")
            check_text(asked + "/" + f"person:{THEIRS}", text)
            if "{" in operation.path:
                assert status in (400, 404), (operation.method, asked, status, text)
            if OWN in text:
                own.add(operation.path)
    assert {"/keys", "/users", "/grants", "/usage", "/exchanges", "/feedback", "/traces", "/evidence", "/audit",
            "/approvals", "/metrics/query"} <= own  # fmt: skip


def list_tenant_commands(group: Group = STEWARD, before: str = "") -> list[str]:
    """Every command that takes --tenant."""
    names = []
    for entry in group.commands:
        name = f"{before}{entry.name}"
        if any("--tenant" in parameter.opts for parameter in build_command(entry).params):
            names.append(name)
        if isinstance(entry, Group):
            names += list_tenant_commands(entry, f"{name} ")
    return names


def test_every_command_that_takes_a_tenant_is_tried_here() -> None:
    assert set(list_tenant_commands()) == COMMANDS.keys()


@pytest.mark.parametrize("name", [name for name, arguments in COMMANDS.items() if arguments is not None])
def test_a_command_shows_nothing_of_another_tenant(name: str, home: Path) -> None:
    arguments = COMMANDS[name] or []
    ended = CliRunner().invoke(app, [*name.split(), *arguments, "--tenant", "acme", "--home", str(home), "--json"])
    assert ended.exception is None or isinstance(ended.exception, StewardError | SystemExit), ended.exception
    said = f"{ended.output} {ended.exception}"
    for argument in arguments:
        said = said.replace(argument, "").replace(argument.partition("@")[2] or argument, "")
    assert FOREIGN not in said
    if any(FOREIGN in argument for argument in arguments):
        assert isinstance(ended.exception, StewardError), said
    elif name not in ("slo status", "model collect"):
        assert OWN in said
