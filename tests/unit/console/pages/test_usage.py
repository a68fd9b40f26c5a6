from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.requests import Request

from console_home import HOSTILE, NOW, HomeConsole, read_text
from served_home import SETTINGS, serve_home
from steward.console.pages.usage import read_export_form
from steward.core.errors import InputError
from steward.core.identity import operator
from steward.core.records import Admitted, LedgerRecord, LimitSpec, Settled
from steward.workflows import keys

DAY = 86400.0


@pytest.fixture
def console(tmp_path: Path) -> HomeConsole:
    return HomeConsole(tmp_path)


def serve(console: HomeConsole, key: str, days_ago: float, usd: float, model: str = "big", **more: str) -> None:
    at = NOW - days_ago * DAY
    serve.count += 1  # type: ignore[attr-defined]
    name = f"r{serve.count}"  # type: ignore[attr-defined]
    records: list[LedgerRecord] = [
        Admitted(
            request_id=name, at=at, key_id=key, project="default", endpoint="/v1/chat/completions", route="assistant",
            streamed=False, tenant=more.get("tenant", "default"),
        ),
        Settled(
            request_id=name, at=at, outcome=cast(Any, more.get("outcome", "ok")), status=200, model=model,
            input_tokens=100, output_tokens=10, usd=usd,
        ),
    ]  # fmt: skip
    console.store.ledger.drain("w", "s", serve.count, records)  # type: ignore[attr-defined]


serve.count = 0  # type: ignore[attr-defined]


def test_an_empty_home_says_what_will_stand_there(console: HomeConsole) -> None:
    page = console.get("/usage")
    assert "No requests in this time" in page and "steward chat" in page and "No budgets" in page


def test_usage_is_summed_by_model_key_team_and_day(console: HomeConsole) -> None:
    web = keys.create(console.home, "web", LimitSpec(), NOW, actor=operator(0), team="shop")
    serve(console, web.id, 1, 0.5)
    serve(console, web.id, 0, 1.5, "small")
    serve(console, "k9", 40, 8.0)
    page = read_text(console.get("/usage"))
    assert "small 1 0 100 10 $1.50 75.0 %" in page and "big 1 0 100 10 $0.50 25.0 %" in page and "$2.00" in page
    assert "big 2 0 200 20 $8.50" in read_text(console.get("/usage?since=90d"))
    assert "web 2 0 200 20 $2.00" in read_text(console.get("/usage?by=key"))
    assert "shop 2 0 200 20 $2.00" in read_text(console.get("/usage?by=team"))
    assert "14 Jan 1 0 100 10 $0.50" in read_text(console.get("/usage?by=day"))
    assert "Nothing matches" in console.get("/usage?words=none")


def test_keys_that_are_counted_together_are_told_of(console: HomeConsole) -> None:
    """By how many are told apart: 1,000 combinations of model, route and key a tenant and day."""
    serve(console, "k1", 0, 5.0)
    assert "counted by name" not in console.get("/usage?by=key")
    serve(console, "other", 0, 1.0)  # as the store names those beyond
    page = read_text(console.get("/usage?by=key"))
    assert "the first 1,000 combinations" in page and "a budget below may show less than its key has spent" in page


def test_another_tenant_sees_its_own_alone(console: HomeConsole) -> None:
    serve(console, "k1", 0, 5.0)
    serve(console, "k2", 0, 1.0, "theirs", tenant="acme")
    page = console.get("/usage", tenant="acme")
    assert "theirs" in page and "big" not in read_text(page) and "provider" not in page
    assert "big" in console.get("/usage") and "theirs" in console.get("/usage")


def test_csv_holds_the_rows_and_no_formula(console: HomeConsole) -> None:
    serve(console, "k1", 0, 5.0, "=cmd|' /C calc'!A0")
    status, headers, text = console.ask("GET", "/usage.csv?by=model&since=7d")
    assert status == 200 and headers["content-disposition"] == 'attachment; filename="usage-by-model.csv"'
    assert text.splitlines() == [
        "name,id,requests,failed,input_tokens,output_tokens,usd",
        "'=cmd|' /C calc'!A0,'=cmd|' /C calc'!A0,1.0,0.0,100.0,10.0,5.0",
    ]


def test_a_budget_says_what_is_left_and_what_the_month_will_cost(tmp_path: Path) -> None:
    text = SETTINGS + "limits: {teams: {shop: {usd_per_day: 10, usd_per_month: 100}}}\n"
    with serve_home(tmp_path, text) as home:
        console = HomeConsole(home)
        web = keys.create(home, "web", LimitSpec(), NOW, actor=operator(0), team="shop")
        for day in range(1, 29):
            serve(console, web.id, day, 2.0)
        serve(console, web.id, 0, 4.0)
        page = read_text(console.get("/usage"))
    assert "team shop day $10.00 $4.00 40 % $6.00" in page
    # 14 days of January at 2, 4 today, and 16.67 days left at 2: the same every day, so the interval is a point
    assert "team shop month $100.00 $32.00 32 % $68.00 $65.33 ($65.33 to $65.33)" in page


def upload(export: bytes, tolerance: str = "1", field: str = "export") -> tuple[bytes, dict[str, str]]:
    lines = [
        b"--x",
        f'Content-Disposition: form-data; name="{field}"; filename="e.csv"'.encode(),
        b"Content-Type: text/csv",
        b"",
        export,
        b"--x",
        b'Content-Disposition: form-data; name="tolerance"',
        b"",
        tolerance.encode(),
        b"--x--",
        b"",
    ]
    body = b"\r\n".join(lines)
    return body, {"content_type": "multipart/form-data; boundary=x", "content_length": str(len(body))}


def reconcile(console: HomeConsole, export: bytes, **more: str) -> tuple[int, str]:
    body, headers = upload(export, **more)
    status, _, page = console.ask("POST", "/usage/reconcile", body=body, **headers)
    return status, page


@pytest.mark.parametrize(("files", "fields", "is_read"), [(1, 5, True), (2, 1, False), (1, 6, False)])
def test_a_form_has_one_file_and_five_fields_at_most(files: int, fields: int, is_read: bool) -> None:
    parts = [f'name="export"; filename="{number}.csv"' for number in range(files)]
    parts += [f'name="f{number}"' for number in range(fields)]
    body = b"".join(f"--x\r\nContent-Disposition: form-data; {part}\r\n\r\n7\r\n".encode() for part in parts) + b"--x--"
    headers = [(b"content-type", b"multipart/form-data; boundary=x"), (b"content-length", str(len(body)).encode())]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    if is_read:
        assert asyncio.run(read_export_form(request, 10_000)) == (b"7", 0.01)  # 1 % where nothing is said
    else:
        with pytest.raises(InputError, match="the form cannot be read"):
            asyncio.run(read_export_form(request, 10_000))


def test_a_providers_bill_is_compared(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        console = HomeConsole(home)
        serve(console, "k1", 0, 0.0)
        right = b"date,model,input_tokens,output_tokens\n2027-01-15,big,100,10\n"
        assert reconcile(console, right) == (200, reconcile(console, right)[1])
        assert "numbers agree" in reconcile(console, right)[1]
        assert "1 of 1 numbers differ" in reconcile(console, right.replace(b",100,", b",150,"))[1]
        assert "numbers agree" in reconcile(console, right.replace(b",100,", b",150,"), tolerance="60")[1]
        status, page = reconcile(console, HOSTILE.encode())
        assert status == 400 and "the export" in page and "<script>alert" not in page
        assert reconcile(console, right, tolerance="many")[0] == 400
        assert reconcile(console, right, field="other")[0] == 400


def test_an_export_beyond_all_bounds_is_not_read(console: HomeConsole) -> None:
    status, _, page = console.ask("POST", "/usage/reconcile", body=b"x", content_length="99999999999")
    assert status == 413 and "the form is larger" in page


@pytest.mark.parametrize(("since", "days"), [("7d", 7), ("30d", 30), ("90d", 90), ("", 30), ("none-such", 30)])
def test_a_span_ends_today_and_has_as_many_days_as_it_says(console: HomeConsole, since: str, days: int) -> None:
    """It is 08:00 in UTC: the first day of a span is whole, so 8 h and as many days before are the oldest of it."""
    serve(console, "k1", days - 1 + 8 / 24, 1.0)
    serve(console, "k1", days - 1 + 8.01 / 24, 2.0)
    page = console.get(f"/usage?since={since}" if since else "/usage")
    assert "big 1 0 100 10 $1.00 100.0 %" in read_text(page)
    assert f'data-steps="{days}"' in page


def test_this_month_begins_on_its_first_day(console: HomeConsole) -> None:
    serve(console, "k1", 14 + 8 / 24, 1.0)  # 1 January, 00:00
    serve(console, "k1", 14 + 8.01 / 24, 2.0)
    page = console.get("/usage?since=month")
    assert "big 1 0 100 10 $1.00 100.0 %" in read_text(page) and "This month" in page
    assert '<option value="month" selected>This month</option>' in page


def test_what_costs_nothing_is_drawn_as_requests(console: HomeConsole) -> None:
    serve(console, "k1", 0, 0.0)
    page = read_text(console.get("/usage?since=7d"))
    assert "Requests a day" in page and "US dollars a day" not in page and "$0 a request" in page
    assert "0.0 % failed" in page
    serve(console, "k1", 0, 0.0, outcome="upstream_error")
    assert "Requests 2 50.0 % failed" in read_text(console.get("/usage?since=7d&again=1"))
    serve(console, "k1", 0, 0.0)
    serve(console, "k1", 0, 0.0)
    serve(console, "k1", 1, 0.5)
    page = read_text(console.get("/usage?since=7d"))
    assert "US dollars a day" in page and "$0.10 a request" in page


def test_an_export_may_have_16_mib_and_no_byte_more(console: HomeConsole) -> None:
    most = 16 * 2**20
    for length, status in ((most, 400), (most + 1, 413)):
        _, headers = upload(b"")
        headers["content_length"] = str(length)
        assert console.ask("POST", "/usage/reconcile", body=b"", **headers)[0] == status
    assert console.ask("POST", "/usage/reconcile", body=b"x", content_length="many")[0] == 413


@pytest.mark.parametrize("tolerance", ["-0.1", "100.1", "nan", "inf", ""])
def test_a_tolerance_that_is_no_share_is_refused(console: HomeConsole, tolerance: str) -> None:
    status, page = reconcile(console, b"date,model,input_tokens,output_tokens\n", tolerance=tolerance)
    assert status == 400 and "expected a percentage from 0 to 100" in page


def test_what_the_month_will_cost_is_worked_out_from_the_days_before(console: HomeConsole) -> None:
    """On 15 January at 8:00: $14 of 14 days, and 16 2/3 days that are left at the $1 a day of the last two weeks."""
    for days_ago in range(1, 21):
        serve(console, "k1", days_ago, 1.0)
    page = read_text(console.get("/usage"))
    assert "This month will cost $30.67 $14.00 so far; $30.67 to $30.67, 95 % sure" in page


def test_what_costs_nothing_has_no_forecast(console: HomeConsole) -> None:
    serve(console, "k1", 1, 0.0)
    assert "This month will cost" not in console.get("/usage")


def test_a_month_of_31_days_costs_what_its_first_days_did_too(tmp_path: Path) -> None:
    """At midnight before 31 January: $2 a day since the first, so 60, and one day is left of the month."""
    console = HomeConsole(tmp_path, clock=lambda: NOW + 15.5 * DAY + DAY / 6)  # 2027-01-31 00:00
    for days_ago in range(-15, 15):
        serve(console, "k1", days_ago, 2.0)
    page = console.get("/usage")
    assert "This month will cost $62.00 $60.00 so far; $62.00 to $62.00, 95 % sure" in read_text(page)
    assert 'data-steps="30"' in page  # today is drawn, from its first second on


def test_a_forecast_of_few_days_has_no_interval_and_today_alone_none(console: HomeConsole) -> None:
    """$2 of yesterday: 2 so far, and 16 2/3 days of January are left."""
    serve(console, "k1", 0, 1.0)
    assert "This month will cost" not in console.get("/usage")
    serve(console, "k1", 1, 2.0)
    page = read_text(console.get("/usage?again=1"))
    assert "This month will cost $36.33 $3.00 so far" in page and "so far;" not in page
