"""How long a stream's status is held back: until its first event is there, but no longer than a client may wait.

An upstream that has begun to answer may take its time for the first event (a long prompt, a queue), in silence or with
comments. While nothing is known, an early failure can still be another model's answer, or at least keep its status.
After `heartbeat_s` the client gets its headers, and then comments, so that neither it nor a proxy gives up; from then
on a failure is an event of the stream. All three dialects are server-sent events, whose readers pass over comments.
"""

from __future__ import annotations

from typing import Final

from steward.core.errors import Unavailable
from steward.gateway.sse import Scanner, event_data

HEARTBEAT: Final = b": waiting for the model\n\n"
MOST_HELD: Final = 1000  # events without data that wait for the first with some
HEARTBEAT_S: Final = 2.0  # the shortest patience of clients that we met is 3 s


def has_data(event: bytes) -> bool:
    return b"data" in event and event_data(event).strip() not in (b"", b"null")  # llama.cpp's null says nothing


def take_events(piece: bytes, scanner: Scanner, events: list[bytes]) -> bytes | None:
    """Add the events that `piece` completes (empty: the end), and return the data of the first that has any.

    :raises Unavailable: the end has come without one :raises ValueError: an event beyond all bounds
    """
    new = scanner.feed(piece) if piece else scanner.end()
    events += new
    data = next((event_data(event) for event in new if has_data(event)), None)
    if (data is None and not piece) or (data is not None and data.startswith(b"[DONE]")):
        raise Unavailable("it closed the stream before the first event")
    return data
