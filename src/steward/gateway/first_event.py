"""How long a stream's status is held back: until its first content is there, but no longer than a client may wait.

An upstream that has begun to answer may take its time for the first event (a long prompt, a queue), in silence, with
comments, or with events that only announce an answer (a role, an empty text, `message_start`, `response.created`).
While no content is known, a failure can still be another model's answer, or at least keep its status.
After `heartbeat_s` the client gets its headers, and then comments, so that neither it nor a proxy gives up; from then
on a failure is an event of the stream. All three dialects are server-sent events, whose readers pass over comments.

An event announces only if all that it says is known to be nothing: what is not known counts as content.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.core.errors import Unavailable
from steward.gateway.sse import Scanner, event_data
from steward.gateway.text_fields import Json

HEARTBEAT: Final = b": waiting for the model\n\n"
MOST_HELD: Final = 1000  # events without content that wait for the first with some
MOST_HELD_BYTES: Final = 1024 * 1024  # of them together
HEARTBEAT_S: Final = 2.0  # the shortest patience of clients that we met is 3 s
_ANNOUNCED: Final = {  # by the event's type: where what it announces stands
    "ping": "",
    "message_start": "message",
    "content_block_start": "content_block",
    "response.created": "response",
    "response.queued": "response",
    "response.in_progress": "response",
    "response.output_item.added": "item",
    "response.content_part.added": "part",
}
_TEXT_KINDS: Final = frozenset({"message", "response", "text", "output_text"})  # of what is announced
_SAID: Final = ("content", "output", "text", "refusal", "error", "stop_reason")  # in what is announced, once it begins
_OF_NO_CHOICE: Final = frozenset({"index", "role"})  # what a choice and its delta say before they begin


def has_content(event: bytes) -> bool:
    """Whether an event says more than that an answer is on its way: text, a tool call, its end, usage, an error.

    >>> has_content(b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\\n\\n')
    False
    >>> has_content(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\\n\\n')
    True
    """
    if event.find(b"data") < 0:
        return False
    data = event_data(event).strip()
    if data in (b"", b"null"):  # llama.cpp's null says nothing
        return False
    try:
        seen = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return True
    return not (isinstance(seen, dict) and _only_announces(seen))


def _only_announces(seen: Json) -> bool:
    if seen.get("error") or seen.get("usage"):
        return False
    place = _ANNOUNCED.get(str(seen.get("type")))
    if place is not None:
        return not place or _is_empty_part(seen.get(place))
    groq, choices = seen.get("x_groq"), seen.get("choices")
    if isinstance(groq, dict) and not groq.keys() <= {"id"}:
        return False
    return isinstance(choices, list) and all(map(_is_empty_choice, choices))


def _is_empty_part(part: Any) -> bool:
    """Whether a message, a response, or a part of one that is announced holds nothing yet. A tool call never does."""
    if not isinstance(part, dict) or part.get("type", part.get("object", "message")) not in _TEXT_KINDS:
        return False
    return not any(part.get(field) for field in _SAID)


def _is_empty_choice(choice: Any) -> bool:
    delta = (choice.get("delta") or {}) if isinstance(choice, dict) else None
    if not isinstance(delta, dict):
        return False
    return not any(part[name] for part in ({**choice, "delta": None}, delta) for name in part.keys() - _OF_NO_CHOICE)


def can_hold(events: list[bytes]) -> bool:
    """Whether more may wait beside these for the first content."""
    return len(events) <= MOST_HELD and sum(map(len, events)) <= MOST_HELD_BYTES


def take_events(piece: bytes, scanner: Scanner, events: list[bytes]) -> bytes | None:
    """Add the events that `piece` completes (empty: the end), and return the data of the first that has content.

    :raises Unavailable: the end has come without one :raises ValueError: an event beyond all bounds
    """
    new = scanner.feed(piece) if piece else scanner.end()
    events += new
    data = next((event_data(event) for event in new if has_content(event)), None)
    if (data is None and not piece) or (data is not None and data.startswith(b"[DONE]")):
        raise Unavailable("it closed the stream before the first event with content")
    return data
