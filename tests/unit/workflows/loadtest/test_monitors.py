"""A metrics page that was named is looked at before the run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from subprocess import CompletedProcess
from urllib.request import Request

import msgspec
import pytest

from steward.core.errors import InputError, Unavailable
from steward.loadtest.config import LoadConfig
from steward.workflows.loadtest import monitors
from steward.workflows.loadtest.monitors import Monitoring, MonitorOptions, check_metrics_page

PAGES = {"/vllm": "vllm:num_requests_running 2\n", "/other": "node_load1 0.5\n", "/html": "<p>Hello</p>"}
PAGES["/many"] = "".join(f"{name} 1\n" for name in ("e", "b", "d", "a", "c"))


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path in PAGES else 404)
        self.end_headers()
        self.wfile.write(PAGES.get(self.path, "").encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def check(url: str, page: str | None) -> None:
    options = MonitorOptions(metrics_url=None if page is None else url + page if page.startswith("/") else page)
    check_metrics_page(LoadConfig(url=url, model="m"), options)


def test_a_page_with_a_series_that_is_known_is_taken(url: str) -> None:
    check(url, "/vllm")
    check(url, None)  # none was named, and the server has none


@pytest.mark.parametrize(
    ("page", "error", "said"),
    [
        ("/gone", Unavailable, "Not Found"),
        ("http://127.0.0.1:9/metrics", Unavailable, "refused"),
        ("/other", InputError, "has node_load1"),
        ("/many", InputError, "has a, b, c …"),
        ("/html", InputError, "is no metrics page"),
        ("nonsense", InputError, "expected a URL such as http"),
    ],
)
def test_a_page_that_would_give_nothing_is_told_before_the_run(
    url: str, page: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        check(url, page)


class Run(msgspec.Struct):
    start: float


def poll(start: float, says: list[str | None], keep_trying: bool) -> list[tuple[float, str]]:
    """What is read of a source that says these texts, fails where one is None, and at the end is not asked again."""
    texts: list[tuple[float, str]] = []

    def read() -> str:
        if not says:
            raise asyncio.CancelledError
        text = says.pop(0)
        if text is None:
            raise OSError
        return text

    async def go() -> None:
        config = LoadConfig(url="http://h", model="m", warmup_s=40.0)
        monitoring = Monitoring(config, MonitorOptions(), Run(start))
        with pytest.raises(asyncio.CancelledError):
            await monitoring._poll(read, texts, keep_trying=keep_trying)
            raise asyncio.CancelledError

    asyncio.run(go())
    return texts


@pytest.mark.parametrize(("keep_trying", "said"), [(True, ["a", "b"]), (False, ["a"])])
def test_a_source_that_fails_is_dropped_unless_it_was_named(
    monkeypatch: pytest.MonkeyPatch, keep_trying: bool, said: list[str]
) -> None:
    monkeypatch.setattr(monitors, "INTERVAL_S", 0.0)
    texts = poll(time.monotonic() - 100.0, ["a", None, "b"], keep_trying)
    assert [text for _, text in texts] == said
    assert all(60.0 <= at < 120.0 for at, _ in texts)  # seconds since the end of the warm-up


def test_what_is_read_during_the_warm_up_is_of_its_end_and_before_the_start_of_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monitors, "INTERVAL_S", 0.0)
    assert poll(time.monotonic(), ["a"], True) == [(0.0, "a")]
    assert poll(0.0, ["a"], True) == []


@pytest.mark.parametrize(("gpu", "installed", "works"), [(True, True, 2), (True, False, 1), (False, True, 1)])
def test_gpus_are_read_where_their_tool_is_and_nobody_said_no(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, installed: bool, works: int
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if installed else None)

    async def go() -> int:
        monitoring = Monitoring(LoadConfig(url="http://127.0.0.1:9", model="m"), MonitorOptions(gpu=gpu), Run(0.0))
        async with monitoring:
            return len(monitoring._tasks)

    assert asyncio.run(go()) == works


def test_a_page_that_hangs_is_left_after_two_seconds_and_the_tool_for_gpus_after_five(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their threads must not pile up over a run that reads each second."""
    waits: list[float] = []

    def open_url(request: Request, timeout_s: float) -> BytesIO:
        waits.append(timeout_s)
        return BytesIO(b"a 1")

    def run(command: list[str], timeout: float, **_: object) -> CompletedProcess[str]:
        waits.append(timeout)
        return CompletedProcess(command, 0, stdout="b")

    monkeypatch.setattr("steward.core.fetch.open_url", open_url)
    monkeypatch.setattr("subprocess.run", run)
    config = LoadConfig(url="http://127.0.0.1:9", model="m")
    assert (monitors._make_page_reader(config, MonitorOptions())(), monitors._read_cards()) == ("a 1", "b")
    assert waits == [2, 5]


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9/metrics"])
def test_a_page_that_was_named_is_asked_again_after_it_failed(monkeypatch: pytest.MonkeyPatch, url: str | None) -> None:
    """One that was only guessed is not there, and is left alone."""
    asked: list[bool] = []

    async def poll(self: Monitoring, read: object, texts: object, *, keep_trying: bool) -> None:
        asked.append(keep_trying)

    async def go() -> None:
        options = MonitorOptions(metrics_url=url, gpu=False)
        async with Monitoring(LoadConfig(url="http://127.0.0.1:9", model="m"), options, Run(0.0)):
            await asyncio.sleep(0)

    monkeypatch.setattr(Monitoring, "_poll", poll)
    asyncio.run(go())
    assert asked == [url is not None]
