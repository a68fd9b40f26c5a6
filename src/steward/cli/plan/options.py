"""Options that the commands of `steward plan` share, in sets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from steward.cli.common import find_home
from steward.core.errors import InputError

ModelOption = Annotated[str | None, typer.Option(help="Name such as llama-3.1-8b, or path of a config.json.")]
KeepOption = Annotated[bool, typer.Option("--keep", help="Save the plan in the home, for `steward plan watch`.")]
HtmlOption = Annotated[Path | None, typer.Option(help="Also write a report to this file.")]
FitRowsOption = Annotated[
    int, typer.Option(min=0, max=1000, help="First fit each deployment to this many of its rows; test on the others.")
]


class HardwareOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What serves the model."""

    gpu: Annotated[
        str | None,
        typer.Option(help="Name such as h100-sxm; cpu for this machine; several with commas. Default: all known."),
    ] = None
    precision: Annotated[
        str | None,
        typer.Option(help="Format of the weights: bf16, fp8, int4, q4_k_m, … Default: as the model is published."),
    ] = None
    engine: Annotated[
        str | None, typer.Option(help="vllm (default), sglang, tensorrt-llm, lmdeploy, tgi, llama.cpp.")
    ] = None
    engine_version: Annotated[
        str | None, typer.Option(help="Version of the engine, such as 0.11; decides what it keeps. Default: current.")
    ] = None
    tp: Annotated[int | None, typer.Option(min=1, max=64, help="Tensor-parallel degree.")] = None
    pp: Annotated[int | None, typer.Option(min=1, max=64, help="Pipeline-parallel stages.")] = None


class CacheOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan and a forecast may also state about the hardware."""

    kv_precision: Annotated[
        str | None, typer.Option(help="Format of the KV cache: fp8 or bf16. Default: the engine's.")
    ] = None
    gpu_table: Annotated[
        Path | None, typer.Option(help="CSV of your own accelerators, with the columns of the shipped table.")
    ] = None


def find_home_or_none(home: Path | None) -> Path | None:
    """The deployment's home, where there is one. :raises InputError: the one named does not exist"""
    if home is not None:
        return find_home(home)
    try:
        return find_home(None)
    except InputError:
        return None


def parse_milliseconds(text: str) -> float:
    """A duration such as 800ms or 1.5s, in milliseconds. :raises InputError: another form

    >>> parse_milliseconds("800ms"), parse_milliseconds("1.5s")
    (800.0, 1500.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise InputError(f"duration {text!r}: expected a number above 0 and a unit, such as 800ms or 1.5s")
    return float(match[1]) * (1000 if match[2] == "s" else 1)
