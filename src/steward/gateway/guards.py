"""Shows guards plain text and puts their rewrites back: requests, whole answers and streams.

Decides what happens with a guard's verdict. Where the texts are, the dialect says (`dialects/`); how JSON escaping is
undone in tool-call arguments, `texts.py`. Knows nothing of what a guard looks for. Without guards nothing here runs:
bytes pass through.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from steward.core.errors import Blocked, Refused, describe_origin
from steward.core.extend import ArgumentsGuard, Guard, ToolGuard, Verdict
from steward.gateway import dialects
from steward.gateway.called_tools import (
    StreamedCalls,
    ToolCall,
    list_called_tools,
    list_declared_tools,
    list_tool_calls,
)
from steward.gateway.exchange import Exchange
from steward.gateway.sse import Scanner, event_data
from steward.gateway.text_fields import Json, JsonFragments, replace_request_texts, replace_strings
from steward.gateway.wire import bad_request, invalid_json, upstream_error

log = logging.getLogger(__name__)


def block_error(guard: str, why: str) -> Refused:
    """The refusal of an exchange; `why` is the guard's reason, never the text it saw."""
    return Refused(
        f"Blocked by the guard '{guard}': {why}.",
        status=400,
        type="invalid_request_error",
        code="content_policy_violation",
    )


def _format_verdict(name: str, verdict: Verdict) -> str:
    """What the header says: `privacy@2.1f3a=rewrite`; a guard that let something through for a reason says which."""
    return f"{name}={verdict.action}" + (f"({verdict.reason})" if verdict.action != "block" and verdict.reason else "")


def wait_for_others(guards: Sequence[Guard]) -> bool:
    """Whether one waits for another program when it judges, so that the event loop must not run it."""
    return any(getattr(guard, "waits", False) for guard in guards)


def refuse_stream(guards: Sequence[Guard], exchange: Exchange) -> None:
    """:raises Refused: a stream is asked for, and a guard judges whole answers of the route"""
    if exchange.streamed:
        for guard in guards:
            judges_whole = getattr(guard, "judges_whole", None)
            if judges_whole is not None and judges_whole(exchange.route):
                raise bad_request(f"The guard '{guard.name}' judges whole answers; leave out 'stream'.", "stream")


def name_version(guard: Guard) -> str:
    """`privacy@2.1f3a`; its name alone where the guard tells no version."""
    version = getattr(guard, "version", "")
    return f"{guard.name}@{version}" if version else guard.name


def guard_request(guards: Sequence[Guard], exchange: Exchange) -> None:
    """Run all guards over the request; rewrites go into `exchange.body`.

    :raises Refused: a guard blocked, or failed (which never passes)
    """
    unread: frozenset[str] = frozenset()
    try:
        body: Json = msgspec.json.decode(exchange.body, type=dict)
        changed = False
        callers = list_arguments_guards(guards, exchange.route)
        declared = list_declared_tools(body) if callers else {}  # before any guard rewrites what it says
        for guard in guards:
            seen: list[str] = []
            unread = replace_request_texts(body, lambda text, seen=seen: seen.append(text) or text)  # type: ignore[misc]
            verdict = _verdict(guard, exchange, seen)
            if verdict.action == "rewrite":
                texts = iter(verdict.texts)
                replace_request_texts(body, lambda _, texts=texts: next(texts))  # type: ignore[misc]
                changed = True
        for caller in callers:
            caller.declare(exchange, declared)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid_json(error) from error
    except RecursionError as error:
        raise bad_request("The request body is nested too deeply for the guards to read.") from error
    if unread:  # the receipt says what the guards have not seen
        exchange.guards.append(f"unread={'+'.join(sorted(unread))}")
    if changed:
        exchange.body = msgspec.json.encode(body)


def refuse_unread(exchange: Exchange) -> None:
    """:raises Refused: the request has what no guard could read"""
    unread = [word.removeprefix("unread=") for word in exchange.guards if word.startswith("unread=")]
    if unread:
        raise Refused(
            f"The request has pictures, sounds or files ({unread[0].replace('+', ', ')}) that no guard can read. Send "
            "text, or ask the operator to set privacy.unread to pass.",
            status=400,
            type="invalid_request_error",
            code="unreadable_for_guards",
        )


def guard_values(guards: Sequence[Guard], exchange: Exchange, texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by name after all guards. :raises Refused: a guard blocked or failed"""
    values = list(texts.values())
    for guard in guards:
        verdict = _verdict(guard, exchange, values)
        if verdict.action == "rewrite":
            values = list(verdict.texts)
    return dict(zip(texts, values, strict=True))


def guard_plain_answer(guards: Sequence[Guard], exchange: Exchange, body: bytes) -> bytes:
    """A whole answer of no dialect, of which every string is a text. :raises Refused: as `guard_answer`"""
    chain = GuardChain(guards, exchange)
    numbers = itertools.count()
    try:
        answer = replace_strings(
            msgspec.json.decode(body), lambda text: chain.text(0, f"text.{next(numbers)}", text, last=True)
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise upstream_error("the upstream's answer is not valid JSON", "upstream_malformed") from error
    close(guards, exchange)
    return msgspec.json.encode(answer)


def guard_text(guards: Sequence[Guard], exchange: Exchange, text: str) -> str:
    """A whole answer that is one text. :raises Refused: a guard blocked or failed"""
    passed = GuardChain(guards, exchange).text(0, "text", text, last=True)
    close(guards, exchange)
    return passed


def _report_failure(guard: Guard, exchange: Exchange, error: Exception) -> Refused:
    """The client learns that the guard failed, the operator's log also where."""
    log.error("%s: guard %s failed: %s", exchange.request_id, guard.name, describe_origin(error))
    return block_error(guard.name, f"the guard failed ({type(error).__name__})")


def _verdict(guard: Guard, exchange: Exchange, fields: list[str]) -> Verdict:
    try:
        verdict = guard.request(exchange, tuple(fields))
    except Exception as error:  # a guard that cannot decide blocks
        raise _report_failure(guard, exchange, error) from error
    exchange.guards.append(_format_verdict(name_version(guard), verdict))
    if verdict.action == "block":
        raise block_error(guard.name, verdict.reason or "the guard gave no reason")
    if verdict.action == "rewrite" and len(verdict.texts) != len(fields):
        raise block_error(guard.name, f"the guard returned {len(verdict.texts)} texts for {len(fields)} fields")
    count_masked(exchange, verdict.masked)
    return verdict


def count_masked(exchange: Exchange, masked: Mapping[str, int]) -> None:
    """Add to what guards have replaced in the request."""
    if not exchange.masked:
        exchange.masked = dict(masked)
        return
    for kind, count in masked.items():
        exchange.masked[kind] = exchange.masked.get(kind, 0) + count


def list_tool_guards(guards: Sequence[Guard]) -> list[ToolGuard]:
    """Asked for by its method first: a check of a whole Protocol takes longer than to mask a value."""
    return [guard for guard in guards if hasattr(guard, "tool") and isinstance(guard, ToolGuard)]


class GuardChain:
    """All guards as one filter of an answer's texts (`texts.Filter`); the last to see the request sees these first."""

    def __init__(self, guards: Sequence[Guard], exchange: Exchange) -> None:
        self._guards, self._exchange = guards, exchange
        self._open: dict[tuple[int, str], JsonFragments | None] = {}

    def text(self, choice: int, field: str, text: str, last: bool = False) -> str:
        if last:
            self._open.pop((choice, field), None)
        else:
            self._open[choice, field] = None
        return self._run_guards(choice, field, text, last)

    def arguments(self, choice: int, field: str, text: str, last: bool = False) -> str:
        """Each value is a field of its own: `tool_calls.0.arguments.3`."""
        values = self._open.get((choice, field))
        if values is None:
            values = JsonFragments(lambda number, piece, end: self._run_guards(choice, f"{field}.{number}", piece, end))
            self._open[choice, field] = values
        if last:
            del self._open[choice, field]
        return values.feed(text, last)

    def flush(self, choice: int) -> list[tuple[str, str]]:
        held = []
        for index, field in sorted(self._open):
            if index == choice:
                values = self._open.pop((index, field))
                text = self._run_guards(index, field, "", True) if values is None else values.feed("", last=True)
                held += [(field, text)] if text else []
        return held

    def _run_guards(self, choice: int, field: str, text: str, last: bool) -> str:
        for guard in reversed(self._guards):
            try:
                text = guard.delta(self._exchange, choice, field, text, last)
            except Blocked as error:
                raise _block_answer(guard, self._exchange, error) from error
            except Exception as error:
                raise _report_failure(guard, self._exchange, error) from error
        return text


def _block_answer(guard: Guard, exchange: Exchange, error: Blocked) -> Refused:
    exchange.guards.append(f"{guard.name}:answer=block")
    return block_error(guard.name, str(error))


def judge_tools(guards: Sequence[ToolGuard], exchange: Exchange, answer: Json) -> None:
    """Show the names of the tools that an answer, or an event of one, calls. :raises Refused: one is not allowed"""
    for name in list_called_tools(answer):
        for guard in guards:
            try:
                guard.tool(exchange, name)
            except Blocked as error:
                raise _block_answer(guard, exchange, error) from error


def list_arguments_guards(guards: Sequence[Guard], route: str) -> list[ArgumentsGuard]:
    """Those that judge the arguments of a route's calls; asked by its method before a check of the Protocol."""
    wanted = [guard for guard in guards if hasattr(guard, "judges_arguments") and guard.judges_arguments(route)]
    return [guard for guard in wanted if isinstance(guard, ArgumentsGuard)]


def judge_calls(guards: Sequence[ArgumentsGuard], exchange: Exchange, calls: Iterable[ToolCall]) -> None:
    """Show whole calls, as the client gets them. :raises Refused: one is not allowed"""
    for call in calls:
        for guard in guards:
            try:
                guard.call(exchange, call.name, call.arguments)
            except Blocked as error:
                raise _block_answer(guard, exchange, error) from error
            except Exception as error:
                raise _report_failure(guard, exchange, error) from error


def guard_answer(guards: Sequence[Guard], exchange: Exchange, body: bytes) -> bytes:
    """A whole answer after all guards. :raises Refused: a guard blocked or failed; the answer is no JSON object"""
    try:
        answer: Json = msgspec.json.decode(body, type=dict)
        if tool_guards := list_tool_guards(guards):
            judge_tools(tool_guards, exchange, answer)
        dialects.find_dialect(exchange.endpoint).filter_answer_texts(answer, GuardChain(guards, exchange))
        if callers := list_arguments_guards(guards, exchange.route):
            judge_calls(callers, exchange, list_tool_calls(answer))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise upstream_error("the upstream's answer is not valid JSON", "upstream_malformed") from error
    close(guards, exchange)
    return msgspec.json.encode(answer)


class GuardedStream:
    """A stream's events after all guards."""

    def __init__(self, guards: Sequence[Guard], exchange: Exchange) -> None:
        self._texts = dialects.find_dialect(exchange.endpoint).open_text_stream(GuardChain(guards, exchange))
        self._exchange, self._tool_guards = exchange, list_tool_guards(guards)
        self._callers, self._calls = list_arguments_guards(guards, exchange.route), StreamedCalls()

    def feed(self, event: bytes) -> bytes:
        """What to send for `event`. :raises Refused: a guard failed; the event's data is no JSON object"""
        try:
            if self._tool_guards and (data := event_data(event)).startswith(b"{"):
                judge_tools(self._tool_guards, self._exchange, msgspec.json.decode(data, type=dict))
            passed = self._texts.feed(event)
            if self._callers:
                self._judge_calls(passed)
            return passed
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise upstream_error("the upstream sent an event that is not valid JSON", "upstream_malformed") from error

    def _judge_calls(self, passed: bytes) -> None:
        """A call is judged before the event that ends it is sent, so that no client acts on it."""
        for event in Scanner().feed(passed):
            data = event_data(event)
            if data.startswith(b"{"):
                judge_calls(self._callers, self._exchange, self._calls.feed(msgspec.json.decode(data, type=dict)))
            elif data.startswith(b"[DONE]"):
                judge_calls(self._callers, self._exchange, self._calls.end())


def close(guards: Sequence[Guard], exchange: Exchange) -> None:
    """The guards' judgement of the whole answer. :raises Refused: blocked or failed"""
    for guard in guards:
        try:
            verdict = guard.close(exchange)
        except Exception as error:
            raise _report_failure(guard, exchange, error) from error
        exchange.guards.append(_format_verdict(f"{guard.name}:answer", verdict))
        if verdict.action == "block":
            raise block_error(guard.name, verdict.reason or "the guard gave no reason")
