"""Reads the texts of an answer on its way to the client, whatever its dialect, and changes nothing."""

from __future__ import annotations

from typing import Final

import msgspec

from steward.gateway import dialects
from steward.gateway.capture import AnswerTexts
from steward.gateway.sse import Scanner

UNREADABLE: Final = (msgspec.MsgspecError, ValueError, TypeError, AttributeError, KeyError, RecursionError)
EMBEDDINGS: Final = "/v1/embeddings"


class AnswerReader:
    """As an `EventFilter`, it lets all events through. What cannot be read ends the reading, never the answer."""

    over = False

    def __init__(self, endpoint: str, texts: AnswerTexts) -> None:
        self._endpoint, self._texts = endpoint, texts
        self._dialect = dialects.find_dialect(endpoint)
        self._stream = self._dialect.open_text_stream(texts)
        self._splitter = Scanner()
        self._readable = True

    def read_answer(self, body: bytes) -> None:
        if self._endpoint == EMBEDDINGS:
            return
        try:
            self._dialect.filter_answer_texts(msgspec.json.decode(body, type=dict), self._texts)
        except UNREADABLE:
            self._readable = False

    def feed(self, events: bytes) -> bytes:
        if self._readable and not self._texts.too_long:
            try:
                for event in self._splitter.feed(events):
                    self._stream.feed(event)
            except UNREADABLE:
                self._readable = False
        return events

    def end(self) -> bytes:
        return b""
