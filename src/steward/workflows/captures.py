"""Captured exchanges with their texts, for whoever may read them: training sets, replays, a person's own export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from steward.core.captures import CapturedContent, CapturedExchange, CapturePurpose
from steward.core.stores import CaptureStore
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import find_deployment, open_served_store

PAGE: Final = 200  # exchanges in memory at a time

OpenCapture = Callable[[CapturedExchange], CapturedContent | None]


def read_captures(
    store: CaptureStore,
    open_capture: OpenCapture,
    since: float,
    until: float,
    *,
    tenant: str | None,
    now: float,
    purpose: CapturePurpose | None = None,
    consent: bool | None = None,
) -> Iterator[tuple[CapturedExchange, CapturedContent]]:
    """Those that arrived in [since, until), have not expired and were not erased, oldest first; `store.captures` and
    `ContentKeys.open_capture` give the first two.

    :raises InputError: one does not open under this home's keys
    """
    after: tuple[float, str] | None = None
    while True:
        page = store.list_captures(
            since, until, PAGE, tenant=tenant, purpose=purpose, consent=consent, now=now, after=after
        )
        for record in page:
            if (content := open_capture(record)) is not None:
                yield record, content
        if len(page) < PAGE:
            return
        after = page[-1].at, page[-1].request_id


def open_home_captures(
    home: Path,
    since: float,
    until: float,
    *,
    tenant: str | None,
    now: float,
    purpose: CapturePurpose | None = None,
    consent: bool | None = None,
) -> Iterator[tuple[CapturedExchange, CapturedContent]]:
    """`read_captures` of a home. :raises Unavailable: it has not served yet, or the store does not answer"""
    store = open_served_store(home)
    try:
        keys = make_content_keys(store, find_deployment(home).follow_roots())
        yield from read_captures(
            store.captures, keys.open_capture, since, until, tenant=tenant, now=now, purpose=purpose, consent=consent
        )
    finally:
        store.close()
