"""What is done to a large body, as functions of values that another process can be given.

Reading a megabyte of JSON, or a text for personal data, takes the processor for longer than a stranger may wait, and a
thread does not help: the interpreter is held by one call of a library for its whole length. So what is large, or has
very many parts, goes to a process of its own (`core.extend.Offload`); what is small stays, since the way there costs
more than the work. Measured in benchmarks/bench_hostile.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.core.extend import Guard, PortableGuard
from steward.core.identity import Caller
from steward.gateway.dialects import Translation
from steward.gateway.engine_input import check_engine_input
from steward.gateway.exchange import Exchange
from steward.gateway.guards import guard_answer, guard_request
from steward.gateway.outgoing import build_outgoing
from steward.gateway.request_reading import read_request
from steward.gateway.stored_responses import KeptAnswer
from steward.gateway.text_fields import Json
from steward.gateway.wire import bad_request
from steward.gateway.wire_fields import Request, RequestSize

LARGE_BYTES: Final = 128 * 1024
MANY_BYTES, MANY_PARTS = 16 * 1024, 4_000  # a body of so many bytes may have so many parts before it counts as large
GUARDED_BYTES: Final = 4 * 1024  # of a body whose texts are looked at on the event loop; 5 µs a byte at the worst
MOST_PARTS: Final = 2_000_000  # names and values of one body
_LONGEST_ECHO: Final = 64 * 1024  # of a field that a translated answer repeats
_UNSET: Final[dict[str, Any]] = dict.fromkeys(("messages", "input", "system", "instructions", "tools"), msgspec.UNSET)


def is_large(body: bytes) -> bool:
    """Whether work on `body` would keep others waiting.

    >>> is_large(b'{"a":1}'), is_large(b'{"a":"' + b"x" * 128 * 1024 + b'"}'), is_large(b"[" + b"{}," * 10_000)
    (False, True, True)
    """
    if len(body) < MANY_BYTES:
        return False
    return len(body) >= LARGE_BYTES or body.count(b":") + body.count(b"{") + body.count(b"[") > MANY_PARTS


def refuse_many_parts(body: bytes, most: int) -> None:
    """:raises Refused: 400"""
    parts = body.count(b":") + body.count(b",") + body.count(b"[") + body.count(b"{")
    if parts > most:
        raise bad_request(
            f"The request body has about {parts:,} names and values; at most {most:,} are read. Send less in one "
            "request.",
            code="too_complex",
        )


class LargeRequest(msgspec.Struct, frozen=True):
    """What the gateway knows of a large request: as of a small one, without its texts."""

    request: Request
    fields: frozenset[str]
    size: RequestSize
    body: bytes | None  # where it had to be changed


def read_large_request(endpoint: str, body: bytes) -> LargeRequest:
    """:raises Refused: 400, as for a small one, or it has more than `MOST_PARTS`"""
    refuse_many_parts(body, MOST_PARTS)
    request, fields, read = read_request(endpoint, body)
    size, prompts = request.size(), request.prompts()
    for name, value in _UNSET.items():
        setattr(request, name, value)
    if request.prompt is not msgspec.UNSET:  # what is asked of it later is how many there are
        request.prompt = msgspec.Raw(b"[" + b",".join([b'""'] * prompts) + b"]")
    return LargeRequest(request, fields, size, None if read is body else read)


class GuardedText(msgspec.Struct, frozen=True):
    """What guards made of a body, and what each remembers of the exchange."""

    body: bytes
    receipt: list[str]
    memories: list[Any]
    refused: Refused | None = None  # what a guard refused, which the receipt tells of too
    masked: dict[str, int] = {}


class GuardedExchange(msgspec.Struct, frozen=True):
    """What guards are told of an exchange."""

    request_id: str
    endpoint: str
    caller: Caller
    conversation: str | None
    route: str = ""

    def restore(self, body: bytes) -> Exchange:
        exchange = Exchange(self.request_id, self.endpoint, {}, body, 0.0, 0.0, self.caller)
        exchange.conversation, exchange.route = self.conversation, self.route
        return exchange


def describe_guarded(exchange: Exchange) -> GuardedExchange:
    return GuardedExchange(
        exchange.request_id, exchange.endpoint, exchange.caller, exchange.conversation, exchange.route
    )


def guard_large_request(guards: Sequence[PortableGuard], told: GuardedExchange, body: bytes) -> GuardedText:
    exchange = told.restore(body)
    try:
        guard_request(guards, exchange)
    except Refused as error:
        return GuardedText(b"", exchange.guards, [], error, exchange.masked)
    memories = [guard.recall(exchange) for guard in guards]
    return GuardedText(exchange.body, exchange.guards, memories, None, exchange.masked)


def guard_large_answer(
    guards: Sequence[PortableGuard], memories: Sequence[Any], told: GuardedExchange, body: bytes
) -> GuardedText:
    exchange = told.restore(b"")
    for guard, memory in zip(guards, memories, strict=True):
        guard.remember(exchange, memory)
    try:
        return GuardedText(guard_answer(guards, exchange, body), exchange.guards, [])
    except Refused as error:
        return GuardedText(b"", exchange.guards, [], error)


def list_portable(guards: Sequence[Guard]) -> list[PortableGuard] | None:
    """`guards`, if each can work in another process."""
    portable = [guard for guard in guards if isinstance(guard, PortableGuard)]
    return portable if len(portable) == len(guards) else None


class LargeOutgoing(msgspec.Struct, frozen=True):
    """What `build_outgoing` makes and notes."""

    endpoint: str
    body: bytes
    translation: Translation | None
    asked: Json
    dropped: list[str]
    added: tuple[str, ...]
    asked_usage: bool
    embedded: bool
    maximum: int | None = None


class Upstream(msgspec.Struct, frozen=True):
    """What a request for it depends on."""

    name: str
    upstream_model: str
    endpoints: frozenset[str]
    embedded: bool


def build_large_outgoing(
    request: Request,
    fields: frozenset[str],
    endpoint: str,
    body: bytes,
    enforced_maximum: int | None,
    entry: Upstream,
    avoided: frozenset[str],
    kept: KeptAnswer | None = None,
) -> LargeOutgoing:
    """:raises Refused: 400 where there is no way to ask this upstream"""
    exchange = Exchange("", endpoint, {}, body, 0.0, 0.0)
    exchange.request, exchange.fields, exchange.enforced_maximum = request, fields, enforced_maximum
    exchange.kept = kept
    outgoing = build_outgoing(exchange, entry, avoided)
    if entry.embedded:
        check_engine_input(outgoing.body)
    asked = {name: value for name, value in outgoing.asked.items() if _is_short(value)}
    return LargeOutgoing(
        outgoing.endpoint,
        outgoing.body,
        outgoing.translation,
        asked,
        outgoing.dropped,
        outgoing.added,
        exchange.asked_usage,
        outgoing.embedded,
        outgoing.maximum,
    )


def _is_short(value: Any) -> bool:
    return len(msgspec.json.encode(value)) <= _LONGEST_ECHO
