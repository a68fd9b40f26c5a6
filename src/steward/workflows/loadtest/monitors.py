"""What is read beside a run, once a second: the server's metrics page, and the GPUs of this machine."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from steward.core.errors import InputError, Unavailable
from steward.core.secret import resolve
from steward.loadtest.config import LoadConfig
from steward.loadtest.servermetrics import GPU_QUERY, SOURCES, parse_metrics

INTERVAL_S: Final = 1.0
MAX_PAGE_BYTES: Final = 4_000_000


class MonitorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to read beside the run. `metrics_url` None: /metrics of the server, if it has one."""

    metrics_url: str | None = None
    metrics_key: str | None = None  # env:NAME or file:PATH
    gpu: bool = True  # of this machine, if nvidia-smi is installed


class Started(Protocol):
    start: float  # monotonic; 0: not yet


class Monitoring:
    """Reads while its context is entered. `pages`, `cards`: (seconds since the end of the warm-up, text)."""

    def __init__(self, config: LoadConfig, options: MonitorOptions, run: Started) -> None:
        self._config, self._options, self._run = config, options, run
        self.pages: list[tuple[float, str]] = []
        self.cards: list[tuple[float, str]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        named = self._options.metrics_url is not None
        works = [self._poll(_make_page_reader(self._config, self._options), self.pages, keep_trying=named)]
        if self._options.gpu and shutil.which("nvidia-smi"):
            works.append(self._poll(_read_cards, self.cards, keep_trying=False))
        self._tasks = [asyncio.create_task(work) for work in works]

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _poll(self, read: Callable[[], str], texts: list[tuple[float, str]], *, keep_trying: bool) -> None:
        """Read every second in a thread. A source that fails is dropped, unless `keep_trying`."""
        while True:
            try:
                text = await asyncio.to_thread(read)
            except (OSError, ValueError, subprocess.SubprocessError):
                if not keep_trying:
                    return
            else:
                if self._run.start:
                    texts.append((max(0.0, time.monotonic() - self._run.start - self._config.warmup_s), text))
            await asyncio.sleep(INTERVAL_S)


def check_metrics_page(config: LoadConfig, options: MonitorOptions) -> None:
    """That the page which was named is there and has a series that is known; one that was not named may be missing.

    :raises Unavailable: nobody answers, or answers with an error
    :raises InputError: a page without any series that is known
    """
    url = options.metrics_url
    if url is None:
        return
    try:
        text = _make_page_reader(config, options)()
    except ValueError as error:
        raise InputError(
            f"--metrics-url {url!r}: {error}; expected a URL such as {_guess_metrics_url(config)}"
        ) from error
    except OSError as error:
        raise Unavailable(
            f"--metrics-url {url} cannot be read ({getattr(error, 'reason', error)}); look with `curl {url}`, or leave "
            "the option out: /metrics of the server is read where there is one"
        ) from error
    series = parse_metrics(text)
    names = [name for known in SOURCES for name in known.names]
    if not any(name in series or name.replace(":", "_") in series for name in names):
        seen = f"has {', '.join(sorted(series)[:3])} …" if series else "is no metrics page"
        raise InputError(f"--metrics-url {url} {seen}; expected one of the series of an engine, such as {names[0]}")


def _guess_metrics_url(config: LoadConfig) -> str:
    parts = urlsplit(config.url)
    return f"{parts.scheme}://{parts.netloc}/metrics"


def _make_page_reader(config: LoadConfig, options: MonitorOptions) -> Callable[[], str]:
    url = options.metrics_url or _guess_metrics_url(config)
    headers = {"User-Agent": "steward-load"}
    if options.metrics_key is not None:
        headers["Authorization"] = f"Bearer {resolve(options.metrics_key).reveal()}"

    def read_page() -> str:
        from urllib.request import Request  # in this thread, while the first requests are in flight

        from steward.core.fetch import open_url

        with open_url(Request(url, headers=headers), 2) as response:
            return str(response.read(MAX_PAGE_BYTES).decode(errors="replace"))

    return read_page


def _read_cards() -> str:
    command = ["nvidia-smi", "--query-gpu=" + ",".join(GPU_QUERY), "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
