"""The one sentence at the top of every page. It says what the objectives and the alerts say, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from steward.console.shared_answers import SharedAnswers
from steward.console.source import ConsoleSource, find_scope
from steward.core.alerts import Alert
from steward.core.errors import StewardError
from steward.core.identity import Principal
from steward.monitoring.slo import SloStatus

FRESH_S: Final = 10.0
DEMO_FILE: Final = "demo.json"  # in a home that `steward up --demo` filled

HeadlineState = Literal["good", "warning", "bad", "unknown"]


class Headline(msgspec.Struct, frozen=True):
    state: HeadlineState
    sentence: str


def judge_headline(objectives: Sequence[SloStatus], alerts: Sequence[Alert]) -> Headline:
    """The gravest thing that an objective or an open alert says. Without objectives nobody has said what is good.

    `alerts`: those that are open, which only the whole deployment has.
    """
    spent = [one.name for one in objectives if one.state == "budget spent"]
    pages = [alert for alert in alerts if alert.severity == "page"]
    burning = [one.name for one in objectives if one.state == "burning"]
    judged = [one for one in objectives if one.state != "not enough traffic to judge"]
    if pages:
        return Headline("bad", _say_alerts(pages))
    if spent:
        return Headline("bad", f"{_join(spent)} {'has' if len(spent) == 1 else 'have'} spent the error budget.")
    if burning:
        return Headline("warning", f"{_join(burning)} {'burns' if len(burning) == 1 else 'burn'} the error budget.")
    if alerts:
        return Headline("warning", _say_alerts(alerts))
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


def _say_alerts(alerts: Sequence[Alert]) -> str:
    first = alerts[0].summary.rstrip(".")
    return f"{first}." if len(alerts) == 1 else f"{first}, and {len(alerts) - 1} more."


def _join(names: Sequence[str]) -> str:
    """
    >>> _join(["a"]), _join(["a", "b"]), _join(["a", "b", "c", "d"])
    ('a', 'a and b', 'a, b and 2 more')
    """
    if len(names) <= 2:
        return " and ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"


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
        store = self._source.store
        objectives = self._source.objectives.read(self._source, scope)
        return judge_headline(objectives, store.alerts.list_alerts(100, open_only=True) if scope is None else [])
