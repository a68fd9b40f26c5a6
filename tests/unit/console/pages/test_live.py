"""A stream that says that something changed, once for all viewers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from console_client import source
from every_page import hide_store
from steward.console.pages import live
from steward.console.shared_answers import SharedAnswers
from steward.core.alerts import Alert
from steward.core.identity import Principal
from steward.core.records import Admitted, Settled


def test_a_new_request_is_an_event_and_the_end_of_a_viewer_is_noticed(tmp_path: Path) -> None:
    now = [0.0]
    pages = msgspec.structs.replace(source(tmp_path), answers=SharedAnswers(lambda: now[0]))
    pages.store.migrate()

    def settle(name: str) -> None:
        admitted = Admitted(
            request_id=name, at=1.0, key_id="k", project="p", endpoint="/v1/x", route="r", streamed=False
        )
        settled = Settled(request_id=name, at=2.0, outcome="ok", status=200, model="m")
        pages.store.ledger.drain("w", name, 1, [admitted, settled])
        now[0] += 10.0

    async def follow() -> list[str]:
        viewers: dict[object, str] = {}
        events = live.list_events(pages, None, viewers, "person:a")
        heard = [await anext(events)]
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.05)
        assert len(viewers) == 1
        await asyncio.to_thread(settle, "req_1")
        heard.append(await asyncio.wait_for(waiting, 20))
        await events.aclose()
        assert not viewers
        return heard

    first, second = asyncio.run(follow())
    assert first == "retry: 3000\n\n" and second == "event: change\ndata: req_1\n\n"
    pages.store.close()


def test_one_person_does_not_take_the_places_of_all(tmp_path: Path) -> None:
    pages = source(tmp_path)
    pages.store.migrate()
    (endpoint,) = live.page(pages).endpoints
    request: Any = None  # nothing of it is read

    async def open_pages(name: str, count: int) -> list[int]:
        who = Principal(kind="person", id=name, rights=frozenset({"console.read"}))
        answers = [await endpoint.handler(request, who) for _ in range(count)]
        for answer in answers:
            if isinstance(answer, StreamingResponse):
                await anext(aiter(answer.body_iterator))
        return [answer.status_code for answer in answers]

    async def follow() -> tuple[list[int], list[int], list[int]]:
        many: list[int] = []
        for _ in range(live.MOST_OF_ONE):
            many += await open_pages("anna", 1)
        return many, await open_pages("anna", 1), await open_pages("bob", 1)

    many, more, other = asyncio.run(follow())
    assert many == [200] * live.MOST_OF_ONE and more == [503] and other == [200]
    pages.store.close()


def hear(pages: Any, scope: str | None, changes: list[Callable[[], None]]) -> list[str]:
    """What a viewer is sent while one change after the other happens between two looks."""

    async def follow() -> list[str]:
        waiting = iter(changes)

        async def sleep(seconds: float) -> None:
            assert seconds == 0.5
            change = next(waiting, None)
            if change is None:
                raise EOFError
            await asyncio.to_thread(change)

        heard: list[str] = []
        events = live.list_events(pages, scope, {}, "person:a", sleep)
        with suppress(EOFError, StopAsyncIteration):
            while True:
                heard.append(await anext(events))
        return heard

    return asyncio.run(follow())


def quiet() -> None:
    """Nothing happens."""


def test_an_alert_that_begins_is_acknowledged_and_ends_is_an_event_each(tmp_path: Path) -> None:
    pages, at = watched(tmp_path)
    alerts = pages.store.alerts
    alert = Alert(id="alert-1", rule="r", severity="page", summary="s", evidence="e", scopes=("all",), started_at=5.0)

    def begin() -> None:
        at.append(at[-1] + 1.0)
        alerts.put(alert)

    def acknowledge() -> None:
        at.append(at[-1] + 1.0)
        alerts.acknowledge("alert-1", "person:a", 7.0)

    def end() -> None:
        at.append(at[-1] + 1.0)
        alerts.put(msgspec.structs.replace(alert, ended_at=9.0))

    assert hear(pages, None, [begin, acknowledge, end, quiet]) == [
        "retry: 3000\n\n",
        "event: change\ndata: alert-1 None None\n\n",
        "event: change\ndata: alert-1 None 7.0\n\n",
        "event: change\ndata: alert-1 9.0 7.0\n\n",
    ]
    assert hear(pages, "acme", [begin, quiet]) == ["retry: 3000\n\n"]  # alerts are the deployment's
    pages.store.close()


def test_each_look_sees_what_is_new_and_viewers_share_it(tmp_path: Path) -> None:
    """Looks are half a second apart; those of two viewers within less than that are one."""
    pages, at = watched(tmp_path)

    def settle(name: str, seconds: float) -> Callable[[], None]:
        def change() -> None:
            at.append(at[-1] + seconds)
            record = Admitted(
                request_id=name, at=at[-1], key_id="k", project="p", endpoint="/v1/x", route="r", streamed=False
            )
            settled = Settled(request_id=name, at=at[-1], outcome="ok", status=200, model="m")
            pages.store.ledger.drain("w", name, 1, [record, settled])

        return change

    assert hear(pages, "default", [settle("req_1", 0.5), settle("req_2", 0.5), settle("req_3", 0.4), quiet]) == [
        "retry: 3000\n\n",
        "event: change\ndata: req_1\n\n",
        "event: change\ndata: req_2\n\n",  # and of the third the next look tells
    ]
    pages.store.close()


def test_the_newest_alert_alone_is_told(tmp_path: Path) -> None:
    pages, at = watched(tmp_path)

    def begin(name: str) -> Callable[[], None]:
        def change() -> None:
            at.append(at[-1] + 1.0)
            pages.store.alerts.put(
                Alert(id=name, rule="r", severity="page", summary="s", evidence="e", scopes=("all",), started_at=at[-1])
            )

        return change

    assert hear(pages, None, [begin("alert-1"), begin("alert-2"), quiet])[1:] == [
        "event: change\ndata: alert-1 None None\n\n",
        "event: change\ndata: alert-2 None None\n\n",
    ]
    pages.store.close()


def test_a_store_that_comes_back_is_an_event(tmp_path: Path) -> None:
    pages, at = watched(tmp_path)
    pages.store.close()
    hide_store(tmp_path)

    def show() -> None:
        (tmp_path / "steward.db").rmdir()
        (tmp_path / "steward.db.away").rename(tmp_path / "steward.db")
        at.append(at[-1] + 1.0)

    assert hear(pages, "acme", [quiet, show, quiet]) == ["retry: 3000\n\n", "event: change\ndata: nothing yet\n\n"]
    pages.store.close()


def test_a_quiet_connection_says_every_15_seconds_that_it_lives(tmp_path: Path) -> None:
    """30 looks of half a second; a stream ends after 600 of them, 5 minutes."""
    pages, _ = watched(tmp_path)
    assert hear(pages, "acme", [quiet] * 29) == ["retry: 3000\n\n", ": still here\n\n"]
    assert hear(pages, "acme", [quiet] * 28) == ["retry: 3000\n\n"]
    assert hear(pages, "acme", [quiet] * 700).count(": still here\n\n") == 20
    pages.store.close()


def watched(tmp_path: Path) -> tuple[Any, list[float]]:
    """A source over an empty store, and the times that its answers go by, the last of which is now."""
    at = [0.0]
    pages = msgspec.structs.replace(source(tmp_path), answers=SharedAnswers(lambda: at[-1]))
    pages.store.migrate()
    return pages, at


def test_two_hundred_pages_may_be_open_and_no_more(tmp_path: Path) -> None:
    pages = source(tmp_path)
    pages.store.migrate()
    (endpoint,) = live.page(pages).endpoints
    request: Any = None  # nothing of it is read

    async def open_all(count: int) -> list[int]:
        codes = []
        for number in range(count):
            who = Principal(kind="person", id=f"p{number}", rights=frozenset({"console.read"}))
            answer = await endpoint.handler(request, who)
            codes.append(answer.status_code)
            if isinstance(answer, StreamingResponse):
                streams.append(answer)
                await anext(aiter(answer.body_iterator))
        return codes

    streams: list[StreamingResponse] = []
    assert asyncio.run(open_all(202)) == [200] * 200 + [503] * 2
    pages.store.close()
