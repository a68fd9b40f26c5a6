"""Shows guards plain text and puts their rewrites back: requests, whole answers and streams.

Decides where text is in OpenAI's dialect (content, refusals, reasoning and tool-call arguments of each
choice). Knows nothing of what a guard looks for. Without guards nothing here runs: bytes pass through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.core.extend import Guard, Verdict
from steward.gateway.exchange import Exchange
from steward.gateway.sse import data_of

_TEXT_FIELDS: Final = ("content", "refusal", "reasoning_content", "reasoning")

Put = Callable[[str], None]


def blocked(guard: str, why: str) -> Refused:
    """The refusal of an exchange; `why` is the guard's reason, never the text it saw."""
    return Refused(
        f"Blocked by the guard '{guard}': {why}.",
        status=400,
        type="invalid_request_error",
        code="content_policy_violation",
    )


def _put(holder: Any, key: Any) -> Put:
    def put(text: str) -> None:
        holder[key] = text

    return put


def _content_texts(holder: dict[str, Any], key: str) -> Iterator[tuple[str, Put]]:
    """A text, a list of texts, or a list of content parts."""
    value = holder.get(key)
    if isinstance(value, str):
        yield value, _put(holder, key)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            if isinstance(part, str):
                yield part, _put(value, index)
            elif isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"], _put(part, "text")


def _message_texts(message: dict[str, Any]) -> Iterator[tuple[str, str, Put]]:
    for field in _TEXT_FIELDS:
        for text, put in _content_texts(message, field):
            yield field, text, put
    for position, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            index = call.get("index", position)
            yield f"tool_calls.{index}.arguments", function["arguments"], _put(function, "arguments")


def request_texts(body: dict[str, Any]) -> Iterator[tuple[str, Put]]:
    """Every text of a request, each with the function that replaces it."""
    for message in body.get("messages") or ():
        if isinstance(message, dict):
            for _, text, put in _message_texts(message):
                yield text, put
    for key in ("prompt", "input"):
        yield from _content_texts(body, key)


def _choice_texts(answer: dict[str, Any]) -> Iterator[tuple[int, str, str, Put]]:
    """(choice, field, text, put) of a whole answer or of one streamed chunk."""
    for position, choice in enumerate(answer.get("choices") or ()):
        index = choice.get("index", position)
        for part in ("message", "delta"):
            if isinstance(choice.get(part), dict):
                for field, text, put in _message_texts(choice[part]):
                    yield index, field, text, put
        if isinstance(choice.get("text"), str):
            yield index, "text", choice["text"], _put(choice, "text")


def _shown(name: str, verdict: Verdict) -> str:
    """What the header says: `privacy=rewrite`; a guard that let something through for a reason says which."""
    return f"{name}={verdict.action}" + (f"({verdict.reason})" if verdict.action == "allow" and verdict.reason else "")


def guard_request(guards: Sequence[Guard], exchange: Exchange) -> None:
    """Run all guards over the request; rewrites go into `exchange.body`.

    :raises Refused: a guard blocked, or failed (which never passes)
    """
    body = msgspec.json.decode(exchange.body)
    changed = False
    for guard in guards:
        fields = list(request_texts(body))
        try:
            verdict = guard.request(exchange, tuple(text for text, _ in fields))
        except Exception as error:  # a guard that cannot decide blocks
            raise blocked(guard.name, f"it could not decide ({type(error).__name__})") from error
        exchange.guards.append(_shown(guard.name, verdict))
        if verdict.action == "block":
            raise blocked(guard.name, verdict.reason or "no reason given")
        if verdict.action == "rewrite":
            if len(verdict.texts) != len(fields):
                raise blocked(guard.name, f"it returned {len(verdict.texts)} texts for {len(fields)}")
            for (_, put), text in zip(fields, verdict.texts, strict=True):
                put(text)
            changed = True
    if changed:
        exchange.body = msgspec.json.encode(body)


def guard_answer(guards: Sequence[Guard], exchange: Exchange, body: bytes) -> bytes:
    """A whole answer after all guards. :raises Refused: a guard blocked or failed"""
    answer = msgspec.json.decode(body)
    for choice, field, text, put in list(_choice_texts(answer)):
        put(_through(guards, exchange, choice, field, text, last=True))
    for value in answer.get("choices") or ():
        value.pop("logprobs", None)  # they spell the tokens that a guard may have rewritten
    close(guards, exchange)
    return msgspec.json.encode(answer)


def guard_event(guards: Sequence[Guard], exchange: Exchange, seen: set[tuple[int, str]], event: bytes) -> bytes:
    """One event of a stream after all guards; `seen` collects the (choice, field) pairs to flush."""
    data = data_of(event)
    if not data or data.startswith(b"[DONE]"):
        return event
    chunk = msgspec.json.decode(data)
    for choice, field, text, put in list(_choice_texts(chunk)):
        seen.add((choice, field))
        put(_through(guards, exchange, choice, field, text, last=False))
    for value in chunk.get("choices") or ():
        value.pop("logprobs", None)
        if value.get("finish_reason"):
            _flush(guards, exchange, seen, value)
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _flush(guards: Sequence[Guard], exchange: Exchange, seen: set[tuple[int, str]], choice: dict[str, Any]) -> None:
    """Append what the guards held back for this choice to its last chunk."""
    index = choice.get("index", 0)
    for pair in sorted(pair for pair in seen if pair[0] == index):
        seen.discard(pair)
        held = _through(guards, exchange, index, pair[1], "", last=True)
        if held:
            _append(choice, pair[1], held)


def _append(choice: dict[str, Any], field: str, text: str) -> None:
    if field == "text":
        choice["text"] = choice.get("text", "") + text
    elif field.startswith("tool_calls."):
        delta = choice.setdefault("delta", {})
        call = {"index": int(field.split(".")[1]), "function": {"arguments": text}}
        delta.setdefault("tool_calls", []).append(call)
    else:
        delta = choice.setdefault("delta", {})
        delta[field] = (delta.get(field) or "") + text


def _through(guards: Sequence[Guard], exchange: Exchange, choice: int, field: str, text: str, *, last: bool) -> str:
    for guard in reversed(guards):
        try:
            text = guard.delta(exchange, choice, field, text, last)
        except Exception as error:
            raise blocked(guard.name, f"it could not decide ({type(error).__name__})") from error
    return text


def close(guards: Sequence[Guard], exchange: Exchange) -> None:
    """The guards' judgement of the whole answer. :raises Refused: blocked or failed"""
    for guard in guards:
        try:
            verdict = guard.close(exchange)
        except Exception as error:
            raise blocked(guard.name, f"it could not decide ({type(error).__name__})") from error
        exchange.guards.append(_shown(f"{guard.name}:answer", verdict))
        if verdict.action == "block":
            raise blocked(guard.name, verdict.reason or "no reason given")
