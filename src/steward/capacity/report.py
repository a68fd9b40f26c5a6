"""A plan as one self-contained HTML page: memory, latency against rate, cost against objective, what it rests on.

No script, no network. The curves are simulated anew by whoever asks for the page; this module only draws.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from html import escape

import msgspec

from steward.capacity.plan import Plan, PredictionInterval
from steward.capacity.sizing import PlanOption
from steward.web import page
from steward.web.charts import ChartSeries, bar_chart, line_chart


class RatePoint(msgspec.Struct, frozen=True):
    """Latency of the chosen deployment at one rate of all its replicas; None: it does not keep up there."""

    rate: float
    ttft_p95_ms: float | None
    tpot_p95_ms: float | None


class ObjectiveCost(msgspec.Struct, frozen=True):
    """What the traffic costs under another objective; None: nothing holds it."""

    objective_ms: float
    gpus: int | None
    usd_per_hour: float | None


def render(plan: Plan, curve: Sequence[RatePoint], costs: Sequence[ObjectiveCost], objective: str) -> str:
    """`costs` are for values of `objective`, such as "TPOT p95". The plan must have a chosen deployment."""
    best = plan.chosen
    assert best is not None
    replicas = f"{best.replicas} replica{'s' * (best.replicas != 1)}"
    sentence = f"{best.gpus} × {best.gpu} {'serves' if best.gpus == 1 else 'serve'} {plan.model}"
    wanted = plan.wanted
    money = (
        "price not known" if best.usd_per_hour is None else f"{best.usd_per_1k_requests:.4f} USD per thousand requests"
    )
    figures = [
        ("Accelerators", f"{best.gpus}", f"{replicas}, tensor parallel {best.tp}, {best.precision}"),
        ("Headroom", f"{best.headroom * 100:.0f} %", f"{wanted.rate:g} of {best.max_rate:.3g} requests/s"),
        ("Time to first token, p95", _ms(best.prediction.ttft_ms.p95), _format_interval(plan.ttft_p95_ms)),
        (
            ("Cost per hour", f"${best.usd_per_hour:,.2f}", money)
            if best.usd_per_hour is not None
            else ("Time per token, p95", _ms(best.prediction.tpot_ms.p95), _format_interval(plan.tpot_p95_ms))
        ),
    ]
    objectives = ", ".join(
        f"{name} p95 within {value:,.10g} ms"
        for name, value in (("TTFT", wanted.ttft_p95_ms), ("TPOT", wanted.tpot_p95_ms), ("E2E", wanted.e2e_p95_ms))
        if value is not None
    )
    asked = f"{wanted.rate:g} requests/s of {wanted.input_tokens:,} + {wanted.output_tokens:,} tokens"
    kicker = f"capacity plan · {escape(asked)} · {escape(objectives) or 'no objectives'} · {escape(plan.engine)}"
    body = f"""{page.figures(figures)}
<section class="charts limit">{_first_token(curve, plan)}{_per_token(curve, plan)}</section>
<section class="charts">{_memory((best, *plan.alternatives))}{_costs(costs, objective)}</section>
{page.card("Options", _choices((best, *plan.alternatives)))}
<section class="card"><h2>Assumptions</h2>{_assumptions(plan)}
<p class="quiet">Intervals hold 80 % of measurements, by the errors on sources that the fit did not see.</p>
</section>
{_render_declined(plan)}
"""
    return page.report_page(sentence, kicker, body)


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def _format_interval(found: PredictionInterval | None) -> str:
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return "interval: cannot tell"
    return f"{_ms(found.low)} to {_ms(found.high)}"


def _first_token(curve: Sequence[RatePoint], plan: Plan) -> str:
    values = [point.ttft_p95_ms for point in curve]
    return _latency("Time to first token", values, plan.wanted.ttft_p95_ms, curve, plan.ttft_p95_ms)


def _per_token(curve: Sequence[RatePoint], plan: Plan) -> str:
    values = [point.tpot_p95_ms for point in curve]
    return _latency("Time per further token", values, plan.wanted.tpot_p95_ms, curve, plan.tpot_p95_ms)


def _latency(
    title: str,
    values: Sequence[float | None],
    limit: float | None,
    curve: Sequence[RatePoint],
    interval: PredictionInterval | None,
) -> str:
    """With a band as wide, in proportion, as the plan's interval, where that can tell."""
    low, high = _widen(values, interval)
    lines = [ChartSeries("p95 with its 80 % interval" if low else "p95", tuple(values), "a", low, high)]
    if limit is not None:
        lines.append(ChartSeries("objective", tuple([limit] * len(curve)), "d"))
    labels = [f"{point.rate:.3g}/s" for point in curve]
    top = max((value for line in lines for value in (*line.values, *line.high) if value is not None), default=0.0)
    unit = _seconds if top >= 1000 else _milliseconds
    rates = [point.rate for point in curve]
    return line_chart(f"{title} against requests per second", labels, lines, unit, at=rates, head="Requests/s")


def _widen(
    values: Sequence[float | None], interval: PredictionInterval | None
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """The ends of each value's interval; empty where there is none."""
    if interval is None or interval.low is None or interval.high is None or not interval.value:
        return (), ()
    low, high = interval.low / interval.value, interval.high / interval.value
    ends = [(None, None) if value is None else (value * low, value * high) for value in values]
    return tuple(end for end, _ in ends), tuple(end for _, end in ends)


def _seconds(value_ms: float) -> str:
    """Short, for an axis.

    >>> _seconds(1500.0)
    '1.5 s'
    """
    return f"{value_ms / 1000:.3g} s"


def _milliseconds(value_ms: float) -> str:
    return f"{value_ms:.3g} ms"


def _memory(choices: Sequence[PlanOption]) -> str:
    parts = (("weights", "weights_gib", "a"), ("KV cache", "kv_gib", "b"), ("activations", "activation_gib", "c"))
    lines = [
        ChartSeries(name, tuple(max(0.0, getattr(choice.memory, field)) for choice in choices), style)
        for name, field, style in parts
    ]
    lines.append(ChartSeries("engine", tuple(choice.memory.overhead_gib for choice in choices), "d"))
    short = [re.sub(r"-(SXM|PCIe|NVL).*|-\d+GB", "", choice.gpu) for choice in choices]
    labels = [name if short.count(name) == 1 else choice.gpu for name, choice in zip(short, choices, strict=True)]
    return bar_chart("Memory of one accelerator, GiB", labels, lines, lambda value: f"{value:,.3g}", head="Accelerator")


def _costs(costs: Sequence[ObjectiveCost], objective: str) -> str:
    """Over the objective, on a numeric axis in milliseconds."""
    labels = [f"{cost.objective_ms:,.3g} ms" for cost in costs]
    draw = partial(line_chart, at=[cost.objective_ms for cost in costs], head=f"{objective}, ms")
    if any(cost.usd_per_hour is not None for cost in costs):
        dollars = ChartSeries("USD per hour", tuple(cost.usd_per_hour for cost in costs), "a")
        return draw(f"Cost against {objective} in ms", labels, [dollars], lambda value: f"${value:,.3g}")
    counts = tuple(None if cost.gpus is None else float(cost.gpus) for cost in costs)
    title = f"Accelerators against {objective} in ms"
    return draw(title, labels, [ChartSeries("accelerators", counts, "a")], lambda value: f"{value:,.3g}")


def _choices(choices: Sequence[PlanOption]) -> str:
    rows = []
    for number, choice in enumerate(choices):
        p = choice.prediction
        cells = [
            str(choice.gpus), str(choice.replicas), str(choice.tp), str(choice.pp), f"{choice.max_rate:.3g}",
            f"{choice.headroom * 100:.0f} %", f"{p.ttft_ms.p95:,.0f}", f"{p.tpot_ms.p95:.1f}",
            f"{choice.memory.kv_tokens:,}",
            "–" if choice.usd_per_hour is None else f"{choice.usd_per_hour:,.2f}",
        ]  # fmt: skip
        numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        best = ' class="best"' if number == 0 else ""
        rows.append(f"<tr{best}><td>{escape(choice.gpu)} {escape(choice.precision)}</td>{numbers}</tr>")
    head = "Accelerator|#Count|#Replicas|#TP|#PP|#Max req/s|#Headroom|#TTFT p95 ms|#TPOT p95 ms|#KV tokens|#USD/h"
    return _table(head, rows)


def _assumptions(plan: Plan) -> str:
    rows = [
        f"<tr><td>{escape(item.what)}</td><td>{escape(item.value)}</td>"
        f'<td class="quiet">{escape(item.source)}</td></tr>'
        for item in plan.assumptions
    ]
    return _table("What|Value|Source", rows)


def _render_declined(plan: Plan) -> str:
    if not plan.declined:
        return ""
    rows = [
        f'<tr><td>{escape(name)}</td><td class="quiet">{escape(why)}</td></tr>' for name, why in plan.declined.items()
    ]
    return f'<section class="card"><h2>Declined</h2>{_table("Accelerator|Why", rows)}</section>'


def _table(head: str, rows: Sequence[str]) -> str:
    """A table that scrolls by itself where it is too wide; a column's name that begins with # stands to the right."""
    cells = "".join(
        f'<th class="n">{name[1:]}</th>' if name[0] == "#" else f"<th>{name}</th>" for name in head.split("|")
    )
    inside = f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{inside}</div>'
