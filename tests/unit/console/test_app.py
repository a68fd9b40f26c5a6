import asyncio
import time
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from console_client import ask, snapshot, source
from console_home import read_text
from steward.console.app import (
    build,
    explain_denial,
    explain_error,
    find_person,
    find_project,
    find_session_token,
    has_headline,
    has_key,
)
from steward.console.reader import Reader
from steward.console.recognised import RecognisedPeople
from steward.console.sessions import COOKIE, Sessions
from steward.console.shell import FORM_LIMIT
from steward.core.errors import InputError, Refused, StewardError, Unavailable, UnknownName
from steward.core.gpus import Gpu, GpuReading, GpuStatus, MigDevice
from steward.core.identity import ANONYMOUS, Principal, Right
from steward.gateway.http import CERTIFICATE

TOKEN = "a-token"


def app(**changes: Any) -> Starlette:
    return build(lambda: snapshot(**changes), Sessions(TOKEN), lambda: "m 1\n")


def test_nothing_is_shown_before_login() -> None:
    assert ask(app(), "GET", "/status")[0] == 303 and ask(app(), "GET", "/api/snapshot")[0] == 401
    assert ask(app(), "GET", "/metrics")[0] == 401
    assert ask(app(), "POST", "/login", b"token=wrong")[0] == 401


def test_metrics_open_to_a_scraper_with_the_token() -> None:
    token = Sessions(TOKEN).metrics_token()
    assert ask(app(), "GET", "/metrics", authorization=f"Bearer {token}")[::2] == (200, "m 1\n")
    for wrong in (f"Basic {token}", "Bearer wrong", "Bearer ", token):
        assert ask(app(), "GET", "/metrics", authorization=wrong)[0] == 401
    assert ask(app(), "GET", "/api/snapshot", authorization=f"Bearer {token}")[0] == 401


def test_metrics_open_to_this_machine_but_not_through_it() -> None:
    def status(**headers: str) -> int:
        return ask(app(), "GET", "/metrics", client="127.0.0.1", **headers)[0]

    assert status(host="127.0.0.1:8081") == status(host="localhost:8081") == 200
    assert status(host="rebound.example:8081") == 401  # a page in the browser whose name now means this machine
    assert status(host="localhost:8081", x_forwarded_for="10.0.0.9") == 401


def test_login_gives_a_strict_cookie_that_opens_the_page() -> None:
    status, headers, _ = ask(app(), "POST", "/login", b"token=a-token")
    cookie = headers["set-cookie"]
    assert status == 303 and "HttpOnly" in cookie and "SameSite=strict" in cookie
    status, headers, page = ask(app(), "GET", "/status", cookie=cookie.partition(";")[0])
    assert status == 200 and "All systems operational." in page and "<svg" in page
    assert "&lt;b&gt;m&lt;/b&gt;" in page and "<b>m" not in page
    assert headers["content-security-policy"].startswith("default-src 'none'") and "style=" not in page


def test_k6_a_program_gets_the_same_verdict_with_the_token() -> None:
    assert ask(app(), "GET", "/api/status")[0] == 401
    assert ask(app(), "GET", "/api/status", authorization="Bearer wrong")[0] == 401
    found = ask(app(state="down"), "GET", "/api/status", authorization=f"Bearer {TOKEN}")
    assert found[::2] == (200, '{"state":"degraded","sentence":"keeper is down."}')


def test_guessing_is_slowed_down() -> None:
    one = app()
    assert [ask(one, "POST", "/login", b"token=x")[0] for _ in range(11)] == [401] * 10 + [429]
    assert 1 <= int(ask(one, "POST", "/login", b"token=x")[1]["retry-after"]) <= 60
    assert ask(one, "POST", "/login", b"token=a-token", client="10.0.0.7")[0] == 303


def test_signing_out_ends_the_session_on_the_server() -> None:
    one = app()
    cookie = ask(one, "POST", "/login", b"token=a-token")[1]["set-cookie"].partition(";")[0]
    assert ask(one, "GET", "/status", cookie=cookie)[0] == 200
    assert ask(one, "POST", "/logout", cookie=cookie)[0] == 303
    assert ask(one, "GET", "/status", cookie=cookie)[0] == 303


def test_a_login_of_more_than_a_form_is_not_read() -> None:
    assert ask(app(), "POST", "/login", b"token=a-token&more=" + b"x" * FORM_LIMIT)[0] == 413


def test_empty_and_broken_states_are_said() -> None:
    cookie = f"{COOKIE}={Sessions(TOKEN).issue(4e9)}"
    assert "steward chat" in ask(app(requests=0), "GET", "/status", cookie=cookie)[2]
    assert "keeper is down." in ask(app(state="down"), "GET", "/status", cookie=cookie)[2]


def test_a_configuration_that_was_not_taken_is_said() -> None:
    refused = msgspec.structs.replace(snapshot(), config_version=3, config_error="steward.yaml:4: <unknown>")
    one = build(snapshot=lambda: refused, sessions=Sessions(TOKEN), metrics=lambda: "")
    page = ask(one, "GET", "/status", cookie=f"{COOKIE}={Sessions(TOKEN).issue(4e9)}")[2]
    assert "Version 3 is still serving: steward.yaml:4: &lt;unknown&gt;" in page


def test_the_page_names_its_span() -> None:
    hour = msgspec.structs.replace(snapshot(), series=snapshot().series * 60)
    young = msgspec.structs.replace(hour, bucket_s=15.0)
    cookie = f"{COOKIE}={Sessions(TOKEN).issue(4e9)}"
    for shown, words in ((hour, "in the last hour"), (young, "in the last 15 minutes")):
        assert (
            words
            in ask(build(lambda shown=shown: shown, Sessions(TOKEN), lambda: ""), "GET", "/status", cookie=cookie)[2]
        )


def test_gpus_are_shown_where_there_are_some_and_without_processes() -> None:
    cookie = f"{COOKIE}={Sessions(TOKEN).issue(4e9)}"

    def page(status: GpuStatus) -> str:
        shown = msgspec.structs.replace(snapshot(), gpus=status)
        return ask(build(lambda: shown, Sessions(TOKEN), lambda: ""), "GET", "/status", cookie=cookie)[2]

    assert "GPUs" not in page(GpuStatus())
    parts = (MigDevice(instance=9, profile="1g.10gb", memory_total_bytes=2**30, memory_used_bytes=2**29),)
    gpus = (
        Gpu(index=0, name="<H100>", gpu_percent=97.0, temperature_c=83.0, ecc_uncorrected=1),
        Gpu(index=1, error="GPU is lost"),
        Gpu(index=2, name="A100", mig=parts),
    )
    status = GpuStatus(reading=GpuReading(at=1.0, source="nvml", gpus=gpus), age_s=90.0, error="it hangs")
    text = page(status)
    assert "&lt;H100&gt;" in text and "97 %" in text and "83 °C" in text and "1 uncorrected ECC error" in text
    assert "GPU 1: GPU is lost" in text and "MIG 1g.10gb, instance 9" in text and "0.5 of 1.0 GiB" in text
    assert "Cannot read the GPUs: it hangs" in text and "1 min 30 s old" in text and "style=" not in text


def test_m05_a_clock_that_is_set_back_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    one = app()
    for _ in range(10):
        ask(one, "POST", "/login", b"token=x")
    later, monotonic = time.time() - 3600, time.monotonic() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic)
    assert ask(one, "POST", "/login", b"token=a-token")[0] == 303


def request_with(cookies: str = "", **headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if cookies:
        pairs.append((b"cookie", cookies.encode()))
    return Request({"type": "http", "scheme": "http", "path": "/", "headers": pairs, "query_string": b"", "state": {}})


@pytest.mark.parametrize(
    ("path", "rights", "within", "shown"),
    [
        ("/", {"console.read"}, None, True),
        ("/alerts", {"console.read"}, None, True),
        ("/", set(), None, False),
        ("/", {"console.read"}, "web", False),
        ("/api/v1/keys", {"console.read"}, None, False),
        ("/live", {"console.read"}, None, False),
        ("/healthz", {"console.read"}, None, False),
    ],
)
def test_the_headline_is_for_pages_of_whoever_sees_a_whole_tenant(
    path: str, rights: set[Any], within: str | None, shown: bool
) -> None:
    assert has_headline(path, Principal(kind="person", id="p", rights=frozenset(rights), within=within)) == shown


def test_a_key_or_a_json_web_token_is_no_session() -> None:
    assert has_key(request_with(authorization="Bearer stw_x")) and has_key(request_with(authorization="bearer  eyJx"))
    assert has_key(request_with(x_api_key="stw_x"))
    assert not has_key(request_with(authorization="Bearer other")) and not has_key(request_with())
    assert not has_key(request_with(authorization="Basic stw_x"))


def test_a_session_comes_with_the_header_or_without_one_with_the_cookie() -> None:
    cookie = "steward_console=sts_cookie"
    assert find_session_token(request_with(authorization="Bearer  sts_x ")) == "sts_x"
    assert find_session_token(request_with(cookie)) == "sts_cookie" and find_session_token(request_with()) == ""
    assert find_session_token(request_with(cookie, authorization="Bearer stw_key")) == ""
    assert find_session_token(request_with("steward_console=other")) == ""
    assert find_session_token(request_with(authorization="Basic sts_x")) == ""


def test_the_project_of_the_header_goes_before_that_of_the_cookie() -> None:
    assert find_project(request_with(x_steward_project="web")) == "web" and find_project(request_with()) is None
    assert find_project(request_with("steward_project=shop")) == "shop"
    assert find_project(request_with("steward_project=shop", x_steward_project="web")) == "web"
    assert find_project(request_with(x_steward_project="x" * 201)) == "x" * 200


@pytest.mark.parametrize(
    ("who", "status", "words"),
    [
        (Principal(kind="person", id="p"), 401, "Send a key as 'Authorization: Bearer stw_…'."),
        (Principal(kind="key", id="k", auth_method="key"), 403, "This needs the right 'keys.read'."),
        (
            Principal(kind="key", id="k", auth_method="key", rights=frozenset({"keys.read"}), within="web"),
            403,
            "This answers for more than the project 'web', which is all that you may see.",
        ),
        (
            Principal(kind="key", id="k", auth_method="key", rights=frozenset({"keys.read"})),
            403,
            "This needs the right 'keys.read'.",
        ),
    ],
)
def test_who_proved_nothing_gets_401_and_who_may_too_little_403(who: Principal, status: int, words: str) -> None:
    request = request_with()
    request.state.principal = who
    endpoint: Any = SimpleNamespace(permission="keys.read")
    error = explain_denial(request, endpoint)
    assert (error.status, error.message) == (status, words)
    assert error.headers == ((("www-authenticate", "Bearer"),) if status == 401 else ())


def test_who_may_not_see_a_page_is_told_what_it_needs(tmp_path: Path) -> None:
    pages = source(tmp_path)
    pages.store.migrate()
    asking = [Principal(kind="person", id="p", auth_method="key")]

    async def find(sender: Any) -> Principal:
        return asking[0]

    one = build(snapshot, Sessions(TOKEN), str, find, source=pages)

    def refuse(path: str, *rights: Right, **who: Any) -> tuple[int, str]:
        asking[0] = Principal(kind="person", id="p", auth_method="key", rights=frozenset(rights), **who)
        status, headers, page = ask(one, "GET", path, authorization="Bearer stw_live_x")
        return status, headers.get("location", "") or read_text(page)

    status, text = refuse("/audit", "console.read")
    assert status == 403 and "This needs the right 'audit.read'" in unescape(text) and "The token opens" not in text
    status, text = refuse("/settings", "console.read", tenant="acme")
    assert status == 403 and "This page shows all tenants; it opens to the tenant 'default' only." in unescape(text)
    status, text = refuse("/settings", "console.read", within="web")
    assert status == 403 and "shows more than the project 'web', which your role is for." in unescape(text)
    status, text = refuse("/settings", "usage.read", within="web")
    assert status == 403 and "This needs the right 'console.read'." in unescape(text)
    assert refuse("/", "console.read", "usage.read", within="web") == (303, "/traffic")
    cookie = f"{COOKIE}={Sessions(TOKEN).issue(4e9)}"
    status, _, page = ask(one, "POST", "/access/keys", b"", cookie=cookie)
    assert status == 403 and "The token opens pages to read." in page
    pages.store.close()


def test_where_certificates_are_needed_nobody_without_one_sees_a_page_but_this_machine() -> None:
    one = build(snapshot, Sessions(TOKEN), str, needs_certificate=True)
    cookie = f"{COOKIE}={Sessions(TOKEN).issue(4e9)}"
    status, _, text = ask(one, "GET", "/status", cookie=cookie)
    assert status == 401 and "needs a client certificate" in text
    assert ask(one, "GET", "/healthz")[0] == 200
    bearer = f"Bearer {TOKEN}"
    assert ask(one, "GET", "/status", authorization=bearer, client="127.0.0.1")[0] == 200  # `steward status`
    assert ask(one, "GET", "/status", authorization=bearer)[0] == 401

    async def with_certificate(scope: Any, receive: Any, send: Any) -> None:
        await one(scope | {CERTIFICATE: "sha256:0"}, receive, send)

    application: Any = with_certificate
    assert ask(application, "GET", "/status", cookie=cookie)[0] == 200


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (UnknownName("prompt", "x", []), 404, "Not found"),
        (InputError("no such word"), 400, "This cannot be shown"),
        (Unavailable("it is locked"), 503, "The store does not answer"),
        (Refused("not yours", status=403, type="t"), 403, "Not allowed"),
    ],
)
def test_a_page_that_cannot_be_shown_says_why(error: StewardError, status: int, title: str) -> None:
    request = request_with()
    state = request.state
    state.principal, state.navigation, state.reader = Principal(kind="person", id="p"), [], Reader()
    state.headline, state.stale, state.demo = None, None, False
    answer = explain_error(request, error)
    assert answer.status_code == status and f">{title}<" in bytes(answer.body).decode()


def test_whoever_was_just_recognised_reads_on_while_the_store_is_away_and_changes_nothing() -> None:
    anna = Principal(kind="person", id="anna", auth_method="session")

    class Sessions:
        is_away = False

        def find(self, session: str, *_: object) -> Principal | None:
            if self.is_away:
                raise Unavailable("locked")
            return anna if session == "sts_anna" else None

    people: Any = Sessions()
    recognised = RecognisedPeople(lambda: 1.0)

    def find(session: str, changes: bool) -> tuple[str, int | None]:
        request = request_with()
        request.state.changes = changes
        who = asyncio.run(find_person(request, people, recognised, session))
        problem: Refused | None = getattr(request.state, "problem", None)
        return who.id, problem.status if problem is not None else None

    assert find("sts_anna", changes=True) == ("anna", None) and find("sts_over", changes=False)[0] == ANONYMOUS.id
    people.is_away = True
    assert find("sts_anna", changes=False) == ("anna", None)
    assert find("sts_anna", changes=True) == find("sts_bert", changes=False) == (ANONYMOUS.id, 503)


def test_a_key_or_a_certificate_is_asked_about_and_a_visitor_without_either_is_nobody() -> None:
    asked: list[Any] = []

    async def find(sender: Any) -> Principal:
        asked.append(sender.certificate)
        return Principal(kind="key", id="k", auth_method="key", rights=frozenset({"metrics.read"}))

    one = build(snapshot, Sessions(TOKEN), lambda: "m 1", find)

    async def with_certificate(scope: Any, receive: Any, send: Any) -> None:
        await one(scope | {CERTIFICATE: "sha256:0"}, receive, send)

    certified: Any = with_certificate
    cookie = f"{COOKIE}={Sessions(TOKEN).issue(4e9)}"
    assert ask(one, "GET", "/metrics")[0] == 401 and ask(one, "GET", "/status", cookie=cookie)[0] == 200
    assert asked == []
    assert ask(one, "GET", "/metrics", x_api_key="stw_x")[0] == ask(certified, "GET", "/metrics")[0] == 200
    assert asked == [None, "sha256:0"]
    assert ask(certified, "GET", "/status", cookie=cookie)[0] == 200  # whoever signed in stays who they are
    assert asked == [None, "sha256:0"]
