"""Keeps what steward has put into a request's instructions out of the answer, which repeats them in `/v1/responses`.

OpenAI API reference, "The response object": `instructions`. Whether the upstream repeats them or the gateway's
translation does, the client sees its own, or none.
"""

from __future__ import annotations

from typing import Final

import msgspec

from steward.gateway.answer import Answer, join_filters
from steward.gateway.sse import Scanner, event_data

RESPONSES: Final = "/v1/responses"
_NAME: Final = b'"instructions"'
_NULL: Final = msgspec.Raw(b"null")
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_instructions(endpoint: str, body: bytes) -> msgspec.Raw | None:
    """Those of a request, `null` where it has none; None: answers of the endpoint repeat nothing."""
    if endpoint != RESPONSES:
        return None
    try:
        return msgspec.Raw(bytes(_fields.decode(body).get("instructions", _NULL)))
    except msgspec.MsgspecError:
        return _NULL


def hide_instructions(answer: Answer, own: msgspec.Raw | None) -> None:
    """Let the answer repeat `own`, whatever it would. None: it repeats nothing."""
    if own is None:
        return
    if answer.stream is not None:
        answer.stream.filter = join_filters(answer.stream.filter, _HiddenEvents(own))
    else:
        answer.body = _replace(answer.body, own)


def _replace(response: bytes, own: msgspec.Raw) -> bytes:
    """A response object with other instructions, if it has any."""
    if _NAME not in response:
        return response
    try:
        fields = _fields.decode(response)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return response  # whoever translates or guards it says what is wrong
    if "instructions" not in fields:
        return response
    return msgspec.json.encode(fields | {"instructions": own})


class _HiddenEvents:
    """The events of a stream, of which those with a whole response repeat its instructions."""

    def __init__(self, own: msgspec.Raw) -> None:
        self._own, self._splitter = own, Scanner()
        self.over = False

    def feed(self, events: bytes) -> bytes:
        return b"".join(map(self._hide, self._splitter.feed(events)))

    def end(self) -> bytes:
        return b"".join(map(self._hide, self._splitter.end()))

    def _hide(self, event: bytes) -> bytes:
        if _NAME not in event:
            return event
        try:
            fields = _fields.decode(event_data(event))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return event
        if "response" not in fields:
            return event
        fields["response"] = msgspec.Raw(_replace(bytes(fields["response"]), self._own))
        head = b"".join(line + b"\n" for line in event.splitlines() if line and not line.startswith(b"data:"))
        return head + b"data: " + msgspec.json.encode(fields) + b"\n\n"
