"""`steward data run|report|explain|check|profile|convert|compare`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steward.cli.common import JsonOption, keep_finding, show_json, show_lines, show_progress, show_table
from steward.cli.lazy import CsvRows
from steward.cli.terminal_text import write_note
from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.core.files import quote_path

if TYPE_CHECKING:
    from steward.data.compare import RunComparison
    from steward.data.summary import Summary

FilesArgument = Annotated[list[str], typer.Argument(help="Files, folders or patterns, such as data/*.jsonl.")]
OutArgument = Annotated[Path, typer.Argument(help="Output folder of a finished run.")]


ROLES = ("system", "developer", "user", "assistant", "tool", "function")


class ExecutorChoice(StrEnum):
    local = "local"
    ray = "ray"


def run(
    pipeline: Annotated[Path, typer.Argument(help="Path of pipeline.yaml.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of worker processes. Default: one per core.")
    ] = None,
    on: Annotated[
        ExecutorChoice, typer.Option(help="Where to run: processes on this machine, or a Ray cluster.")
    ] = ExecutorChoice.local,
    overwrite: Annotated[
        bool, typer.Option(help="Start from nothing, and replace what is in the output folder.")
    ] = False,
    json: Annotated[JsonOption, CsvRows("stages")] = False,
) -> None:
    """Run a data pipeline. After a crash, run it again: it continues where it stopped."""
    with require_extra(), show_progress(hidden=json) as progress:
        from steward.data.summary import find_problems
        from steward.workflows import curate
        from steward.workflows.findings import describe_data_run

        summary = curate.run_pipeline(pipeline, workers=workers, on=on.value, overwrite=overwrite, progress=progress)
        folder = curate.output_folder(pipeline)
    problems = find_problems(summary)
    if summary.shards_redone:
        keep_finding(describe_data_run(summary, pipeline, folder))
    if json:
        show_json(summary)
    else:
        _show_summary(summary, folder)
    for line in [f"warning: {text}" for text in summary.warnings] + [f"error: {text}" for text in problems]:
        write_note(line)
    if problems:
        raise typer.Exit(1)


def _show_summary(summary: Summary, folder: Path) -> None:
    columns = ["stage", "rows in", "rows out", "dropped", "merged", "failed", "added", "changed"]
    counts = ("dropped", "merged", "failed", "added", "changed")
    rows = [
        [item.name, item.rows_in, item.rows_out, *(getattr(item, name) or "" for name in counts)]
        for item in summary.stages
    ]
    show_table(columns, rows)
    suffix = "" if summary.shards_redone else " (already finished, nothing to do)"
    show_lines(
        [
            "",
            f"{summary.rows_in:,} rows in + {summary.added:,} added = {summary.rows_out:,} out"
            f" + {summary.dropped:,} dropped + {summary.merged:,} merged + {summary.failed:,} failed{suffix}",
            f"digest {summary.digest[:16]}",
            f"Next: steward data report {quote_path(folder)}",
        ]
    )


def report(out: OutArgument, json: JsonOption = False) -> None:
    """Write an HTML report of a run: rows in and out, the reasons, examples and plots."""
    with require_extra():
        from steward.workflows import data_review

        page = data_review.write_run_report(out)
    if json:
        show_json({"report": str(page), "bytes": page.stat().st_size})
    else:
        show_lines([f"{page} ({page.stat().st_size / 1000:,.0f} KB)"])


def explain(
    out: OutArgument,
    row: Annotated[str, typer.Argument(metavar="ID", help="Id of the row, or its file and line, such as a.jsonl:17.")],
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """Explain why a row was dropped or changed. Exits with 1 if nothing happened to it."""
    with require_extra():
        from steward.data.explain import explain_row

        entries = explain_row(out, row)
    if json:
        show_json(entries)
    elif entries:
        columns = ["id", "stage", "action", "rule", "value", "threshold", "duplicate_of", "where"]
        show_table(
            [name.replace("_", " ") for name in columns], [[entry[name] for name in columns] for entry in entries]
        )
    else:
        show_lines([f"{row}: passed every stage unchanged, or is not in this run"])
    if not entries:
        raise typer.Exit(1)


def check(
    contract: Annotated[Path, typer.Argument(help="Path of contract.yaml.")],
    files: FilesArgument,
    json: Annotated[JsonOption, CsvRows("findings")] = False,
) -> None:
    """Check files against a data contract. Exits with 1 if they break it, and names rows that do."""
    with require_extra():
        from steward.workflows import data_review
        from steward.workflows.findings import describe_contract

        verdict = data_review.check_files(contract, files)
    keep_finding(describe_contract(contract, files, verdict))
    if json:
        show_json(verdict)
    else:
        rows = [
            ["ok" if item.passed else "broken", item.rule, item.seen, item.expected, ", ".join(item.examples)]
            for item in verdict.findings
        ]
        show_table(["", "rule", "seen", "expected", "example rows"], rows)
        success = f"The contract holds for {verdict.rows:,} rows; digest {verdict.digest}"
        show_lines(["", success if verdict.passed else "The contract does not hold."])
    if not verdict.passed:
        raise typer.Exit(1)


def profile(
    files: FilesArgument,
    text: Annotated[str | None, typer.Option(help="Column that holds the text. Default: `text`.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="Count tokens with this tokenizer.json or GGUF file.")] = None,
    json: JsonOption = False,
) -> None:
    """Show lengths, languages, duplicates, personal data and labels of a data set."""
    with require_extra():
        from steward.workflows import data_review

        result = data_review.profile_files(files, text, tokenizer)
    if json:
        show_json(result)
        return
    facts: list[list[object]] = [
        ["rows", result.rows],
        ["rows that cannot be read", result.failed],
        ["characters", result.characters],
        ["median length", result.median_characters],
        ["exact duplicates", result.exact_duplicates],
    ]
    if result.tokens is not None:
        facts += [
            ["tokens", result.tokens],
            ["median tokens", result.median_tokens],
            ["most tokens", result.max_tokens],
        ]
    facts += [[f"rows with personal data: {kind}", count] for kind, count in result.personal_data.items()]
    facts += [[f"parts of type {kind}, not read", count] for kind, count in result.media.items()]
    sampled = sum(result.languages.values()) or 1
    facts += [[f"language {name}, of a sample", f"{count / sampled:.1%}"] for name, count in result.languages.items()]
    facts += [
        [f"{name} = {value}", count] for name, values in result.columns.items() for value, count in values.items()
    ]
    show_table(["", "found"], facts)


def compare(
    first: Annotated[Path, typer.Argument(help="Output folder of a finished run.")],
    second: Annotated[Path, typer.Argument(help="Output folder of another.")],
    page: Annotated[Path | None, typer.Option(help="Also write the comparison to this HTML file.")] = None,
    json: Annotated[JsonOption, CsvRows("stages")] = False,
) -> None:
    """Compare two runs: rows, stages and reasons. Exits with 1 if different rows came out."""
    with require_extra():
        from steward.data.compare import compare_runs
        from steward.data.summary import read_summary

        comparison = compare_runs(read_summary(first), read_summary(second))
        if page is not None:
            from steward.data.compare_page import write_comparison

            write_comparison(page, comparison, (first.name, second.name))
    if json:
        show_json(comparison)
    else:
        _show_comparison(comparison)
    if not comparison.same_rows:
        raise typer.Exit(1)


def _show_comparison(comparison: RunComparison) -> None:
    stages = [[item.name, item.first_in, item.first_out, item.second_in, item.second_out] for item in comparison.stages]
    show_table(["stage", "first in", "first out", "second in", "second out"], stages)
    if comparison.rules:
        show_lines([""])
        rules = [
            [item.stage, item.rule, item.first, item.second, item.second - item.first] for item in comparison.rules
        ]
        show_table(["stage", "reason", "first", "second", "difference"], rules)
    inputs = "the same inputs" if comparison.same_inputs else "other inputs"
    rows = "the same rows" if comparison.same_rows else "other rows"
    means = f"{comparison.first_mean_characters:,.0f} and {comparison.second_mean_characters:,.0f} characters a row"
    if comparison.first_tokens is not None and comparison.second_tokens is not None:
        means += f"; {comparison.first_tokens:,} and {comparison.second_tokens:,} tokens"
    show_lines(
        ["", f"{inputs}; {rows} came out: {comparison.first_rows[1]:,} and {comparison.second_rows[1]:,}, {means}"]
    )


class RowShape(StrEnum):
    openai = "openai"
    sharegpt = "sharegpt"
    alpaca = "alpaca"
    prompt_completion = "prompt-completion"
    preference = "preference"
    openai_preference = "openai-preference"
    kto = "kto"


class OnError(StrEnum):
    fail = "fail"
    skip = "skip"


def convert(
    files: FilesArgument,
    to: Annotated[RowShape, typer.Option(help="Shape to write.")],
    output: Annotated[Path, typer.Option(help="File to write: .jsonl, .jsonl.gz, or .json for a list.")],
    role: Annotated[
        list[str] | None, typer.Option(help="Another name of a role, such as narrator=assistant. May be repeated.")
    ] = None,
    chosen_only: Annotated[
        bool,
        typer.Option("--chosen-only", help="Keep the chosen answer of a pair; leave out answers labelled false."),
    ] = False,
    on_error: Annotated[
        OnError, typer.Option(help="What to do with a row that cannot be read or does not fit: stop, or leave it out.")
    ] = OnError.fail,
    json: JsonOption = False,
) -> None:
    """Convert a fine-tuning set to another shape. Exits with 1 if no row fits it."""
    with require_extra():
        from steward.data.config import Source
        from steward.workflows.convert import convert_files

        source = Source(path=files, on_error=on_error.value, roles=_parse_roles(role or []))
        record = convert_files(source, to.value, output, chosen_only=chosen_only)
    if json:
        show_json(record)
    else:
        left_out = f" + {record.left_out:,} left out" if record.left_out else ""
        counts = f"{record.rows_in:,} rows in = {record.converted:,} converted{left_out} + {record.failed:,} failed"
        show_lines([f"{record.read_as} to {record.shape}: {counts}; {record.rows_out:,} rows in {record.output}"])
        show_lines(f"{count:,} parts of type {kind} went along unread" for kind, count in record.media.items())
    for refusal in record.refusals:
        field = f" {refusal.field}:" if refusal.field else ""
        write_note(f"{refusal.where}:{field} {refusal.seen}; expected {refusal.expected}")
    if record.rows_in and not record.converted and not record.left_out:
        raise typer.Exit(1)


def _parse_roles(pairs: list[str]) -> dict[str, Any]:
    """:raises InputError: not NAME=ROLE"""
    for pair in pairs:
        name, separator, role = pair.partition("=")
        if not (name and separator and role in ROLES):
            raise InputError(f"--role {pair}: expected NAME=ROLE, where ROLE is one of {', '.join(ROLES)}")
    return dict(pair.split("=", 1) for pair in pairs)


@contextmanager
def require_extra() -> Iterator[None]:
    """:raises InputError: the extra is not installed"""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in ("pyarrow", "numpy", "xxhash", "py3langid", "ftfy", "nltk"):
            raise InputError(f"`steward data` needs {error.name}; {install_command('data')}") from error
        raise
