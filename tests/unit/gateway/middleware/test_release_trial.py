"""Copies to a candidate, and what a judge says of both answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from compatibility.scripted_engine import ScriptedEngine
from steward.core.identity import Caller, Principal
from steward.core.records import Admitted, LedgerRecord, Settled
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.middleware.release_trial import ReleaseTrials
from steward.gateway.models import ModelEntry
from steward.gateway.prompts import Prompt
from steward.gateway.route_records import Route, ServedRelease, Target
from steward.gateway.wire import decode_request

CHAT = "/v1/chat/completions"
CHAMPION = Route("m", (Target("old"),))
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [], "stream": True}).encode()


class Records:
    def __init__(self) -> None:
        self.all: list[LedgerRecord] = []

    def append(self, record: LedgerRecord) -> None:
        self.all.append(record)

    def settled(self) -> dict[str, Settled]:
        return {one.request_id: one for one in self.all if isinstance(one, Settled)}

    def admitted(self) -> dict[str, Admitted]:
        return {one.request_id: one for one in self.all if isinstance(one, Admitted)}


ENGINE = ScriptedEngine(lambda body: (200, {}))


class Coin:
    """A judge who prefers what its replies say."""

    model = "judge"

    def __init__(self, says: float | None) -> None:
        self._says = says
        self.compared: list[tuple[bytes, bytes]] = []

    def write_questions(self, chat: bytes, champion: bytes, candidate: bytes) -> tuple[bytes, bytes]:
        self.compared.append((champion, candidate))
        return BODY, BODY

    def read_replies(self, replies: tuple[bytes, bytes]) -> float | None:
        return self._says


def tried(
    judge: Coin | None = None,
    status: int = 200,
    prompt: Prompt | None = None,
    arm: Any = "champion",
    without_chat: str = "",
    **release: float,
) -> tuple[Records, list[Exchange]]:
    seen: list[Exchange] = []

    async def call(exchange: Exchange) -> Answer:
        seen.append(exchange)
        return Answer(status if exchange.model == "new" else 200, f"by {exchange.model}".encode())

    async def go() -> Records:
        records = Records()
        models = {name: ModelEntry(name, ENGINE, name) for name in ("old", "new", "judge")}
        if without_chat:
            models[without_chat].endpoints = frozenset({"/v1/embeddings"})
        trials = ReleaseTrials(call, records, models, judge, 8, lambda: 0.0)
        exchange = Exchange("req", CHAT, {}, BODY, 0.0, 0.0, Caller(principal=Principal(kind="key", id="k")))
        exchange.request, exchange.route, exchange.subject, exchange.arm = decode_request(CHAT, BODY), "m", "s", arm
        options = {"sample": 1.0, "judged": 1.0, **release}
        exchange.release = ServedRelease(
            id="rel_1", route="m", candidate=Route("m", (Target("new"),)), prompt=prompt, **options
        )
        trials.consider(exchange, CHAMPION)
        for _ in range(50):
            await asyncio.sleep(0)
        await trials.close()
        return records

    return asyncio.run(go()), seen


def test_the_candidate_gets_a_copy_without_tools_or_stream() -> None:
    records, seen = tried()
    assert [exchange.model for exchange in seen] == ["new"]
    assert set(json.loads(seen[0].body)) == {"model", "messages"}
    row = records.admitted()["req-candidate-trial"]
    assert (row.release, row.arm, row.arm_weight, row.key_id, row.subject) == ("rel_1", "candidate", 0.0, "shadow", "s")


def test_a_judge_compares_both_and_its_second_row_says_what() -> None:
    judge = Coin(-1.0)
    records, seen = tried(judge)
    assert [exchange.model for exchange in seen] == ["new", "old", "judge", "judge"]
    assert judge.compared == [(b"by old", b"by new")]
    rows = records.settled()
    assert (rows["req-judge-1"].judged, rows["req-judge-2"].judged) == (None, -1.0)
    assert records.admitted()["req-judge-2"].arm is None


@pytest.mark.parametrize("lacking", ["judge", "old"])
def test_nobody_is_asked_to_judge_where_judge_or_champion_takes_no_chats(lacking: str) -> None:
    _, seen = tried(Coin(1.0), without_chat=lacking)
    assert [exchange.model for exchange in seen] == ["new"]


def test_a_judge_that_says_nothing_leaves_no_score() -> None:
    records, _ = tried(Coin(None))
    assert records.settled()["req-judge-2"].judged is None


def test_what_fails_is_not_judged() -> None:
    records, seen = tried(Coin(1.0), status=500)
    assert [exchange.model for exchange in seen] == ["new"]
    assert records.settled()["req-candidate-trial"].outcome == "upstream_error"


def test_people_who_have_the_candidate_are_not_compared_with_themselves() -> None:
    _, seen = tried(Coin(1.0), arm="candidate")
    assert [exchange.model for exchange in seen] == ["new"]


def test_the_copy_carries_the_candidates_prompt() -> None:
    prompt = Prompt(mode="prepend", system="Be kind.", examples=(), version="tone@2")
    _, seen = tried(prompt=prompt)
    assert json.loads(seen[0].body)["messages"][0] == {"role": "system", "content": "Be kind."}


@pytest.mark.parametrize("sample", [0.0])
def test_what_is_not_of_the_sample_is_left_alone(sample: float) -> None:
    assert tried(sample=sample)[1] == []
