"""The page of `steward data compare --page`: two runs beside each other. One file, no script, no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from steward.core.files import SHARED, write_file
from steward.data.compare import RunComparison
from steward.web.page import figures, report_page

_MOST_RULES = 200


def write_comparison(path: Path, comparison: RunComparison, names: tuple[str, str]) -> None:
    """`names`: what the runs are called on the page, such as the names of their folders."""
    write_file(path, render_comparison(comparison, names).encode(), durable=True, mode=SHARED)


def render_comparison(comparison: RunComparison, names: tuple[str, str]) -> str:
    """The page."""
    first, second = names
    sentence = "The same rows came out" if comparison.same_rows else "Different rows came out"
    tokens = [
        (f"Tokens out, {name}", f"{count:,}", "counted by the stage tokens")
        for name, count in zip(names, (comparison.first_tokens, comparison.second_tokens), strict=True)
        if count is not None
    ]
    boxes = figures(
        [
            (f"Rows out, {first}", f"{comparison.first_rows[1]:,}", f"of {comparison.first_rows[0]:,}"),
            (f"Rows out, {second}", f"{comparison.second_rows[1]:,}", f"of {comparison.second_rows[0]:,}"),
            (f"Characters a row, {first}", f"{comparison.first_mean_characters:,.0f}", "of the rows that came out"),
            (f"Characters a row, {second}", f"{comparison.second_mean_characters:,.0f}", "of the rows that came out"),
            *tokens,
        ]
    )
    stages = [
        [item.name, *map(_format, (item.first_in, item.first_out, item.second_in, item.second_out))]
        for item in comparison.stages
    ]
    rules = [
        [item.stage, item.rule, f"{item.first:,}", f"{item.second:,}", f"{item.second - item.first:+,}"]
        for item in comparison.rules[:_MOST_RULES]
    ]
    inputs = "the same input" if comparison.same_inputs else "other input"
    head = [f"{name}, rows {way}" for name in names for way in ("in", "out")]
    body = f"""{boxes}
<section class="card"><h2>Stages</h2>{_render_table(["stage", *head], stages)}</section>
<section class="card"><h2>Reasons that differ</h2>
{_render_table(["stage", "reason", *names, "difference"], rules) if rules else "<p>None.</p>"}</section>
"""
    return report_page(sentence, f"comparison of {escape(first)} and {escape(second)} · {inputs}", body)


def _format(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = "".join(
        "<tr>"
        + "".join(f'<td class="{"n" if cell[:1] in "+-–0123456789" else ""}">{escape(cell)}</td>' for cell in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"
