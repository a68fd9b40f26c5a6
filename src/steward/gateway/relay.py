"""What becomes of an upstream's answer on the way to the client; what goes out is decided in `outgoing.py`.

Decides whether the bytes pass or are translated, which events the client sees, and when a stream has failed: an end
without a finish_reason is a failure, as is an event that is not a JSON object. It waits for nothing, which is
`middleware/call.py`'s work, and notes on the exchange what it meters: usage, events, failures, the upstream's names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.core.extend import EngineAnswer
from steward.gateway import dialects
from steward.gateway.answer import Answer
from steward.gateway.choice_usage import add_usages, count_all_choices, tells_one_choice, write_usage
from steward.gateway.dialects import CHAT, ChunkStream, Translation
from steward.gateway.dialects.chat import TokenCounts
from steward.gateway.dialects.odd_chat import is_odd_answer, is_odd_event, repair_answer, repair_event
from steward.gateway.dialects.tool_calls import ToolCallNumbers
from steward.gateway.embedded_answers import check_dimensions, complete_chat
from steward.gateway.exchange import Exchange
from steward.gateway.finish_reasons import CUT_OFF
from steward.gateway.models import OPENAI_ENDPOINTS
from steward.gateway.outgoing import EMBEDDINGS, Outgoing
from steward.gateway.sse import TOOL_CALLS, event_data, is_comment, is_whole_event
from steward.gateway.text_fields import Json
from steward.gateway.upstream_errors import embedded_error_of, find_bare_error, read_upstream_error
from steward.gateway.usage import measure_usage
from steward.gateway.wire import name_version, upstream_error
from steward.gateway.wire_fields import AnswerFacts, TokenUsage

DONE: Final = b"data: [DONE]\n\n"
BARE_EVENT_BYTES: Final = 14  # by which a chunk without text is shorter than one with a token: `"content":"…"`
STREAM_TYPES: Final = ("text/event-stream", "application/x-ndjson", "application/jsonl")
PING: Final = b": ping\n\n"  # of Anthropic's event, which other dialects do not know
_SHORTENED: Final = re.compile(  # an answer that ended at its maximum, in the three dialects
    rb'"(?:finish|stop)_reason"\s*:\s*"(?i:%b)"|"status"\s*:\s*"incomplete"' % "|".join(CUT_OFF).encode()
)
_CONTENT: Final = re.compile(rb'"content"\s*:\s*"[^"]')
_AROUND: Final = 200  # bytes of a whole answer without its text and usage, at the least
_MOST_DECODED_BYTES: Final = 4 * 1024 * 1024  # of an answer that is looked into here: a few milliseconds
_raw_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_JSON_BEGINS: Final = (b"{", b"[")
ERROR_HEADERS: Final = ("retry-after", "retry-after-ms", "x-should-retry")


def is_stream(exchange: Exchange, upstream: EngineAnswer) -> bool:
    """Whether a stream was asked for. What the upstream sends instead is made one, or made whole (`answer_forms.py`).

    :raises Refused: 502 where it sends a page, which is no answer in any form
    """
    kind = upstream.headers.get("content-type", "")
    if exchange.streamed and kind.startswith("text/html"):
        upstream.close()
        raise upstream_error(
            f"the upstream answered with {cut_text(kind)!r} where text/event-stream was expected", "upstream_malformed"
        )
    return exchange.streamed


def is_form_of_stream(kind: str, body: bytes) -> bool:
    """Whether a body holds the events of a stream, or JSON values a line; `kind` is its content type."""
    return body.startswith(b"data:") or (kind != "application/json" and kind.startswith(STREAM_TYPES))


def convert_answer(exchange: Exchange, outgoing: Outgoing, body: bytes, facts: AnswerFacts | None = None) -> Answer:
    """A whole answer, metered and translated. `facts`: as `read_answer` found them.

    :raises Refused: 502 where it is not what it should be
    """
    if outgoing.embedded and exchange.request.choices() > 1:
        body, facts = _count_all_choices(exchange, body), None
    note_answer(exchange, facts or read_answer(outgoing.endpoint, body), len(body))
    if not outgoing.embedded and body.find(b'"timings"') >= 0 and exchange.request.choices() > 1:
        _note_all_choices(exchange, body)
    if outgoing.translation is None:
        if outgoing.endpoint == CHAT and is_odd_answer(body):
            body = repair_answer(body, exchange.request_id)
        return Answer(200, body) if not outgoing.embedded else _complete(exchange, body)
    usage = ledger_usage(exchange)
    return Answer(
        200, translate_answer(outgoing.translation, usage, body, outgoing.asked, exchange.request_id, exchange.at)
    )


def read_answer(endpoint: str, body: bytes) -> AnswerFacts:
    """Of the answer of an upstream's endpoint. :raises Refused: 502 where it is no JSON object"""
    ends = body.strip()
    if not (ends.startswith(b"{") and ends.endswith(b"}")):
        raise upstream_error("the upstream's answer is not a JSON object", "upstream_malformed")
    if not is_utf8(body):
        raise upstream_error("the upstream's answer is not UTF-8", "upstream_malformed")
    envelope = dialects.find_dialect(endpoint).envelope(body)
    version = name_version(envelope.model, envelope.system_fingerprint)
    return AnswerFacts(envelope.usage, envelope.id, version, was_shortened(body))


def note_answer(exchange: Exchange, facts: AnswerFacts, size: int) -> None:
    """Note on the exchange what a whole answer of `size` bytes says of itself."""
    if exchange.endpoint != EMBEDDINGS:
        exchange.events = 1 + max(0, size - _AROUND) // 4  # what it is billed without a usage
    exchange.usage, exchange.upstream_id = facts.usage, facts.upstream_id
    exchange.answered_by, exchange.shortened = facts.answered_by, facts.shortened


def _count_all_choices(exchange: Exchange, body: bytes) -> bytes:
    """The answer of an embedded engine with the usage of all its choices."""
    answer = _decode_object(body)
    if not count_all_choices(answer, _list_prompts(exchange)):
        return body
    exchange.reckoned = True
    return msgspec.json.encode(answer)


def _note_all_choices(exchange: Exchange, body: bytes) -> None:
    """Bill all choices of a llama.cpp server that tells the usage of one; its bytes pass as they are."""
    if len(body) > _MOST_DECODED_BYTES:
        exchange.usage = None  # billed by its length
        return
    answer = _decode_object(body)
    if tells_one_choice(answer) and count_all_choices(answer, _list_prompts(exchange)):
        exchange.usage, exchange.reckoned = msgspec.convert(answer["usage"], TokenUsage), True


def _decode_object(body: bytes) -> Json:
    """{} for what is none, which is refused for it elsewhere."""
    try:
        return msgspec.json.decode(body, type=dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _list_prompts(exchange: Exchange) -> list[Any]:
    return [msgspec.json.decode(prompt) for prompt in exchange.request.list_prompts()]


def ledger_counts(exchange: Exchange) -> TokenCounts:
    """What the ledger has for an exchange: what the upstream told where that can be believed, else estimates."""
    counts = measure_usage(exchange, True).counts
    return TokenCounts(counts.input, counts.output, counts.cached_input, counts.reasoning, counts.cache_write)


def ledger_usage(exchange: Exchange) -> Json:
    """The same as a usage object, in the words of both OpenAI and Anthropic."""
    counts = ledger_counts(exchange)
    return {
        **counts.as_usage(),
        "input_tokens": max(0, counts.prompt - counts.cached - counts.written),
        "cache_read_input_tokens": counts.cached,
        "cache_creation_input_tokens": counts.written,
        "output_tokens": counts.completion,
    }


def translate_answer(
    translation: Translation, usage: Mapping[str, Any], body: bytes, asked: Json, request_id: str, at: float
) -> bytes:
    """A whole answer in the client's dialect, with the `usage` that the ledger has.

    :raises Refused: 502 where it is not what it should be
    """
    try:
        chat = msgspec.json.decode(body)
        if translation is not dialects.EMBEDDED_COMPLETIONS or not chat.get("usage"):
            chat["usage"] = dict(usage)
        translated = translation.translate_answer(chat, asked, request_id, at)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise upstream_error("the upstream's answer is not a chat completion", "upstream_malformed") from error
    return msgspec.json.encode(translated)


def _complete(exchange: Exchange, body: bytes) -> Answer:
    """An embedded engine's answer with all that its schema requires. :raises Refused: 400, other dimensions"""
    if exchange.endpoint == CHAT:
        return Answer(200, msgspec.json.encode(complete_chat(msgspec.json.decode(body))))
    if exchange.endpoint == EMBEDDINGS and "dimensions" in exchange.fields:
        asked = msgspec.json.decode(_raw_fields.decode(exchange.body)["dimensions"])
        if asked is not None and (refusal := check_dimensions(exchange.model, asked, body)) is not None:
            try:
                raise refusal
            finally:  # what is raised holds this frame
                del refusal
    return Answer(200, body)


def was_shortened(body: bytes) -> bool:
    """Whether a whole answer ended at its maximum of tokens, in any dialect.

    >>> was_shortened(b'{"choices":[{"finish_reason":"length"}]}'), was_shortened(b'{"finish_reason":"stop"}')
    (True, False)
    """
    hinted = (
        body.find(b'length"') >= 0 or body.find(b'max_tokens"') >= 0 or body.find(b'"incomplete"') >= 0
    )  # a tenth of the search's time
    return hinted and _SHORTENED.search(body) is not None


def is_utf8(data: bytes) -> bool:
    """
    >>> is_utf8("ö".encode()), is_utf8(b"\\xff")
    (True, False)
    """
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def select_headers(headers: Mapping[str, str], status: int) -> list[tuple[bytes, bytes]]:
    """What of the upstream's headers the client sees: when to retry, and its name for the request."""
    selected: list[tuple[bytes, bytes]] = []
    if status >= 400:
        names = (name for name in ERROR_HEADERS if name in headers)
        selected += ((name.encode(), headers[name].encode("latin-1", "replace")) for name in names)
    if upstream_id := headers.get("x-request-id") or headers.get("request-id"):
        selected.append((b"x-upstream-request-id", upstream_id.encode("latin-1", "replace")))
    return selected


def parse_early_error(data: bytes) -> Refused | None:
    """The error that vLLM, SGLang and others send as the first event of a stream whose status says 200: an object, or
    plain words.

    >>> parse_early_error(b'{"error":{"message":"too long","code":400}}').status
    400
    >>> parse_early_error(b"Error: too many requests").message
    'Error: too many requests'
    """
    return find_bare_error(data) if data.lstrip()[:1] in _JSON_BEGINS else read_upstream_error(502, data)


class Relay:
    """What becomes of a stream's events on their way to the client; what it counts goes on the exchange."""

    def __init__(self, exchange: Exchange, outgoing: Outgoing) -> None:
        self._exchange = exchange
        self._dialect = dialects.find_dialect(exchange.endpoint)
        self._from_openai = outgoing.endpoint in OPENAI_ENDPOINTS
        self._drops_usage = self._from_openai and not exchange.asked_usage
        self._ends_with_done = exchange.endpoint in OPENAI_ENDPOINTS
        self._bare = self._from_openai and outgoing.translation is None
        self._chunks: ChunkStream | None = None
        self._counts_apart = outgoing.translation is not dialects.EMBEDDED_COMPLETIONS
        if outgoing.translation is not None:
            self._chunks = outgoing.translation.open_stream(
                outgoing.asked, exchange.request_id, exchange.at, exchange.estimate_input()
            )
        self.scanner = dialects.find_dialect(outgoing.endpoint).scanner()
        self.over = False  # an error has ended it before the upstream did
        self._embedded, self._choices = outgoing.embedded, exchange.request.choices()
        self._usages: list[TokenUsage] = []  # one for each choice, where there are several and each is told apart
        self._tool_calls = ToolCallNumbers()
        self._began = False  # content stood in an event that was looked at
        self._looked_at = 0  # events that count, and are not plain

    def count_plain(self, piece: bytes) -> bool:
        """Count `piece` if it is one event to be passed on as it is, as nearly all are; false where it is not."""
        plain = self._bare and self.scanner.is_plain(piece)
        if plain and (piece.isascii() or is_utf8(piece)):
            exchange, size = self._exchange, len(piece)  # as `count_event`, which would be a call for every event
            exchange.events += 1
            exchange.event_bytes += size
            if size < exchange.shortest_event:
                exchange.shortest_event = size
            return True
        return False

    def feed(self, piece: bytes) -> bytes:
        """What the client gets for the next bytes. :raises ValueError: an event beyond all bounds"""
        return self.relay_events(self.scanner.feed(piece))

    def relay_events(self, events: list[bytes]) -> bytes:
        """What the client gets for `events`; after one that is not what it should be, an error and no more."""
        out: list[bytes] = []
        try:
            for event in events:
                if self.over:
                    break
                if self.count_plain(event):
                    out.append(event)
                else:
                    self._relay_event(event, out)
        except Refused as error:
            self.over = self._exchange.failed = True
            out.append(self.error(error))
        self._exchange.usage = self.scanner.usage or self._exchange.usage
        self._exchange.upstream_id = self.scanner.upstream_id
        self._exchange.answered_by = self.scanner.answered_by
        self._exchange.failed = self._exchange.failed or self.scanner.failed
        self._exchange.shortened = self.scanner.shortened
        return b"".join(out)

    def _relay_event(self, event: bytes, out: list[bytes]) -> None:
        if not is_whole_event(event):
            if event_data(event).strip() == b"null":  # llama.cpp begins so where several prompts are completed
                return
            raise upstream_error("the upstream sent an event that is not a JSON object", "upstream_malformed")
        if not is_utf8(event):
            raise upstream_error("the upstream sent an event that is not UTF-8", "upstream_malformed")
        self.scanner.inspect(event)
        if self._choices > 1 and self.scanner.only_usage and self.scanner.usage is not None:
            event = self._add_usage(event, self.scanner.usage)
            if not event:
                return
        if self.scanner.is_output(event) and event.find(b"data:") >= 0:
            bare = self._from_openai and event.find(b'content"') < 0
            self._exchange.count_event(len(event), BARE_EVENT_BYTES if bare else 0)
            self._looked_at += 1
        if self.scanner.done and not self.scanner.finished and not self.scanner.failed:
            self.over = True
            out.append(self._end_truncated())
        elif self._chunks is not None:
            out += self._translate_event(self._chunks, event)
        elif not (self.scanner.only_usage and self._drops_usage):
            out.append(self._repair_event(event) if self._bare else event)

    def _add_usage(self, event: bytes, usage: TokenUsage) -> bytes:
        """What the client gets for the usage of one choice: nothing until the last, and then the sum.

        Another server's events pass as they are; where it tells as many as there are choices, they add up.
        """
        self._usages.append(usage)
        every = len(self._usages) == self._choices
        if self._embedded or every:
            self.scanner.usage = add_usages(self._usages, max(1, self._exchange.request.n or 1))
        if not self._embedded:
            return event
        return write_usage(event, self.scanner.usage or usage) if every else b""

    def end(self) -> bytes:
        """What the client gets once the upstream has closed its stream."""
        out, scanner = self.relay_events(self.scanner.end()), self.scanner
        if scanner.done or self.over:
            return out
        if not scanner.failed:
            if scanner.finishes < max(1, self._exchange.request.n or 1):
                return out + self._end_truncated()
            if self._chunks is not None:
                return out + b"".join(self._end_chunks(self._chunks))
        return out + DONE if self._ends_with_done else out

    def error(self, error: Refused) -> bytes:
        return self._dialect.error_event(error, self._exchange.request_id)

    def _repair_event(self, event: bytes) -> bytes:
        """An event that clients can read: content as text, and each tool call under a number of its own."""
        try:
            if is_odd_event(event):
                event = repair_event(event, self._began or self._exchange.events > self._looked_at)
            self._began = self._began or _CONTENT.search(event) is not None
            return self._tool_calls.repair(event) if event.find(TOOL_CALLS) >= 0 else event
        except ValueError as error:
            raise upstream_error("the upstream sent an event that is not JSON", "upstream_malformed") from error

    def _end_truncated(self) -> bytes:
        self._exchange.truncated = True
        ending = "a finish_reason" if self._from_openai else "its last event"
        return self.error(upstream_error(f"the upstream ended the stream without {ending}", "stream_truncated"))

    def _end_chunks(self, chunks: ChunkStream) -> list[bytes]:
        """The last events of a translated stream, with what the ledger has been told by now."""
        self._exchange.usage = self.scanner.usage or self._exchange.usage
        return chunks.end(ledger_counts(self._exchange))

    def _translate_event(self, chunks: ChunkStream, event: bytes) -> list[bytes]:
        if self.scanner.done:
            return self._end_chunks(chunks)
        data = event_data(event)
        if not data:
            return [event] if is_comment(event) else []
        try:
            chunk = msgspec.json.decode(data)
            if (told := embedded_error_of(chunk)) is not None:
                try:
                    raise told
                finally:  # what is raised holds this frame, and so the request
                    del told
            if self._counts_apart:
                _take_usage(chunk)
            return [PING] if chunk.get("type") == "ping" else chunks.feed(chunk)
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise upstream_error(
                "the upstream sent an event that is not a chat completion chunk", "upstream_malformed"
            ) from error


def _take_usage(event: Json) -> None:
    """Out of an event what the scanner has read of it: the client is told what the ledger has, at the end."""
    event.pop("usage", None)
    message = event.get("message")
    if isinstance(message, dict):
        message.pop("usage", None)
