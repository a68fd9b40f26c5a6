"""A table of endpoints as an application."""

import asyncio
import errno

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from console_client import ask
from steward.console.shell import (
    FORM_LIMIT,
    HEADERS,
    FormTooLarge,
    Page,
    _secure,
    answer_exhausted,
    ask_to_wait,
    group_navigation,
    is_from_elsewhere,
    list_navigation,
    name_session_cookie,
    page_endpoint,
    read_form,
    serve,
)
from steward.core.endpoint import Endpoint
from steward.core.errors import Contradiction, Exhausted, InputError
from steward.core.identity import ANONYMOUS, Principal

READER = Principal(kind="person", id="r", rights=frozenset({"console.read"}))


async def show(request: Request, who: str) -> Response:
    return PlainTextResponse(f"for {who}")


async def save(request: Request, who: str) -> Response:
    return PlainTextResponse(str(sorted((await read_form(request)).items())))


async def identify(request: Request) -> tuple[Principal, str]:
    return (READER, "a reader") if request.cookies.get("in") else (ANONYMOUS, "nobody")


async def refuse(request: Request, endpoint: Endpoint[object]) -> Response:
    return PlainTextResponse(f"needs {endpoint.permission}", status_code=401)


def toy() -> Starlette:
    table = [
        page_endpoint("/", "public", show),
        page_endpoint("/inner/{name}", "console.read", show),
        page_endpoint("/inner/{name}", "console.read", save, "POST"),
        page_endpoint("/secret", "keys.manage", show),
    ]
    return serve(table, identify, refuse)


def test_only_who_has_the_permission_reaches_the_handler() -> None:
    assert ask(toy(), "GET", "/")[::2] == (200, "for nobody")
    assert ask(toy(), "GET", "/inner/x")[::2] == (401, "needs console.read")
    assert ask(toy(), "GET", "/inner/x", cookie="in=1")[::2] == (200, "for a reader")
    assert ask(toy(), "GET", "/secret", cookie="in=1")[::2] == (401, "needs keys.manage")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/inner/x/y", 404), ("PUT", "/inner/x", 405), ("POST", "/", 405)],
)
def test_what_is_not_in_the_table_is_not_reachable(method: str, path: str, status: int) -> None:
    assert ask(toy(), method, path, cookie="in=1")[0] == status


@pytest.mark.parametrize("path", ["/", "/inner/x", "/nothing"])
def test_every_answer_carries_the_security_headers(path: str) -> None:
    headers = ask(toy(), "GET", path)[1]
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= headers.items()
    assert headers["cache-control"] == "no-store"


def test_a_form_gives_the_first_value_of_each_field() -> None:
    said = ask(toy(), "POST", "/inner/x", b"a=1&b=%C3%A4&a=2", cookie="in=1")[2]
    assert said == "[('a', '1'), ('b', 'ä')]"


@pytest.mark.parametrize(("length", "allowed"), [(65_536, True), (65_537, False)])
def test_a_form_may_have_64_kib_and_not_a_byte_more(length: int, allowed: bool) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"a=".ljust(length, b"x"), "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    request.state.max_body_bytes = FORM_LIMIT
    if allowed:
        assert len(asyncio.run(read_form(request))["a"]) == length - 2
    else:
        with pytest.raises(FormTooLarge, match="larger than 65536 bytes"):
            asyncio.run(read_form(request))


def test_one_path_cannot_stand_twice() -> None:
    with pytest.raises(Contradiction, match="two endpoints for GET /"):
        serve([page_endpoint("/", "public", show), page_endpoint("/", "public", show)], identify, refuse)


def test_the_navigation_shows_below_headings_what_somebody_may_open() -> None:
    start = Page((page_endpoint("/", "console.read", show),), title="Overview")
    keys = Page((page_endpoint("/keys", "keys.read", show),), title="Keys", group="Govern")
    whole = Page((page_endpoint("/all", "console.read", show, tenancy="deployment"),), title="All", group="Run")
    health = Page((page_endpoint("/healthz", "public", show),))
    items = list_navigation([start, health, whole, keys])
    assert [(item.title, item.path) for item in items] == [("Overview", "/"), ("All", "/all"), ("Keys", "/keys")]

    def titles(who: Principal) -> dict[str, list[str]]:
        return {group: [item.title for item in below] for group, below in group_navigation(items, who).items()}

    assert titles(READER) == {"": ["Overview"], "Run": ["All"]}
    assert titles(msgspec.structs.replace(READER, tenant="acme")) == {"": ["Overview"]}
    assert titles(msgspec.structs.replace(READER, rights=frozenset({"keys.read"}))) == {"Govern": ["Keys"]}
    assert titles(ANONYMOUS) == {}


def test_unknown_paths_and_unknown_methods_are_told_apart() -> None:
    assert ask(toy(), "GET", "/nothing")[::2] == (404, "no such page")
    assert ask(toy(), "DELETE", "/")[::2] == (405, "method not allowed")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EMFILE, "Too many open files"), "no file descriptors left"),
        (Exhausted("the disk is full"), "the disk is full"),
    ],
)
def test_s21_what_has_run_out_is_named_on_every_page(error: Exception, says: str) -> None:
    answer = answer_exhausted(error)
    assert answer.status_code == 503 and says in bytes(answer.body).decode() and answer.headers["retry-after"] == "5"


def test_s21_another_failure_is_none_of_that() -> None:
    with pytest.raises(OSError, match="odd"):
        answer_exhausted(OSError(errno.EIO, "odd"))


def test_s21_a_page_on_a_full_disk_answers_503_and_then_serves_again() -> None:
    full = True

    async def write(request: Request, who: str) -> Response:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return PlainTextResponse("saved")

    app = serve([page_endpoint("/", "public", write)], identify, refuse)
    status, _, text = ask(app, "GET", "/")
    assert status == 503 and "the disk is full" in text
    full = False
    assert ask(app, "GET", "/")[::2] == (200, "saved")


@pytest.mark.parametrize("error", [ValueError("4111 1111"), OSError(errno.EIO, "4111 1111"), InputError("4111 1111")])
def test_a_mistake_on_a_page_is_logged_without_what_it_says(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: Request, who: str) -> Response:
        raise error

    status, _, text = ask(serve([page_endpoint("/", "public", fail)], identify, refuse), "GET", "/")
    assert status == 500 and "4111" not in text + caplog.text
    assert caplog.text.rstrip().endswith(type(error).__name__)


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),  # typed, or from a bookmark
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "cross-site", "authorization": "Bearer x"}, False),
        ({"sec-fetch-site": "cross-site", "x-api-key": "x"}, False),
        ({"origin": "https://console.example", "host": "console.example"}, False),
        ({"origin": "https://other.example", "host": "console.example"}, True),
        ({"origin": "null", "host": "console.example"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "https://other.example", "host": "console.example"}, False),
    ],
)
def test_what_another_sites_page_sends_is_told_apart(headers: dict[str, str], elsewhere: bool) -> None:
    """Sec-Fetch-Site: W3C Fetch Metadata, section 2.4; Origin: RFC 6454, section 7."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert is_from_elsewhere(Request({"type": "http", "headers": pairs})) == elsewhere


@pytest.mark.parametrize(
    ("scheme", "host", "pinned"),
    [
        ("https", "console.example", True),
        ("https", "localhost:8081", False),  # it would end every other plain port of this machine too
        ("http", "console.example", False),
        ("http", "localhost:8081", False),
    ],
)
def test_only_a_name_of_its_own_over_tls_is_pinned(scheme: str, host: str, pinned: bool) -> None:
    """RFC 6797, section 7.2: no such header over plain HTTP."""
    request = Request({"type": "http", "scheme": scheme, "headers": [(b"host", host.encode())]})
    answer = _secure(PlainTextResponse("x"), request)
    assert ("strict-transport-security" in answer.headers) == pinned and answer.headers["cache-control"] == "no-store"
    own = _secure(PlainTextResponse("x", headers={"Cache-Control": "max-age=5"}), request)
    assert own.headers["cache-control"] == "max-age=5"


def test_over_tls_a_sessions_cookie_is_bound_to_its_host() -> None:
    """RFC 6265bis, section 4.1.3.2: a browser takes __Host- cookies from this very host over TLS only."""
    names = [name_session_cookie(Request({"type": "http", "scheme": scheme}), "s") for scheme in ("https", "http")]
    assert names == ["__Host-s", "s"]


@pytest.mark.parametrize(("status", "told", "expected"), [
    (429, None, "60"), (503, None, "5"), (503, "2", "2"), (500, None, None), (200, None, None),
])  # fmt: skip
def test_whoever_is_to_wait_is_told_how_long(status: int, told: str | None, expected: str | None) -> None:
    async def answer(request: Request, who: str) -> Response:
        return PlainTextResponse("", status, {"retry-after": told} if told else None)

    application = serve([page_endpoint("/", "public", answer)], identify, refuse)
    assert ask(application, "GET", "/")[1].get("retry-after") == expected


@pytest.mark.parametrize(("declared", "allowed"), [("65536", True), ("65537", False), ("many", True), ("", True)])
def test_a_form_that_says_that_it_is_too_long_is_not_read(declared: str, allowed: bool) -> None:
    status, _, text = ask(form_page(), "POST", "/", b"a=1", content_length=declared)
    assert (status, text) == ((200, "[('a', '1')]") if allowed else (500, text))


def form_page() -> Starlette:
    return serve([page_endpoint("/", "public", save, "POST"), page_endpoint("/", "public", show)], identify, refuse)


def test_a_page_stands_once_in_the_navigation_by_the_first_of_its_endpoints() -> None:
    page = Page(
        (page_endpoint("/keys", "keys.read", show), page_endpoint("/keys/one", "keys.read", show)), title="Keys"
    )
    assert [(item.title, item.path) for item in list_navigation([page])] == [("Keys", "/keys")]


@pytest.mark.parametrize(("wait_s", "seconds"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.1, "2"), (60.0, "60")])
def test_whoever_tried_too_often_waits_for_whole_seconds_at_least_one(wait_s: float, seconds: str) -> None:
    """RFC 9110, section 10.2.3: a whole number of seconds."""
    assert ask_to_wait(PlainTextResponse("", 429), wait_s).headers["retry-after"] == seconds
