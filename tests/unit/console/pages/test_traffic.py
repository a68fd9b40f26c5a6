"""Traffic by outcome, and its tables as files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from console_home import NOW, HomeConsole, read_text
from served_home import SETTINGS, serve_home
from steward.console.pages.traffic import (
    TrafficReport,
    find_heat,
    list_others,
    list_outcomes,
    list_version_rows,
    make_table,
    read_report,
    view,
)
from steward.console.reader import Reader
from steward.console.time_range import TimeRange
from steward.core.identity import Principal, operator
from steward.core.records import Admitted, LedgerRecord, LimitSpec, Outcome, Settled
from steward.core.series import OTHER, SeriesTotal, VersionTotal
from steward.monitoring.traffic import Traffic, TrafficGroup, TrafficSums
from steward.workflows import keys

TIME = TimeRange(since=0.0, until=86400.0, name="24h")


def test_what_was_answered_failed_and_left_adds_up() -> None:
    total = TrafficSums(requests=10, judged=8, failed=2)
    rows = [tuple(row.values()) for row in list_outcomes(total, TIME, {"model": "m"})]
    assert rows == [
        ("answered", 6, 0.6, "range=24h&model=m&outcome=ok"),
        ("failed", 2, 0.2, "range=24h&model=m&kept=error"),
        ("left or refused", 2, 0.2, ""),
    ]


def test_nothing_leads_nowhere() -> None:
    rows = [tuple(row.values()) for row in list_outcomes(TrafficSums(), TIME, {})]
    assert rows == [("answered", 0, None, ""), ("failed", 0, None, ""), ("left or refused", 0, None, "")]


def exchange(number: int, key: str, outcome: Outcome = "ok") -> list[LedgerRecord]:
    at = NOW - 3600.0 + number
    return [
        Admitted(
            request_id=f"req_{number}", at=at, key_id=key, project="p", endpoint="/v1/chat/completions", route="r",
            streamed=True,
        ),
        Settled(
            request_id=f"req_{number}", at=at + 1, outcome=outcome, status=200 if outcome == "ok" else 503, model="=m",
            usd=0.25, input_tokens=10, output_tokens=20, ttft_s=0.5, duration_s=1.0,
        ),
    ]  # fmt: skip


def test_tables_are_saved_with_whole_numbers_and_no_formula(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        check_files(HomeConsole(home))


def check_files(console: HomeConsole) -> None:
    key = keys.create(console.home, "web", LimitSpec(), NOW - 9, actor=operator(0))
    records = exchange(1, key.id) + exchange(2, key.id, "upstream_error") + exchange(3, key.id, "client_closed")
    console.store.ledger.drain("w", "s", 1, records)
    page = console.get("/traffic?range=6h")
    assert "answered 1 33.3 % failed 1 33.3 % left or refused 1 33.3 %" in read_text(page)
    assert 'href="/traffic.csv?range=6h&amp;by=key"' in page
    status, headers, text = console.ask("GET", "/traffic.csv?range=6h&by=key")
    lines = text.splitlines()
    assert (status, headers["content-disposition"]) == (200, 'attachment; filename="traffic-by-key.csv"')
    assert lines[0].startswith("key,id,requests,judged,failed,input_tokens,output_tokens,usd,rated,satisfied,p50_s")
    assert lines[1].startswith(f"web,{key.id},3,2,1,30,60,0.75,0,0,") and len(lines) == 2
    assert console.ask("GET", "/traffic.csv?range=6h&by=model&model=none")[2].splitlines()[1:] == []
    assert "'=m,'=m,3," in console.ask("GET", "/traffic.csv?range=6h&by=nothing")[2]
    found = console.ask("GET", "/requests.csv?range=6h&outcome=upstream_error")[2].splitlines()
    assert found[0] == (
        "request_id,at,outcome,status,model,route,key_id,input_tokens,output_tokens,usd,ttft_s,duration_s"
    )
    assert found[1:] == [f"req_2,{NOW - 3598.0},upstream_error,503,'=m,r,{key.id},10,20,0.25,0.5,1.0"]
    assert 'href="/requests.csv?range=6h"' in console.get("/requests?range=6h")
    assert console.ask("GET", "/requests.csv?outcome=nice")[0] == 400


def test_one_model_stands_beside_another_of_the_same_time(tmp_path: Path) -> None:
    """A version of a model is a model: 3 requests of one, 1 of the other."""
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
    key = keys.create(home, "web", LimitSpec(), NOW - 9, actor=operator(0))
    ours = [one for number in range(3) for one in exchange(number, key.id)]
    other = msgspec.structs.replace(exchange(9, key.id)[1], model="big")
    console.store.ledger.drain("w", "s", 1, [*ours, exchange(9, key.id)[0], other])
    page = console.get("/traffic?range=6h&model=%3Dm&beside=big")
    text = read_text(page)
    assert "Requests 3 big: 1 Errors" in text and "p95 big" in text and "p95 before" not in text
    assert '<option value="big"><option value="small">' in page  # the models that serve
    assert "range=7d&amp;compare=&amp;" not in page and "beside=big" in page.partition('class="spans"')[2]
    assert 'href="/traffic?range=6h&amp;model=%3Dm"' in page  # alone again
    assert "p95 big" not in console.get("/traffic?range=6h&beside=big")  # beside what?
    within = console.get("/traffic?range=6h&model=%3Dm", tenant="acme")
    assert '<option value="big">' not in within


def test_keys_are_compared_by_their_names(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
    web, app = (keys.create(home, name, LimitSpec(), NOW - 9, actor=operator(0)) for name in ("web", "app"))
    console.store.ledger.drain("w", "s", 1, exchange(1, web.id) + exchange(2, app.id) + exchange(3, app.id))
    page = console.get(f"/traffic?range=6h&key={web.id}&beside=app")
    assert "Requests 1 app: 2 Errors" in read_text(page) and '<option value="app"><option value="web">' in page


def test_a_version_stands_beside_another_one(tmp_path: Path) -> None:
    """Three requests with one version of the prompt, one with the next; the address says it all."""
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
    key = keys.create(home, "web", LimitSpec(), NOW - 9, actor=operator(0))
    records: list[LedgerRecord] = []
    for number in range(4):
        admitted, settled = exchange(number, key.id)
        assert isinstance(admitted, Admitted) and isinstance(settled, Settled)
        version = "greet@1-a" if number < 3 else "greet@2-b"
        records.append(msgspec.structs.replace(admitted, prompt_version=version, route_version=7))
        records.append(msgspec.structs.replace(settled, model_version="2026-11"))
    console.store.ledger.drain("w", "s", 1, records)
    page = console.get("/traffic?range=6h")
    assert "Prompt version greet@1-a 3 75.0 % 0.00 %" in read_text(page)
    assert "Route version 7 4 100.0 %" in read_text(page) and "Model version 2026-11 4" in read_text(page)
    assert 'href="/traffic?range=6h&amp;prompt_version=greet%402-b&amp;beside=greet%401-a"' in page
    beside = console.get("/traffic?range=6h&prompt_version=greet%402-b&beside=greet%401-a")
    text = read_text(beside)
    assert "Requests 1 greet@1-a: 3" in text and "p95 greet@1-a" in text
    assert "Beside another prompt version" in text and "Keys are not told apart by version" in text
    assert "No sums are kept" not in text
    assert "req_3" in console.get("/requests?range=6h&prompt_version=greet%402-b")
    assert "req_1" not in console.get("/requests?range=6h&prompt_version=greet%402-b&route_version=7")
    status, _, refused = console.ask("GET", "/requests?route_version=x")
    assert status == 400 and ">This cannot be shown<" in refused
    saved = console.ask("GET", "/traffic.csv?range=6h&by=version")[2].splitlines()
    assert saved[0].startswith("kind,version,requests,judged") and "prompt_version,greet@1-a,3.0,3.0," in saved[2]


def test_a_version_of_one_key_is_counted_from_requests_and_says_so(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
    web, app = (keys.create(home, name, LimitSpec(), NOW - 9, actor=operator(0)) for name in ("web", "app"))
    records: list[LedgerRecord] = []
    for number, key in enumerate((web, app, app)):
        admitted, settled = exchange(number, key.id)
        assert isinstance(admitted, Admitted)
        records += [msgspec.structs.replace(admitted, prompt_version="greet@1-a"), settled]
    console.store.ledger.drain("w", "s", 1, records)
    text = read_text(console.get(f"/traffic?range=6h&prompt_version=greet%401-a&key={app.id}"))
    assert "Requests 2 Errors" in text and "app 2 100.0 %" in text
    assert "No sums are kept of a version together with a key" in text and "which takes longer" in text


@pytest.mark.parametrize(
    ("fixed", "told_apart"),
    [((), "model"), (("model",), "route"), (("model", "route"), "key"), (("model", "route", "key"), "model")],
)
def test_the_heat_map_tells_apart_what_no_filter_fixes(fixed: tuple[str, ...], told_apart: str) -> None:
    assert find_heat(dict.fromkeys(fixed, "x")) == told_apart


def group(name: str, requests: int) -> TrafficGroup:
    return TrafficGroup(name, TrafficSums(requests=requests, judged=requests), ())


def report(total: int = 4, before: Traffic | None = None, **more: Any) -> TrafficReport:
    groups: Any = {"model": (group("m", 3), group("", 1)), "key": (group("k1", 2), group(OTHER, 2))}
    whole = TrafficSums(requests=total, judged=total)
    shown = Traffic(step_s=60, starts=(0,), total=whole, points=(whole,), groups=groups)
    return TrafficReport(traffic=shown, before=before, key_names={"k1": "web", "m": "no key"}, slos=(), **more)


def test_a_table_has_names_shares_and_links_of_what_can_be_shown_alone() -> None:
    models, keys_of = (make_table(report(), one, TIME, {"route": "r"}, Reader()) for one in ("model", "key"))
    assert [(row["name"], row["share"], row["link"]) for row in models["rows"]] == [
        ("m", 75.0, "range=24h&route=r&model=m"), ("no model answered", 25.0, ""),
    ]  # fmt: skip
    assert [(row["name"], row["link"]) for row in keys_of["rows"]] == [("web", "range=24h&route=r&key=k1"), (OTHER, "")]
    assert (models["csv"], models["compared"], models["title"]) == ("range=24h&route=r&by=model", "", "By model")
    assert make_table(report(total=1), "model", TIME, {}, Reader())["rows"][1]["share"] == 100.0
    before = Traffic(step_s=60, starts=(0,), total=TrafficSums(), points=(), groups={"model": (group("m", 9),)})
    table = make_table(report(before=before), "model", TIME, {}, Reader())
    assert table["compared"] == "Before" and [row["before"] and row["before"].requests for row in table["rows"]] == [
        9, None,
    ]  # fmt: skip
    assert make_table(report(before=before, beside="big"), "model", TIME, {}, Reader())["compared"] == "big"


def total(requests: int, judged: int, failed: int) -> SeriesTotal:
    return SeriesTotal(requests=requests, judged=judged, failed=failed)


def test_a_version_leads_to_itself_and_beside_the_one_before_it_of_its_kind() -> None:
    versions = (
        VersionTotal("model_version", "1", total(1, 0, 0)),
        VersionTotal("prompt_version", "p@1", total(3, 2, 1)),
        VersionTotal("prompt_version", "p@2", total(1, 1, 0)),
    )
    rows = list_version_rows(report(versions=versions), TIME, {"model": "m"})
    assert [(row["kind"], row["share"], row["errors"], row["beside"]) for row in rows] == [
        ("Model version", 0.25, None, ""), ("Prompt version", 0.75, 0.5, ""), ("Prompt version", 0.25, 0.0, "p@1"),
    ]  # fmt: skip
    assert [row["compare"] for row in rows] == ["", "", "range=24h&model=m&prompt_version=p%402&beside=p%401"]
    alone = list_version_rows(report(total=1, versions=versions[:1]), TIME, {})
    assert alone[0]["share"] == 1.0
    chosen = list_version_rows(report(versions=versions), TIME, {"prompt_version": "p@1"})
    assert chosen[1]["share"] is None and chosen[1]["link"] == "range=24h&prompt_version=p%401"


def test_the_page_says_which_filters_are_on_and_draws_what_there_is() -> None:
    keep = dict.fromkeys(("model", "route", "key", "model_version", "prompt_version", "route_version"), "")
    shown = view(report(), TIME, {**keep, "key": "k1"}, Reader())
    assert shown["filters"] == [("key", "web", "range=24h")] and shown["fixed"] == "key" and not shown["keyless"]
    assert len(shown["charts"]) == 5 and shown["figures"][0].before == ""
    assert [table["title"] for table in shown["tables"]] == ["By model", "By key"]
    nothing = view(report(total=0), TIME, keep, Reader())
    assert nothing["charts"] == [] and nothing["fixed"] == "" and nothing["filters"] == []
    before = Traffic(step_s=60, starts=(0,), total=TrafficSums(requests=7), points=(), groups={})
    assert view(report(before=before), TIME, keep, Reader())["figures"][0].before == "7"


def test_what_can_stand_beside_the_filter_is_of_its_kind_and_for_whoever_may_know_it() -> None:
    plan = SimpleNamespace(models=[SimpleNamespace(name="m")], routes=[SimpleNamespace(name="r")])
    pages: Any = SimpleNamespace(plan=lambda: plan)
    ours = Principal(kind="person", id="p")
    versions = [
        VersionTotal("model_version", "1", total(1, 1, 0)),
        VersionTotal("prompt_version", "p@1", total(1, 1, 0)),
    ]
    names = {"k2": "web", "k1": "app"}
    asked: list[tuple[Any, Principal, tuple[str, ...]]] = [
        ("key", ours, ("app", "web")), ("model", ours, ("m",)), ("route", ours, ("r",)),
        ("prompt_version", ours, ("p@1",)), ("model", msgspec.structs.replace(ours, tenant="acme"), ()),
        ("route", msgspec.structs.replace(ours, within="web"), ()),
    ]  # fmt: skip
    for fixed, who, others in asked:
        assert list_others(pages, who, fixed, names, versions) == others, fixed


def test_versions_are_told_where_no_key_or_project_is_chosen_and_objectives_where_all_is_seen(tmp_path: Path) -> None:
    text = SETTINGS + "slos:\n  - {name: answers, kind: availability, objective: 0.9}\n"
    with serve_home(tmp_path, text) as home:
        console = HomeConsole(home)
    key = keys.create(home, "web", LimitSpec(), NOW - 9, actor=operator(0))
    admitted, settled = exchange(1, key.id)
    assert isinstance(admitted, Admitted)
    records = [msgspec.structs.replace(admitted, prompt_version="greet@1-a"), settled]
    console.store.ledger.drain("w", "s", 1, records)
    time = TimeRange(since=NOW - 7200, until=NOW)
    none = dict.fromkeys(("model", "route", "key", "model_version", "prompt_version", "route_version"), "")
    ours = Principal(kind="person", id="p")

    def read(who: Principal, **chosen: str) -> tuple[int, int]:
        found = read_report(console.source, who, time, none | chosen)
        return len([one for one in found.versions if one.dimension == "prompt_version"]), len(found.slos)

    assert read(ours) == read(ours, model="=m") == (1, 1)
    assert read(ours, key=key.id) == (0, 1)
    assert read(msgspec.structs.replace(ours, within="p")) == (0, 0)


def test_the_time_before_ends_where_the_one_that_is_shown_begins(tmp_path: Path) -> None:
    """Two in the last six hours, one in the six before, one earlier still."""
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
    key = keys.create(home, "web", LimitSpec(), NOW - 9, actor=operator(0))
    records = [one for hours in (0, 1, 7, 13) for one in exchange(-3600 * hours, key.id)]
    console.store.ledger.drain("w", "s", 1, records)
    time = TimeRange(since=NOW - 6 * 3600, until=NOW, name="6h", comparison="before")
    none = dict.fromkeys(("model", "route", "key", "model_version", "prompt_version", "route_version"), "")
    report = read_report(console.source, Principal(kind="person", id="p"), time, none)
    assert report.before is not None
    assert (report.traffic.total.requests, report.before.total.requests) == (2, 1)
