"""Erases again whom the journal of erasures names: what arrived after an erasure, from a worker or another machine, and
what a store that was restored from before one brought back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.core.subject_keys import name_exchange

EXCHANGE: Final = name_exchange("")
LATE_S: Final = 24 * 3600.0  # how long after an erasure something of before it may still arrive


class ErasureReplay:
    """The keeper's job. Its first run looks at the whole journal, the next ones at the last day's entries."""

    def __init__(self, store: SqlStore, clock: Callable[[], float] = time.time) -> None:
        self._store, self._clock = store, clock
        self._since = 0.0

    def run(self) -> None:
        """:raises Unavailable: the store does not answer"""
        now = self._clock()
        replay_erasures(self._store, self._since)
        self._since = now - LATE_S


def replay_erasures(store: SqlStore, since: float) -> int:
    """Erase in the store whoever the journal names from `since` on; -> how many rows changed."""
    changed = 0
    for entry in store.subject_keys.list_erasures(since, tenant=None):
        if entry.subject.startswith(EXCHANGE):  # texts without a subject: their rows go with the person's
            continue
        rows = store.rights.find([entry.subject], tenant=entry.tenant)
        if rows.counts():
            changed += sum(store.rights.erase([entry.subject], entry.at, tenant=entry.tenant).values())
    return changed
