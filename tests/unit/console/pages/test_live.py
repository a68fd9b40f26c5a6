"""A stream that says that something changed, once for all viewers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from console_client import source
from steward.console.pages import live
from steward.console.shared_answers import SharedAnswers
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
        viewers: set[object] = set()
        events = live.list_events(pages, None, viewers)
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
