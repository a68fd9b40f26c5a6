"""Plans, forecasts and errors as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from steward.capacity.measurements import Validation
from steward.capacity.plan import Assumption, Forecast, Plan, PredictionInterval
from steward.capacity.sizing import PlanOption
from steward.cli.common import show_lines, show_table

COLUMNS: Final = (
    "", "GPUs", "accelerator", "precision", "tp", "pp", "replicas", "max req/s", "TTFT p95 ms", "TPOT p95 ms", "USD/h",
    "USD/1k",
)  # fmt: skip


def show_plan(plan: Plan) -> None:
    best = plan.chosen
    if best is None:
        show_lines([f"No deployment meets these objectives; {plan.considered} were considered."])
        show_table(["deployment", "why not"], [[name, why] for name, why in plan.declined.items()])
        return
    split = f"tensor parallel {best.tp}" + (f", {best.pp} stages" if best.pp > 1 else "")
    replicas = f"{best.replicas} replica{'s' * (best.replicas != 1)}"
    memory = best.memory
    lines = [
        f"{best.gpus} x {best.gpu}: {replicas} of {plan.model} in {best.precision}, {split}, {plan.engine}",
        f"  serves     {format_interval(plan.max_rate)} requests/s within the objectives; {plan.wanted.rate:g} asked "
        f"for, {best.headroom:.0%} free",
        f"  TTFT p95   {format_interval(plan.ttft_p95_ms)} ms",
        f"  TPOT p95   {format_interval(plan.tpot_p95_ms)} ms",
        f"  KV cache   {memory.kv_tokens:,} tokens a replica; weights take {memory.weights_gib:.1f} of "
        f"{memory.usable_gib:.1f} GiB on each GPU",
    ]
    if best.usd_per_hour is not None:
        lines.append(
            f"  costs      {best.usd_per_hour:,.2f} USD an hour, {best.usd_per_1k_requests:.4f} per thousand requests"
        )
    show_lines([*lines, f"  {_explain_brackets(best, plan.tpot_p95_ms)}", ""])
    show_table(COLUMNS, [_list_cells(number, option) for number, option in enumerate((best, *plan.alternatives), 1)])
    show_assumptions(plan.assumptions)


def show_forecast(forecast: Forecast) -> None:
    f, p = forecast, forecast.prediction
    show_lines(
        [
            f"{f.model} in {f.precision} on {f.gpus} x {f.gpu}, {f.engine} tp{f.tp} pp{f.pp}",
            f"  memory     {f.weights_gib:.2f} GiB weights + {f.activation_gib:.2f} activations + "
            f"{f.overhead_gib:.2f} engine + {f.kv_gib:.2f} KV cache = {f.usable_gib:.2f} usable "
            f"of {f.visible_gib:.2f} visible on each GPU",
            f"  KV cache   {f.kv_tokens:,} tokens",
            f"  output     {format_interval(f.output_tok_s)} tokens/s, {p.req_per_s:.3g} requests/s, "
            f"{p.running:.3g} at once",
            f"  TTFT       {format_interval(f.ttft_ms)} ms mean, p50 {p.ttft_ms.p50:,.0f}, p95 {p.ttft_ms.p95:,.0f}, "
            f"p99 {p.ttft_ms.p99:,.0f}",
            f"  TPOT       {format_interval(f.tpot_ms)} ms mean, p95 {p.tpot_ms.p95:.3g}, p99 {p.tpot_ms.p99:.3g}",
        ]
    )
    if p.saturated:
        show_lines(["  Saturated: more requests arrive than are served, so waiting times grow with the test."])
    show_assumptions(f.assumptions)


def show_assumptions(assumptions: Sequence[Assumption]) -> None:
    show_lines([""])
    show_table(["assumption", "value", "source"], [[item.what, item.value, item.source] for item in assumptions])


def show_errors(validation: Validation) -> None:
    rows = [
        [name, error.n, format_share(error.median_error), format_share(error.p90_error),
         format_share(validation.coverage.get(name))]
        for name, error in validation.metrics.items()
    ]  # fmt: skip
    show_table(["metric", "rows", "median error", "p90 error", "inside 80 % interval"], rows)


def format_interval(interval: PredictionInterval | None) -> str:
    """
    >>> format_interval(PredictionInterval(0.75, 1.0, 1234.0))
    '1 [0.75, 1,234]'
    """
    if interval is None:
        return "–"
    if interval.low is None or interval.high is None:
        return f"{_round(interval.value)} [cannot tell]"
    return f"{_round(interval.value)} [{_round(interval.low)}, {_round(interval.high)}]"


def format_share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def _round(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _explain_brackets(best: PlanOption, interval: PredictionInterval | None) -> str:
    if best.calibrated:
        return "[low, high] holds 80 % of measurements, by your calibration."
    if interval is not None and interval.low is None:
        return "[cannot tell]: nothing like it was measured; `steward plan calibrate` does it with your load test."
    return "[low, high] holds 80 % of measurements elsewhere; `steward plan calibrate` narrows it to your deployment."


def _list_cells(number: int, option: PlanOption) -> Sequence[object]:
    p = option.prediction
    return [
        number, option.gpus, option.gpu, option.precision, option.tp, option.pp, option.replicas,
        f"{option.max_rate:.3g}", f"{p.ttft_ms.p95:,.0f}", f"{p.tpot_ms.p95:.1f}",
        "" if option.usd_per_hour is None else f"{option.usd_per_hour:,.2f}",
        "" if option.usd_per_1k_requests is None else f"{option.usd_per_1k_requests:.4f}",
    ]  # fmt: skip
