"""What a later request to `/v1/responses` may refer to: the items of an earlier answer, or the whole of it.

Decides what is kept of an answer, which of it a request means, and how the request reads with all of it in place, so
that whatever comes after (limits, guards, translation) sees the whole conversation. Names are the gateway's own: those
of an answer and of its items hold the id of the request that it answers (`dialects/chat_to_response.py`), so that an
item names the answer that it is found in. Knows nothing of where answers lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.gateway.text_fields import Json

MOST_ANSWER_BYTES: Final = 4 * 1024 * 1024  # of one answer with what it was asked; a longer one is not kept
MOST_ANSWERS: Final = 256  # that one request may refer to
_NAME: Final = re.compile(r"(?:resp|msg|rs|fc)_([0-9a-f]{24})\d{0,6}")
_ENDS: Final = (b"event: response.completed\n", b"event: response.incomplete\n")


class ResponseStorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The section `gateway.responses_store`."""

    keep_s: float = 0.0  # 0: nothing is kept
    max_bytes: int = 256 * 1024 * 1024  # of all answers together; the oldest go first


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. Both are JSON lists of items; `input` is empty where it was too long to keep."""

    at: float
    output: bytes
    input: bytes = b""
    rest: bytes = b""  # all else that the answer said, a JSON object


class OwnAnswer(msgspec.Struct, frozen=True):
    """An answer that the gateway itself made, as JSON: its items, and all else that it says."""

    output: bytes
    rest: bytes


class KeptAnswer(msgspec.Struct, frozen=True):
    """What the answer itself says of it: that it is kept, and which one it follows."""

    previous: str | None = None


class _Asked(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw(b'""')
    previous_response_id: Any = None
    store: Any = None


class _Item(msgspec.Struct):
    type: Any = None
    id: Any = None


class _Event(msgspec.Struct):
    response: dict[str, msgspec.Raw]


class References(msgspec.Struct, frozen=True):
    """What a request says of stored answers."""

    wants_store: bool
    previous: str | None = None  # an id of ours that it names as the answer before
    answers: frozenset[str] = frozenset()  # that hold what it refers to

    def is_empty(self) -> bool:
        return not self.answers


_asked: Final = msgspec.json.Decoder(_Asked)
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])
_item: Final = msgspec.json.Decoder(_Item)
_answer: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_event: Final = msgspec.json.Decoder(_Event)


def answer_of(name: Any) -> str | None:
    """The 24 hex digits of the answer that a name of ours belongs to; None for any other.

    >>> answer_of("msg_0123456789abcdef012345670"), answer_of("msg_1")
    ('0123456789abcdef01234567', None)
    """
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    return found[1] if found else None


def find_references(body: bytes) -> References:
    """Of a request whose shape nobody has checked: what cannot be read refers to nothing, and is refused elsewhere."""
    try:
        asked = _asked.decode(body)
        names = {_reference(item) for item in _list_items(asked.input)} if b'"item_reference"' in body else set()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return References(False)
    previous = asked.previous_response_id
    answers = {answer_of(previous), *(answer_of(name) for name in names)} - {None}
    known = previous if answer_of(previous) is not None else None
    return References(asked.store in (None, True), known, frozenset(name for name in answers if name))


def expand(body: bytes, references: References, found: Mapping[str, StoredResponse], most_bytes: int) -> bytes:
    """The request with what it refers to in its place. What is not found stays as it is.

    :raises Refused: 413, it would be longer than `most_bytes`
    """
    request: dict[str, msgspec.Raw] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    items = _list_items(request.get("input", msgspec.Raw(b'""')))
    own = {known.id for item in items if (known := _read_item(item)).type != "item_reference" and known.id}
    stored = _find_items(found)
    made: list[bytes] = []
    before = found.get(answer_of(references.previous) or "")
    if before is not None and before.input:
        made += [bytes(item) for part in (before.input, before.output) for item in _items.decode(part)]
        del request["previous_response_id"]
    for item in items:
        name = _reference(item)
        made.append(stored[name] if name in stored and name not in own else bytes(item))
    size = sum(map(len, made))
    if size > most_bytes:
        raise Refused(
            f"The request has {size:,} bytes with the stored items that it refers to; the limit is {most_bytes:,} "
            "(gateway.max_body_bytes).",
            status=413,
            type="invalid_request_error",
            code="request_too_large",
        )
    request["input"] = msgspec.Raw(b"[" + b",".join(made) + b"]")
    return msgspec.json.encode(request)


def _find_items(found: Mapping[str, StoredResponse]) -> dict[str, bytes]:
    """Every item of the answers, by its id."""
    items = [bytes(item) for answer in found.values() for item in _items.decode(answer.output)]
    return {str(_item.decode(item).id): item for item in items}


def make_stored(body: bytes, answer: OwnAnswer, at: float) -> StoredResponse | None:
    """What is kept of an answer to `body`; None where it is too long."""
    try:
        items = _list_items(_asked.decode(body).input)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        items = []
    asked = b"[" + b",".join(bytes(item) for item in items) + b"]"
    size = len(answer.output) + len(answer.rest)
    if size > MOST_ANSWER_BYTES:
        return None
    fits = len(asked) + size <= MOST_ANSWER_BYTES
    return StoredResponse(at=at, output=answer.output, input=asked if fits else b"", rest=answer.rest)


def read_output(body: bytes, name: str) -> OwnAnswer | None:
    """A whole answer, if it is the gateway's own with the id `name` (another's are kept by its server)."""
    try:
        return _take_apart(_answer.decode(body), name)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read_last_event(events: bytes, name: str) -> OwnAnswer | None:
    """The answer that the last event of a stream tells, if it is among `events`."""
    for event in events.split(b"\n\n") if any(end in events for end in _ENDS) else ():
        if event.startswith(_ENDS):
            data = event.partition(b"\ndata: ")[2]
            try:
                return _take_apart(_event.decode(data).response, name)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return None
    return None


def _take_apart(answer: dict[str, msgspec.Raw], name: str) -> OwnAnswer | None:
    if bytes(answer.get("id", b"")) != msgspec.json.encode(name):
        return None
    output = bytes(answer.pop("output", b"[]"))
    return OwnAnswer(output, msgspec.json.encode(answer))


def _list_items(value: msgspec.Raw) -> Sequence[msgspec.Raw]:
    """The items of an `input`, which may be one text."""
    if bytes(memoryview(value)[:1]) == b"[":
        return _items.decode(value)
    text = msgspec.json.decode(value)
    message: Json = {"type": "message", "role": "user", "content": text}
    return [msgspec.Raw(msgspec.json.encode(message))] if isinstance(text, str) and text else []


def _read_item(item: msgspec.Raw) -> _Item:
    try:
        return _item.decode(item)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Item()


def _reference(item: msgspec.Raw) -> str | None:
    known = _read_item(item)
    return known.id if known.type == "item_reference" and isinstance(known.id, str) else None
