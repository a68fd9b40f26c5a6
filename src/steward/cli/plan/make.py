"""`steward plan`: makes a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from steward.capacity.sizing import Requirements
from steward.cli.common import HomeOption, JsonOption, find_home, keep_finding, show_json, show_lines
from steward.cli.lazy import CsvRows
from steward.cli.plan.options import (
    CacheOptions,
    HardwareOptions,
    HtmlOption,
    KeepOption,
    ModelOption,
    find_home_or_none,
    parse_milliseconds,
)
from steward.cli.plan.show import show_plan
from steward.core.errors import InputError
from steward.workflows.findings import describe_plan
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.home import save_plan
from steward.workflows.plan.make import make_plan
from steward.workflows.plan.report import write_report


class TrafficOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the model serves: the traffic, and how fast answers must be."""

    model: ModelOption = None
    rate: Annotated[float | None, typer.Option(help="Requests per second in the busy hour.")] = None
    input: Annotated[int | None, typer.Option(help="Mean tokens of a prompt.")] = None
    output: Annotated[int | None, typer.Option(help="Mean tokens of an answer.")] = None
    ttft_p95: Annotated[
        str | None, typer.Option(help="Limit for 95 % of the times to the first token, such as 800ms.")
    ] = None
    tpot_p95: Annotated[
        str | None, typer.Option(help="Limit for 95 % of the times per further token, such as 50ms.")
    ] = None
    e2e_p95: Annotated[
        str | None, typer.Option(help="Limit for 95 % of the times to the end of an answer, such as 20s.")
    ] = None
    spread: Annotated[float, typer.Option(min=0, max=5, help="Coefficient of variation of the lengths.")] = 0.5
    headroom: Annotated[float, typer.Option(min=0, max=0.95, help="Share of the capacity to keep free.")] = 0.2
    most_gpus: Annotated[int, typer.Option(min=1, max=100_000, help="Most accelerators that a plan may use.")] = 64


def plan(
    context: typer.Context,
    traffic: TrafficOptions,
    hardware: HardwareOptions,
    cache: CacheOptions,
    prices: Annotated[Path | None, typer.Option(help="YAML of dollars per hour, such as `h100-sxm: 2.99`.")] = None,
    keep: KeepOption = False,
    html: HtmlOption = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("chosen", "alternatives")] = False,
) -> None:
    """Find the cheapest hardware that meets the objectives; exit 3 when none does, with the reasons."""
    if context.invoked_subcommand is not None:
        return
    if traffic.model is None and traffic.rate is None:
        show_lines([context.get_help()])
        raise typer.Exit(2)
    wanted = _read_requirements(traffic)
    spec = DeploymentSpec(
        model=traffic.model or "", **msgspec.structs.asdict(hardware), **msgspec.structs.asdict(cache)
    )
    folder = find_home(home) if keep else find_home_or_none(home)
    result = make_plan(spec, wanted, prices, folder)
    if result.chosen is not None and keep and folder is not None:
        save_plan(folder, result)
    if folder is not None:
        keep_finding(describe_plan(result, keep), folder)
    if result.chosen is not None and html is not None:
        write_report(result, spec, prices, folder, html)
    if json:
        show_json(result)
    else:
        show_plan(result)
    if result.chosen is None:
        raise typer.Exit(3)


def _read_requirements(traffic: TrafficOptions) -> Requirements:
    """:raises InputError: an option is missing, or its value is impossible"""
    t = traffic
    if t.model is None or t.rate is None or t.input is None or t.output is None:
        required = {"--model": t.model, "--rate": t.rate, "--input": t.input, "--output": t.output}
        missing = ", ".join(name for name, value in required.items() if value is None)
        verb = "are" if "," in missing else "is"
        example = "--model llama-3.1-8b --rate 5 --input 1024 --output 256"
        raise InputError(f"{missing} {verb} missing; give for example {example}")
    ttft, tpot, e2e = (text and parse_milliseconds(text) for text in (t.ttft_p95, t.tpot_p95, t.e2e_p95))
    return Requirements(
        rate=t.rate,
        input_tokens=t.input,
        output_tokens=t.output,
        ttft_p95_ms=ttft or None,
        tpot_p95_ms=tpot or None,
        e2e_p95_ms=e2e or None,
        spread=t.spread,
        headroom=t.headroom,
        most_gpus=t.most_gpus,
    )
