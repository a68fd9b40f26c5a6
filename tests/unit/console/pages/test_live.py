"""A stream that says that something changed, once for all viewers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from console_client import source
from steward.console.pages import live
from steward.console.shared_answers import SharedAnswers
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
