"""`steward eval attacks`: a suite of attacks, made from templates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.workflows.evaluate.extra import require_extra


def attacks(
    out: Annotated[Path, typer.Argument(help="Folder to write the suite to.")],
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Only attacks of this OWASP class (LLM01 …); repeatable.")
    ] = None,
    disguises: Annotated[
        str, typer.Option(help="How each attack is put, by commas.")
    ] = "plain,authority,story,base64,politeness",
    templates: Annotated[Path | None, typer.Option(help="YAML file of your own templates instead of ours.")] = None,
    system: Annotated[Path | None, typer.Option(help="Your own system prompt, put before what an attack adds.")] = None,
    judge: Annotated[str, typer.Option(help="Model that also grades the answers by a rubric.")] = "",
    judge_url: Annotated[str, typer.Option(help="Server of the judge. Default: that of the run.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the codes that attacks are to bring out.")] = 0,
    json: Annotated[JsonOption, CsvRows("classes")] = False,
) -> None:
    """Write a suite of attacks for `steward eval run`, which shows what share a model withstood, by class and disguise.

    It sends nothing.
    """
    require_extra()
    from steward.evaluation.attacks import CLASSES
    from steward.workflows.evaluate.attacks import write_attacks

    counts = write_attacks(
        out, templates=templates, classes=classes or (), disguises=[name.strip() for name in disguises.split(",")],
        system=system, judge=judge, judge_url=judge_url, seed=seed,
    )  # fmt: skip
    rows = [{"class": name, "title": CLASSES[name], "attacks": count} for name, count in counts.items()]
    if json:
        show_json({"suite": str(out / "suite.yaml"), "attacks": sum(counts.values()), "classes": rows})
        return
    show_table(["class", "title", "attacks"], [list(row.values()) for row in rows])
    show_lines([f"{sum(counts.values())} attacks; run them: steward eval run {out / 'suite.yaml'} --model … --out …"])
