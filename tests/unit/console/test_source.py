"""Whose rows somebody sees, and answers that are shared by those who see the same."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from starlette.requests import Request

from console_client import source
from console_home import NOW, HomeConsole
from steward.console.reader import Reader
from steward.console.source import ConsoleSource, find_scope, list_key_names, warm_traffic
from steward.core.errors import Unavailable
from steward.core.identity import Principal
from steward.core.records import Admitted, Settled
from steward.core.series import MINUTE_S
from steward.settings import Settings

VIEWER = Principal(kind="person", id="v", rights=frozenset({"console.read"}))


def make_request(query: str = "") -> Request:
    request = Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": []})
    request.state.reader, request.state.stale = Reader(), None
    return request


def test_a_tenant_sees_its_own_and_the_deployments_own_all() -> None:
    assert find_scope(VIEWER) is None
    assert find_scope(msgspec.structs.replace(VIEWER, tenant="acme")) == "acme"


def test_only_who_sees_the_same_shares_an_answer() -> None:
    pages, looks = source(now=5.0), []

    async def ask(who: Principal, query: str = "") -> int:
        return await pages.read(make_request(query), who, lambda: looks.append(1) or len(looks))

    assert asyncio.run(ask(VIEWER)) == asyncio.run(ask(msgspec.structs.replace(VIEWER, id="other"))) == 1
    assert asyncio.run(ask(msgspec.structs.replace(VIEWER, tenant="acme"))) == 2
    assert asyncio.run(ask(msgspec.structs.replace(VIEWER, rights=frozenset({"audit.read"})))) == 3
    assert asyncio.run(ask(VIEWER, "range=1h")) == 4


def test_an_objective_is_judged_once_for_ten_seconds(tmp_path: Path) -> None:
    now = [1000.0]
    settings = Settings.model_validate({"slos": [{"name": "a", "kind": "availability", "objective": 0.9}]})
    pages = msgspec.structs.replace(source(tmp_path, settings=settings), clock=lambda: now[0])
    pages.store.migrate()
    (first,) = pages.objectives.read(pages, None)
    assert first.state == "not enough traffic to judge"
    pages.store.close()
    (tmp_path / "steward.db").unlink()
    now[0] += 9.9
    assert pages.objectives.read(pages, None) == [first]
    now[0] += 0.2
    with pytest.raises(Unavailable):
        pages.objectives.read(pages, None)


def test_a_range_is_of_the_url_by_the_sources_clock() -> None:
    assert source(now=7200.0).find_range(make_request("range=1h")).since == 3600.0
    assert source(now=7200.0).find_range(make_request(), "7d").name == "7d"


def test_warming_reads_what_pages_show_and_leaves_a_store_alone_that_is_not_there(tmp_path: Path) -> None:
    home = HomeConsole(tmp_path)
    records: list[Any] = [
        Admitted(request_id="r", at=NOW - 600, key_id="k", project="p", endpoint="/", route="r", streamed=False),
        Settled(request_id="r", at=NOW - 599, outcome="ok", status=200, model="m", duration_s=1.0),
    ]
    home.store.ledger.drain("w", "s", 1, records)
    warm_traffic(home.source)
    home.store.series.delete_before(MINUTE_S, int(NOW) - 300)  # what is kept does not need these rows
    assert home.source.read_traffic(NOW - 3600, NOW, 60, tenant=None).total.requests == 1
    home.store.close()
    warm_traffic(source(tmp_path / "nowhere", NOW))


def test_the_ranges_and_the_times_before_them_are_read_ahead() -> None:
    """Of each range of the pages, its span up to now, and as long a time before."""
    now, read = 1_000_000_000.0, []

    def note(since: float, until: float, step_s: int, tenant: str | None) -> None:
        read.append((since, until))

    warm_traffic(cast(ConsoleSource, SimpleNamespace(clock=lambda: now, read_traffic=note)))
    spans = [hours * 3600.0 for hours in (1, 6, 24, 7 * 24, 30 * 24, 90 * 24)]
    assert read == [(now - (back + 1) * span, now - back * span) for span in spans for back in (0, 1)]


def test_who_sees_one_project_learns_the_names_of_its_keys_alone() -> None:
    records = [SimpleNamespace(id=f"k-{name}", name=name, project=name) for name in ("web", "shop")]
    pages = cast(ConsoleSource, SimpleNamespace(keys=SimpleNamespace(list_keys=lambda *, tenant: records)))
    assert list_key_names(pages, VIEWER) == {"k-web": "web", "k-shop": "shop"}
    assert list_key_names(pages, msgspec.structs.replace(VIEWER, within="web")) == {"k-web": "web"}


def test_who_sees_one_project_of_the_deployments_tenant_sees_that_tenants_rows() -> None:
    assert find_scope(msgspec.structs.replace(VIEWER, within="web")) == "default"
