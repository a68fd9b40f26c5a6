"""The one sentence at the top of every page. It says what the objectives, the alerts and what runs say, in the words of
`steward status`, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from steward.console.shared_answers import SharedAnswers
from steward.console.source import ConsoleSource, find_scope
from steward.console.status import judge_standing
from steward.core.alerts import Alert
from steward.core.errors import StewardError
from steward.core.identity import Principal
from steward.core.records import Snapshot, Usage
from steward.monitoring.slo import SloStatus

FRESH_S: Final = 10.0
NOTHING_RUNS: Final = Snapshot(
    at=0.0, started_at=0.0, gateway_url="", version="", processes=(), models=(), series=(), bucket_s=0.0,
    usage=Usage(requests=0, input_tokens=0, output_tokens=0, usd=0.0, errors=0), last=(),
)  # fmt: skip
DEMO_FILE: Final = "demo.json"  # in a home that `steward up --demo` filled

HeadlineState = Literal["good", "warning", "bad", "unknown"]


class Headline(msgspec.Struct, frozen=True):
    state: HeadlineState
    sentence: str


def judge_headline(
    objectives: Sequence[SloStatus], alerts: Sequence[Alert], snapshot: Snapshot | None = None
) -> Headline:
    """What `judge_standing` finds; where that is nothing, what the objectives say. Without objectives nobody has said
    what is good.

    `alerts` and `snapshot`: of the whole deployment, which only the tenant that looks after it sees.
    """
    standing = judge_standing(snapshot or NOTHING_RUNS, objectives, alerts)
    judged = [one for one in objectives if one.state != "not enough traffic to judge"]
    if standing.state == "down" or any(alert.severity == "page" for alert in alerts):
        return Headline("bad", standing.sentence)
    if standing.state == "degraded":
        spent = any(one.state == "budget spent" for one in objectives)
        return Headline("bad" if spent else "warning", standing.sentence)
    if not objectives:
        return Headline("unknown", "No alert is firing. No objective is set, so nothing says how good is good enough.")
    if not judged:
        return Headline("unknown", "No alert is firing. There is too little traffic to judge the objectives.")
    some = (
        "All objectives are met."
        if len(judged) == len(objectives)
        else (f"{len(judged)} of {len(objectives)} objectives are met; the others have too little traffic to judge.")
    )
    return Headline("good", some)


class Headlines:
    """The sentence for each tenant, worked out every few seconds at most, whoever looks."""

    def __init__(self, source: ConsoleSource) -> None:
        self._source = source
        self._answers = SharedAnswers(source.clock)
        self.demo = (source.home / DEMO_FILE).exists()

    async def find(self, who: Principal) -> Headline:
        scope = find_scope(who)
        try:
            answer = await self._answers.find(scope, lambda: self._judge(scope), FRESH_S)
        except StewardError:
            return Headline("unknown", "The store does not answer, so nobody can say how things stand.")
        if answer.problem:
            return Headline("unknown", f"The store does not answer. Before, it said: {answer.value.sentence}")
        return answer.value

    def _judge(self, scope: str | None) -> Headline:
        objectives = self._source.objectives.read(self._source, scope)
        if scope is not None:
            return judge_headline(objectives, [])
        return judge_headline(objectives, list_open_alerts(self._source), self._source.snapshot())


def list_open_alerts(source: ConsoleSource) -> list[Alert]:
    """It blocks. :raises Unavailable: the store does not answer"""
    return source.store.alerts.list_alerts(open_only=True)
