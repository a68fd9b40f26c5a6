"""The keeper's look at engines' metrics, and what `steward metrics engines` shows of it."""

from __future__ import annotations

import http.client
import time
import urllib.error
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from steward.core.errors import Unavailable
from steward.core.fetch import open_url
from steward.core.gauges import EngineState, GaugeSample
from steward.core.stores import GaugeStore
from steward.monitoring.engine_metrics import fail_scrape, observe_engine
from steward.workflows.serve.deployment import open_served_store

TIMEOUT_S: Final = 5.0
MOST_BYTES: Final = 4 << 20  # of a page: vLLM's has 100 KB a model

Fetch = Callable[[str], str]
Answers = list[tuple[str, str, float, Future[str]]]  # model, URL, when it was asked, its page


class EngineScrape:
    """A job of the keeper: asks in threads, and takes in at the next turn what came back."""

    def __init__(
        self,
        gauges: GaugeStore,
        find_urls: Callable[[], dict[str, str]],
        clock: Callable[[], float] = time.time,
        fetch: Fetch | None = None,
    ) -> None:
        self._gauges, self._find_urls, self._clock, self._fetch = gauges, find_urls, clock, fetch or fetch_page
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="engines")
        self._asked: Answers = []
        self._models: frozenset[str] | None = None

    def run(self) -> None:
        """:raises Unavailable: the store does not answer"""
        self._take_in()
        urls = self._find_urls()
        if frozenset(urls) != self._models:
            self._gauges.keep_states(urls)
            self._models = frozenset(urls)
        open_models = {model for model, _, _, answer in self._asked if not answer.done()}
        now = self._clock()
        for model, url in urls.items():
            if model not in open_models:
                self._asked.append((model, url, now, self._threads.submit(self._fetch, url)))

    def _take_in(self) -> None:
        answered = [one for one in self._asked if one[3].done()]
        if not answered:
            return
        before = {state.model: state for state in self._gauges.read_states()}
        samples: list[GaugeSample] = []
        for model, _, at, answer in answered:
            earlier = before.get(model)
            if (self._models is not None and model not in self._models) or (earlier is not None and at <= earlier.at):
                continue  # it is served no more, or another keeper has looked since
            error = answer.exception()
            if error is None:
                before[model], added = observe_engine(model, earlier, answer.result(), at)
                samples += added
            else:
                reason = str(error) if isinstance(error, Unavailable) else type(error).__name__
                before[model] = fail_scrape(model, earlier, at, "unreachable", reason)
        self._gauges.add(samples, [before[model] for model, *_ in answered if model in before])
        self._asked = [one for one in self._asked if one not in answered]


def fetch_page(url: str) -> str:
    """:raises Unavailable: no answer, another than 200, or a page that is too long"""
    try:
        with open_url(url, TIMEOUT_S) as answer:
            body = answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise Unavailable(f"it answered HTTP {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"it could not be reached ({getattr(error, 'reason', None) or type(error).__name__})"
        ) from error
    if len(body) > MOST_BYTES:
        raise Unavailable(f"its page has more than {MOST_BYTES >> 20} MiB")
    return body.decode("utf-8", "replace")


def read_engine_states(home: Path) -> list[EngineState]:
    """What each engine told last. :raises Unavailable: nothing was served, or the store does not answer"""
    store = open_served_store(home)
    try:
        return store.gauges.read_states()
    finally:
        store.close()
