"""`steward plan`: which hardware, how many, how sure, and for how long."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_table
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.capacity.measurements import MeasuredMetric, MetricError
    from steward.capacity.plan import Assumption, Forecast, Plan, PredictionInterval
    from steward.capacity.sizing import PlanOption

ModelOption = Annotated[str | None, typer.Option(help="Name such as llama-3.1-8b, or the path of a config.json.")]
GpuOption = Annotated[
    str | None, typer.Option(help="Name such as h100-sxm, several with commas, cpu for this machine; else all known.")
]
PrecisionOption = Annotated[
    str | None, typer.Option(help="Of the weights: bf16, fp8, int4, q4_k_m …; else the model's.")
]
EngineOption = Annotated[str | None, typer.Option(help="vllm, sglang, tensorrt-llm, lmdeploy, tgi, llama.cpp.")]
TpOption = Annotated[int | None, typer.Option(min=1, max=64, help="Tensor-parallel degree.")]
PpOption = Annotated[int | None, typer.Option(min=1, max=64, help="Pipeline-parallel stages.")]
KvOption = Annotated[str | None, typer.Option(help="Of the KV cache: fp8 or bf16; else the engine's default.")]
TableOption = Annotated[Path | None, typer.Option(help="CSV of own accelerators, columns as in the shipped table.")]
SlotsOption = Annotated[int | None, typer.Option(min=1, help="The engine's limit of sequences at once.")]
BudgetOption = Annotated[int | None, typer.Option(min=1, help="The engine's limit of tokens a step.")]
UseOption = Annotated[float | None, typer.Option(min=0.05, max=1.0, help="Share of memory the engine takes.")]


def milliseconds(text: str) -> float:
    """A duration such as 800ms or 1.5s, in milliseconds. :raises InputError: another form

    >>> milliseconds("800ms"), milliseconds("1.5s")
    (800.0, 1500.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise InputError(f"duration {text!r}: expected a number above 0 and a unit, such as 800ms or 1.5s")
    return float(match[1]) * (1000 if match[2] == "s" else 1)


def plan(
    context: typer.Context,
    model: ModelOption = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second, in the busy hour.")] = None,
    input: Annotated[int | None, typer.Option(help="Tokens of a prompt, on average.")] = None,
    output: Annotated[int | None, typer.Option(help="Tokens of an answer, on average.")] = None,
    ttft_p95: Annotated[str | None, typer.Option(help="95 % of first tokens within, such as 800ms.")] = None,
    tpot_p95: Annotated[
        str | None, typer.Option(help="95 % of the times per further token within, such as 50ms.")
    ] = None,
    e2e_p95: Annotated[str | None, typer.Option(help="95 % of answers whole within, such as 20s.")] = None,
    gpu: GpuOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    tp: TpOption = None,
    pp: PpOption = None,
    kv_precision: KvOption = None,
    prices: Annotated[Path | None, typer.Option(help="YAML, dollars an hour by accelerator: `h100-sxm: 2.99`.")] = None,
    gpu_table: TableOption = None,
    spread: Annotated[float, typer.Option(min=0, max=5, help="Coefficient of variation of the lengths.")] = 0.5,
    headroom: Annotated[float, typer.Option(min=0, max=0.95, help="Share of the capacity to keep free.")] = 0.2,
    most_gpus: Annotated[int, typer.Option(min=1, max=100_000, help="No plan with more accelerators.")] = 64,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep it as the plan in force, for `steward plan watch`.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a report, one file, to this path.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """How many of which accelerator hold the objectives at the lowest cost. Exit 3 where none does, with reasons."""
    if context.invoked_subcommand is not None:
        return
    if model is None and rate is None:
        show_lines([context.get_help()])
        raise typer.Exit(2)
    for name, value in (("--model", model), ("--rate", rate), ("--input", input), ("--output", output)):
        if value is None:
            raise InputError(f"{name} is missing; such as --model llama-3.1-8b --rate 5 --input 1024 --output 256")
    from steward.capacity.sizing import Requirements
    from steward.workflows.plan.deployment import DeploymentSpec
    from steward.workflows.plan.home import save_plan
    from steward.workflows.plan.make import make_plan
    from steward.workflows.plan.report import write_report

    wanted = Requirements(
        rate=rate or 0.0,
        input_tokens=input or 0,
        output_tokens=output or 0,
        ttft_p95_ms=milliseconds(ttft_p95) if ttft_p95 else None,
        tpot_p95_ms=milliseconds(tpot_p95) if tpot_p95 else None,
        e2e_p95_ms=milliseconds(e2e_p95) if e2e_p95 else None,
        spread=spread,
        headroom=headroom,
        most_gpus=most_gpus,
    )
    asked = DeploymentSpec(
        model=model or "", gpu=gpu, precision=precision, engine=engine, tp=tp, pp=pp, kv_precision=kv_precision,
        gpu_table=gpu_table,
    )  # fmt: skip
    folder = find_home(home) if keep or home is not None else _home_here()
    found = make_plan(asked, wanted, prices, folder)
    if found.chosen is not None and keep and folder is not None:
        save_plan(folder, found)
    if html is not None and found.chosen is not None:
        write_report(found, asked, prices, folder, html)
    if json:
        show_json(found)
    else:
        _show(found)
    if found.chosen is None:
        raise typer.Exit(3)


def _home_here() -> Path | None:
    try:
        return find_home(None)
    except InputError:
        return None


def _show(found: Plan) -> None:
    best = found.chosen
    if best is None:
        show_lines([f"No plan holds these objectives; {found.considered} candidates were considered."])
        show_table(["candidate", "why not"], [[name, why] for name, why in found.declined.items()])
        return
    split = f"tensor parallel {best.tp}" + (f", {best.pp} stages" if best.pp > 1 else "")
    lines = [
        f"{best.gpus} x {best.gpu}: {best.replicas} replica{'s' * (best.replicas != 1)} of {found.model} in "
        f"{best.precision}, {split}, {found.engine}",
        f"  serves     {_interval(found.max_rate)} requests/s within the objectives; {found.wanted.rate:g} asked, "
        f"{best.headroom:.0%} free",
        f"  TTFT p95   {_interval(found.ttft_p95_ms)} ms",
        f"  TPOT p95   {_interval(found.tpot_p95_ms)} ms",
        f"  KV cache   {best.memory.kv_tokens:,} tokens a replica; weights {best.memory.weights_gib:.1f} of "
        f"{best.memory.usable_gib:.1f} GiB on each",
    ]
    if best.usd_per_hour is not None:
        lines.append(
            f"  costs      {best.usd_per_hour:,.2f} USD an hour, {best.usd_per_1k_requests:.4f} a thousand requests"
        )
    show_lines([*lines, f"  {_brackets(best)}", ""])
    show_table(
        [
            "",
            "GPUs",
            "accelerator",
            "precision",
            "tp",
            "pp",
            "replicas",
            "max req/s",
            "TTFT p95 ms",
            "TPOT p95 ms",
            "USD/h",
            "USD/1k",
        ],
        [_row(number, choice) for number, choice in enumerate((best, *found.alternatives), 1)],
    )
    _show_assumptions(found.assumptions)


def _brackets(best: PlanOption) -> str:
    """What the intervals mean."""
    if best.calibrated:
        return "[ … ] holds 80 % of measurements, calibrated here."
    if best.gpu == "cpu":
        return "[ … ] is a guess, a factor of five each way: `steward plan calibrate`."
    return "[ … ] holds 80 % of measurements, not calibrated: `steward plan calibrate`."


def _row(number: int, choice: PlanOption) -> Sequence[object]:
    p = choice.prediction
    return [
        number, choice.gpus, choice.gpu, choice.precision, choice.tp, choice.pp, choice.replicas,
        f"{choice.max_rate:.3g}",
        f"{p.ttft_ms.p95:,.0f}", f"{p.tpot_ms.p95:.1f}",
        "" if choice.usd_per_hour is None else f"{choice.usd_per_hour:,.2f}",
        "" if choice.usd_per_1k_requests is None else f"{choice.usd_per_1k_requests:.4f}",
    ]  # fmt: skip


def _show_assumptions(assumptions: Sequence[Assumption]) -> None:
    show_lines([""])
    show_table(["assumed", "", "source"], [[item.what, item.value, item.source] for item in assumptions])


def _interval(found: PredictionInterval | None) -> str:
    return "–" if found is None else f"{_figure(found.value)} [{_figure(found.low)}, {_figure(found.high)}]"


def _figure(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def predict(
    model: Annotated[str, typer.Option(help="Name such as llama-3.1-8b, or the path of a config.json.")],
    gpu: Annotated[str, typer.Option(help="Name such as h100-sxm, or cpu for this machine.")],
    input: Annotated[int | None, typer.Option(help="Tokens of a prompt.")] = None,
    output: Annotated[int | None, typer.Option(help="Tokens of an answer.")] = None,
    trace: Annotated[Path | None, typer.Option(help="JSON lines of at, input_tokens, output_tokens to replay.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Accelerators of the replica.")] = None,
    precision: PrecisionOption = None,
    tp: TpOption = None,
    pp: PpOption = None,
    engine: EngineOption = None,
    kv_precision: KvOption = None,
    concurrency: Annotated[int | None, typer.Option(help="Clients that each wait for their answer.")] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second, arriving at random.")] = None,
    requests: Annotated[int, typer.Option(min=0, max=20_000, help="How many a rate's test sends; 0: enough.")] = 0,
    max_num_seqs: SlotsOption = None,
    max_batched_tokens: BudgetOption = None,
    utilisation: UseOption = None,
    gpu_table: TableOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Memory, throughput and latency of one deployment under one load. Exit 3 where it does not fit."""
    from steward.capacity.predict import Load, read_trace_load
    from steward.workflows.plan.deployment import DeploymentSpec
    from steward.workflows.plan.forecast import forecast

    if sum(value is not None for value in (concurrency, rate, trace)) != 1:
        raise InputError("give one of --concurrency, --rate and --trace")
    if trace is None and (input is None or output is None):
        raise InputError("--input and --output are missing; expected the tokens of a prompt and of an answer")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise InputError(f"--rate {rate}: expected requests a second above 0")
    if concurrency is not None and not 0 < concurrency <= 100_000:
        raise InputError(f"--concurrency {concurrency}: expected from 1 to 100,000 clients, the simulator's limit")
    if trace is not None:
        load = read_trace_load(trace)
    elif rate is not None:
        load = Load(kind="open", rate=rate, input_tokens=input or 0, output_tokens=output or 0, requests=requests)
    else:
        load = Load(kind="closed", concurrency=concurrency or 0, input_tokens=input or 0, output_tokens=output or 0)
    asked = DeploymentSpec(
        model=model, gpu=gpu, precision=precision, engine=engine, count=count, tp=tp, pp=pp, kv_precision=kv_precision,
        max_num_seqs=max_num_seqs, max_batched_tokens=max_batched_tokens, utilisation=utilisation, gpu_table=gpu_table,
    )  # fmt: skip
    found = forecast(asked, load, find_home(home) if home is not None else _home_here())
    if json:
        show_json(found)
    else:
        _show_forecast(found)


def _show_forecast(found: Forecast) -> None:
    p = found.prediction
    show_lines(
        [
            f"{found.model} in {found.precision} on {found.gpus} x {found.gpu}, {found.engine} "
            f"tp{found.tp} pp{found.pp}",
            f"  memory     {found.weights_gib:.2f} GiB weights + {found.activation_gib:.2f} activations + "
            f"{found.overhead_gib:.2f} engine + {found.kv_gib:.2f} KV of {found.usable_gib:.2f} usable "
            f"({found.visible_gib:.2f} visible) on each",
            f"  KV cache   {found.kv_tokens:,} tokens",
            f"  output     {_interval(found.output_tok_s)} tokens/s, {p.req_per_s:.3g} requests/s, "
            f"{p.running:.3g} at once",
            f"  TTFT       {_interval(found.ttft_ms)} ms mean, p50 {p.ttft_ms.p50:,.0f}, p95 {p.ttft_ms.p95:,.0f}, "
            f"p99 {p.ttft_ms.p99:,.0f}",
            f"  TPOT       {_interval(found.tpot_ms)} ms mean, p95 {p.tpot_ms.p95:.3g}, p99 {p.tpot_ms.p99:.3g}",
            *(["  saturated: more arrives than it serves, so waiting times grow with the test"] if p.saturated else []),
        ]
    )
    _show_assumptions(found.assumptions)


def validate(
    table: Annotated[Path, typer.Argument(help="CSV of measurements, columns as in the shipped measured_throughput.")],
    calibrate: Annotated[
        int,
        typer.Option(min=0, max=1000, help="First fit each deployment to this many of its rows; test on the others."),
    ] = 0,
    calibration: Annotated[Path | None, typer.Option(help="What `calibrate --out` wrote; else the home's.")] = None,
    gpu_table: TableOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """How far predictions are off on a table of measurements. Exit 3 where no row can be judged."""
    from steward.workflows.plan.validate import validate_file

    found = validate_file(table, find_home(home) if home else None, calibrate, gpu_table, calibration)
    if json:
        show_json(found)
    else:
        _show_errors(found.metrics)
        show_lines([f"{found.rows} rows, {sum(found.declined.values())} declined"])
        show_lines(f"  {count} x {reason}" for reason, count in found.declined.items())
    if not any(item.n for item in found.metrics.values()):
        raise typer.Exit(3)


def _show_errors(metrics: Mapping[MeasuredMetric, MetricError]) -> None:
    rows = [[name, item.n, _share(item.median_error), _share(item.p90_error)] for name, item in metrics.items()]
    show_table(["metric", "rows", "median error", "p90 error"], rows)


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def calibrate(
    files: Annotated[list[Path], typer.Argument(help="Load reports (JSON) or tables (CSV) of one deployment.")],
    model: ModelOption = None,
    gpu: Annotated[str | None, typer.Option(help="What a load report ran on; else the plan in force says it.")] = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    tp: TpOption = None,
    pp: PpOption = None,
    max_num_seqs: SlotsOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the fit to this path too.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Refit the planner to a deployment's own load test; kept with the deployment, and used by the next plan."""
    from steward.workflows.plan.calibrate import calibrate_files
    from steward.workflows.plan.deployment import DeploymentSpec

    folder = find_home(home) if home is not None else _home_here()
    asked = (
        DeploymentSpec(
            model=model, gpu=gpu, precision=precision, engine=engine, tp=tp, pp=pp, max_num_seqs=max_num_seqs
        )
        if model is not None
        else None
    )
    found = calibrate_files(files, asked, folder, out)
    if json:
        show_json(found)
        return
    show_lines([f"{found.deployment}: {found.rows} measured points"])
    rows = []
    for metric, before in found.before.items():
        held = found.held_out[metric] if found.held_out else None
        if before.n:
            after = found.after[metric].median_error
            rows.append(
                [
                    metric,
                    before.n,
                    _share(before.median_error),
                    _share(after),
                    _share(held.median_error if held else None),
                ]
            )
    show_table(["median error of", "rows", "before", "after", "on rows not fitted"], rows)
    kept = (
        f"Kept in {folder / 'plan'}; the next `steward plan` uses it."
        if folder
        else "Not kept: no deployment here (--home)."
    )
    show_lines([kept])


def watch(home: HomeOption = None, json: JsonOption = False) -> None:
    """Live traffic against the plan in force. Exit 0 it holds, 1 outgrown or soon to be, 3 too little traffic."""
    from steward.workflows.plan.watch import watch_headroom

    found = watch_headroom(find_home(home))
    if json:
        show_json(found)
    else:
        show_lines([f"{found.state}: {found.why}"])
        if found.headroom is not None:
            growth = "unknown" if found.growth_a_day is None else f"{found.growth_a_day:+.1%} a day"
            left = "" if found.days_left is None else f", room for {found.days_left:.0f} days"
            show_lines([f"  headroom {found.headroom:.0%}, growth {growth}{left}"])
        show_lines(f"  {note}" for note in found.notes)
    raise typer.Exit({"holds": 0, "outgrown": 1, "soon": 1, "unknown": 3}[found.state])
