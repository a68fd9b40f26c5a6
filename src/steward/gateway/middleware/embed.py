"""Has the texts of sampled requests embedded while they are answered, and keeps a projection: what drift is found in.

It stands behind the guards, so that the embedding model gets what the answering model gets. Nobody waits for it: where
the answer was there first, the embedding is not known. A projection is a count sketch (Charikar, Chen and
Farach-Colton, 2002) of 16 numbers, which keeps distances roughly and no text.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from steward.core.errors import Refused
from steward.gateway.answer import Answer
from steward.gateway.answer_reader import EMBEDDINGS, UNREADABLE
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.large import is_large
from steward.gateway.middleware.shadow import SHADOW, TaskPool
from steward.gateway.text_fields import replace_request_texts
from steward.gateway.wire import decode_request
from steward.text.features import join_texts

SIZE: Final = 16  # numbers of a projection
MOST_CHARS: Final = 2000  # that are embedded: about 500 tokens, which every embedding model takes
AT_A_TIME: Final = 2
_BITS: Final = hashlib.shake_256(b"steward embeddings").digest(512)  # the same in every release, as baselines are kept
_SIGNS: Final = tuple(1.0 if byte >> bit & 1 else -1.0 for byte in _BITS for bit in range(8))


class _Embedding(msgspec.Struct):
    embedding: list[float]


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]


class PromptEmbedder:
    """`handler` settles and calls; its rows stand under the key `shadow`, so that no client pays for them."""

    def __init__(self, handler: Handler, model: str) -> None:
        self.model = model
        self._handler, self._pool = handler, TaskPool(AT_A_TIME)

    def start(self, exchange: Exchange) -> None:
        """Embed it in the background, unless enough are under way."""
        if self._pool.is_full or is_large(exchange.body):
            return
        try:
            text = read_text(exchange.body)
        except UNREADABLE:
            return
        if text.strip():
            self._pool.start(self._run(exchange, self._make_request(exchange, text)))

    def _make_request(self, exchange: Exchange, text: str) -> Exchange:
        body = msgspec.json.encode({"model": self.model, "input": text})
        name = f"{exchange.request_id}-embedding"
        request = Exchange(name, EMBEDDINGS, {}, body, time.time(), time.perf_counter(), SHADOW)
        request.request = decode_request(EMBEDDINGS, body)
        request.route, request.model = exchange.route, self.model
        return request

    async def _run(self, exchange: Exchange, request: Exchange) -> None:
        try:
            answer = await self._handler(request)
            if answer.status == 200:
                exchange.embedding = project(msgspec.json.decode(answer.body, type=_Embeddings).data[0].embedding)
        except (Refused, msgspec.MsgspecError, IndexError):
            return  # its row says so, or it is no embedding
        finally:
            request.end()

    async def close(self) -> None:
        await self._pool.close()


def embed_prompts(embedder: PromptEmbedder) -> Middleware:
    """Start to embed what `note_features` has chosen."""

    def wrap(inner: Handler) -> Handler:
        async def handle(exchange: Exchange) -> Answer:
            if exchange.sampled:
                embedder.start(exchange)
            return await inner(exchange)

        return handle

    return wrap


def read_text(body: bytes) -> str:
    """The texts of a request, as many as are embedded."""
    texts: list[str] = []

    def note(text: str) -> str:
        texts.append(text)
        return text

    replace_request_texts(msgspec.json.decode(body, type=dict), note)
    return join_texts(texts)[-MOST_CHARS:]  # the last question tells more than the system prompt


def project(vector: Sequence[float]) -> tuple[float, ...] | None:
    """A unit vector's sketch of `SIZE` numbers, of four digits each; None: a vector without a direction.

    >>> project([3.0, 4.0])[:3]
    (-0.6, -0.8, 0.0)
    """
    length = sum(number * number for number in vector) ** 0.5
    if not 0.0 < length < float("inf"):
        return None
    sums = [0.0] * SIZE
    for index, number in enumerate(vector):
        sums[index % SIZE] += _SIGNS[index % len(_SIGNS)] * number
    return tuple(round(number / length, 4) for number in sums)
