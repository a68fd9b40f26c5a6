"""Notes what one request every few seconds is like: lengths, language, topic, refusal, tools. Nothing of its content.

Stands inside `settle`, so that the row has what was noted. Whatever fails in it, the answer goes out as it would.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

import msgspec

from steward.core.features import RequestFeatures
from steward.gateway.answer import Answer, join_filters
from steward.gateway.answer_reader import EMBEDDINGS, UNREADABLE, AnswerReader
from steward.gateway.capture import AnswerTexts
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.text_fields import replace_request_texts
from steward.text.features import detect_language, find_topic, is_refusal, join_texts

MOST_BODY_BYTES: Final = 256 * 1024  # a larger request is passed over: its texts take milliseconds
MOST_ANSWER_CHARS: Final = 256 * 1024


class _CountedTexts(AnswerTexts):
    """Counts tool calls by their arguments, too."""

    def __init__(self) -> None:
        super().__init__(MOST_ANSWER_CHARS)
        self.calls: set[tuple[int, str]] = set()

    def arguments(self, choice: int, field: str, text: str, last: bool = False) -> str:
        self.calls.add((choice, field))
        return text


class _Sampler(AnswerReader):
    """One exchange whose features are noted when it ends."""

    def __init__(self, exchange: Exchange, embedder: str | None) -> None:
        self._counted, self._embedder = _CountedTexts(), embedder
        super().__init__(exchange.endpoint, self._counted)
        self._exchange, self._body = exchange, exchange.body

    def finish(self) -> None:
        if not self._readable:
            return
        try:
            self._exchange.features = self._measure()
        except UNREADABLE:
            return

    def _measure(self) -> RequestFeatures:
        prompt: list[str] = []

        def note(text: str) -> str:
            prompt.append(text)
            return text

        replace_request_texts(msgspec.json.decode(self._body, type=dict), note)
        looked_at = join_texts(prompt)
        answer = "".join(one.text for one in self._counted.collect())
        calls = len(self._counted.calls)
        read = not self._counted.too_long
        return RequestFeatures(
            prompt_chars=sum(map(len, prompt)),
            answer_chars=len(answer) if read else None,
            language=detect_language(looked_at),
            topic=find_topic(looked_at),
            refused=is_refusal(answer) if read and answer else None,
            finish_reason="length" if self._exchange.shortened else "tool_calls" if calls else "stop",
            tool_calls=calls,
            embedding=self._exchange.embedding,
            embedder=self._embedder if self._exchange.embedding is not None else None,
        )


def note_features(every_s: float, embedder: str | None = None) -> Middleware:
    """At most one request every `every_s` seconds, in this worker; 0: none. `embedder`: the model that embeds them."""

    def wrap(inner: Handler) -> Handler:
        if every_s <= 0:
            return inner
        due = 0.0

        def handle(exchange: Exchange) -> Awaitable[Answer]:  # no coroutine of its own for what is passed over
            nonlocal due
            if exchange.started < due or exchange.endpoint == EMBEDDINGS or len(exchange.body) > MOST_BODY_BYTES:
                return inner(exchange)
            due = exchange.started + every_s
            return sample(exchange)

        async def sample(exchange: Exchange) -> Answer:
            exchange.sampled = True
            sampler = _Sampler(exchange, embedder)
            answer = await inner(exchange)
            if (stream := answer.stream) is not None:
                stream.filter = join_filters(stream.filter, sampler)
                exchange.when_ended(answer, lambda: sampler.finish() if stream.ended and not exchange.failed else None)
            elif answer.status == 200:
                sampler.read_answer(answer.body)
                sampler.finish()
            return answer

        return handle

    return wrap
