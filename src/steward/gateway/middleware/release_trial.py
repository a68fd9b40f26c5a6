"""Copies of a release's requests to its candidate, and a judge who compares its answers with the champion's.

The champion is asked again for what is judged: the answer that the client gets is left alone. Answers stay in memory;
the ledger gets who did better, and by how much.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from steward.core.errors import Refused
from steward.core.extend import Ledger
from steward.core.records import Arm
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler
from steward.gateway.large import is_large
from steward.gateway.middleware.settle import settle
from steward.gateway.middleware.shadow import TaskPool, copy_for_shadow
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import has_endpoint
from steward.gateway.prompts import APPLY, insert_prompt
from steward.gateway.route_records import Route, ServedRelease

JUDGED_ENDPOINT: Final = "/v1/chat/completions"


class AnswerJudge(Protocol):
    """Compares two answers to a chat."""

    model: str

    def write_questions(self, chat: bytes, champion: bytes, candidate: bytes) -> tuple[bytes, bytes]:
        """The bodies of two chats, the second with the answers changed round. All are bodies of chat completions."""
        ...

    def read_replies(self, replies: tuple[bytes, bytes]) -> float | None:
        """1: the candidate did better, -1: the champion, 0: neither. None: the judge did not say."""
        ...


class ReleaseTrials:
    """Asks the candidate, and the judge. No client waits for it or pays for it.

    Where `most` are under way, a request goes without.
    """

    def __init__(
        self,
        call: Handler,
        ledger: Ledger,
        models: Mapping[str, ModelEntry],
        judge: AnswerJudge | None,
        most: int,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._call, self._ledger, self._models = call, ledger, models
        self._handler = settle(ledger, models)(call)
        self._judge, self._pool, self._draw = judge, TaskPool(most), draw

    def consider(self, exchange: Exchange, champion: Route) -> None:
        """Start a trial of this request, if it is one of the sample."""
        release = exchange.release
        if release is None or self._draw() >= release.sample or self._pool.is_full or is_large(exchange.body):
            return
        judge = self._judge if exchange.endpoint == JUDGED_ENDPOINT and self._draw() < release.judged else None
        if judge is not None and not self._can_judge(judge, champion):
            judge = None
        plain = exchange.unprompted or exchange.body
        if exchange.endpoint in APPLY:
            self._pool.start(self._run(exchange, release, champion, plain, judge))

    def _can_judge(self, judge: AnswerJudge, champion: Route) -> bool:
        """Whether judge and champion take chats. A candidate that does not is asked all the same."""
        names = (judge.model, champion.targets[0].model)
        return all(has_endpoint(JUDGED_ENDPOINT, self._models[name]) for name in names)

    async def _run(
        self, exchange: Exchange, release: ServedRelease, champion: Route, plain: bytes, judge: AnswerJudge | None
    ) -> None:
        body = plain if release.prompt is None else insert_prompt(release.prompt, exchange.endpoint, plain) or plain
        candidate = await self._ask(exchange, release.candidate.targets[0].model, body, "candidate")
        if judge is None or candidate is None or exchange.arm == "candidate":
            return
        served = await self._ask(exchange, champion.targets[0].model, exchange.body, "champion")
        if served is not None:
            await self._compare(exchange, judge, judge.write_questions(plain, served, candidate))

    async def _ask(self, exchange: Exchange, model: str, body: bytes, arm: Arm) -> bytes | None:
        """A model's answer as a whole; None: it gave none, as its row says."""
        copy = copy_for_shadow(exchange, model, _without_stream(body), f"{arm}-trial")
        copy.release, copy.arm, copy.subject = exchange.release, arm, exchange.subject
        return await _read_body(self._handler, copy)

    async def _compare(self, exchange: Exchange, judge: AnswerJudge, questions: tuple[bytes, bytes]) -> None:
        """The second row of the judge carries what both replies together say."""
        first = await _read_body(self._handler, self._address_judge(exchange, judge, questions[0], "judge-1"))
        if first is None:
            return

        async def note(copy: Exchange) -> Answer:
            answer = await self._call(copy)
            if answer.stream is None and answer.status == 200:
                copy.judged = judge.read_replies((first, answer.body))
            return answer

        await _read_body(
            settle(self._ledger, self._models)(note), self._address_judge(exchange, judge, questions[1], "judge-2")
        )

    def _address_judge(self, exchange: Exchange, judge: AnswerJudge, question: bytes, mark: str) -> Exchange:
        copy = copy_for_shadow(exchange, judge.model, question, mark)
        copy.release, copy.subject, copy.prompt_version = exchange.release, exchange.subject, None
        return copy

    async def close(self) -> None:
        await self._pool.close()


def _without_stream(body: bytes) -> bytes:
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({name: value for name, value in fields.items() if not name.startswith("stream")})


async def _read_body(handler: Handler, exchange: Exchange) -> bytes | None:
    """None: no answer, or an error."""
    try:
        answer = await handler(exchange)
        if answer.stream is not None:  # nobody asked for one
            async for _ in answer.stream:
                pass
            return None
        return answer.body if answer.status == 200 else None
    except Refused:
        return None
    finally:
        exchange.end()
