"""People whose session was checked a moment ago: they may go on reading while the store does not answer. Pure.

A console that recognises nobody shows nothing, in the very hour in which people look at it. Whoever was recognised
within `KNOWN_S` is recognised again, for pages that read; a change still needs the store. Nobody can end a session in
a store that does not answer, so nothing is opened that the store would have closed, but for stores that only this
console cannot reach: there it is five minutes at most.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Final

from steward.core.identity import Principal

KNOWN_S: Final = 300.0
MOST: Final = 1000  # sessions that are remembered


class RecognisedPeople:
    """By the digest of their session's token and the project that they act in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[bytes, str | None], tuple[float, Principal]] = {}

    def note(self, token: str, project: str | None, person: Principal | None) -> None:
        """What the store says of a session; None: it is over, and forgotten here too."""
        digest = _digest(token)
        self._known.pop((digest, project), None)
        if person is None:
            self._known = {name: known for name, known in self._known.items() if name[0] != digest}
            return
        while len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[digest, project] = (self._clock(), person)

    def find(self, token: str, project: str | None) -> Principal | None:
        """Whoever the store last said this is, within the last minutes."""
        known = self._known.get((_digest(token), project))
        return known[1] if known is not None and 0.0 <= self._clock() - known[0] < KNOWN_S else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
