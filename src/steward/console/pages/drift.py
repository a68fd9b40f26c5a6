"""Has the traffic changed? Features of recent requests beside those of before, with effect and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.reader import Reader
from steward.console.shell import Page, page_endpoint, render_page
from steward.console.source import ConsoleSource, find_scope
from steward.core.identity import Principal
from steward.workflows.alerts import SampleDrift, compare_samples

if TYPE_CHECKING:
    from steward.monitoring.drift import FeatureDrift  # numpy, which the console does not load

FRESH_S: Final = 60.0
SPANS: Final = {"1d": ("a day", 1), "7d": ("a week", 7), "14d": ("two weeks", 14)}
WORDS: Final = {
    "input_tokens": "Tokens of the prompt",
    "output_tokens": "Tokens of the answer",
    "finish_reason": "How the answer ended",
    "route": "Route",
    "model": "Model",
    "refused": "Declined",
    "prompt_chars": "Letters of the prompt",
    "answer_chars": "Letters of the answer",
    "topic": "Topic",
    "embedding": "Embedding",
    "language": "Language",
    "tool_calls": "Tool calls",
}


class DriftView(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    before: str
    now: str
    effect: str
    interval: str  # of the effect, at 95 %
    chance: str
    state: str  # a CSS class
    verdict: str


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        name = request.query_params.get("span", "7d")
        name = name if name in SPANS else "7d"
        days, now = SPANS[name][1], source.clock()

        def compare() -> SampleDrift:
            return compare_samples(source.store, now, days, tenant=find_scope(who))

        sample = await source.read(request, who, compare, fresh_s=FRESH_S)
        values = view(sample, request.state.reader)
        return render_page(request, "drift.html", spans=SPANS, chosen=name, sample=sample, **values)

    endpoint = page_endpoint("/drift", "usage.read", show, tenancy="principal")
    return Page((endpoint,), title="Drift", group="Watch", words="change baseline features distribution")


def view(sample: SampleDrift, reader: Reader) -> dict[str, Any]:
    """The values of drift.html."""
    rows = []
    for feature in sample.drift.features if sample.drift is not None else ():
        state, verdict = ("bad", "changed") if feature.drifted else ("good", "not changed")
        if feature.p is None:
            state, verdict = "unknown", feature.why
        rows.append(
            DriftView(
                name=WORDS.get(feature.name, feature.name),
                before=say(feature.baseline, reader),
                now=say(feature.current, reader),
                effect=say_effect(feature, reader),
                interval=say_interval(feature, reader),
                chance="–" if feature.p_adjusted is None else f"p = {reader.number(feature.p_adjusted, 4)}",
                state=state,
                verdict=verdict,
            )
        )
    examples = [
        (
            WORDS.get(one.feature, one.feature),
            [(request.request_id, reader.short(request.at), say(request.value, reader)) for request in one.requests],
        )
        for one in sample.examples
    ]
    return {"rows": rows, "examples": examples, "changed": [row.name for row in rows if row.verdict == "changed"]}


def say_effect(feature: FeatureDrift, reader: Reader) -> str:
    """An energy coefficient, which vectors have, is no number of bits."""
    if feature.effect is None:
        return "–"
    return reader.number(feature.effect, 3) + ("" if feature.kind == "vector" else " bits")


def say_interval(feature: FeatureDrift, reader: Reader) -> str:
    if feature.effect_low is None or feature.effect_high is None:
        return "–"
    return f"{reader.number(feature.effect_low, 3)} to {reader.number(feature.effect_high, 3)}"


def say(value: float | str | None, reader: Reader) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return reader.compact(round(value, 3))
