"""One self-contained HTML page of a run: funnel, why rows left, lengths, languages, duplicates. No script, no network.

Examples are read again from the input files and shown only through the detector of personal data; without a detector,
or where the files are gone or have changed, none are shown. Nothing of them is kept beside the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steward.core.errors import InputError
from steward.core.files import SHARED, write_file
from steward.data.profile import Detector, LengthStatistics
from steward.data.read_plan import shard_index
from steward.data.reader import read_shard
from steward.data.run_folder import read_recorded_plan
from steward.data.stage import get_texts
from steward.data.summary import LEDGER_FILE, StageCount, Summary, read_summary
from steward.web.charts import ChartSeries, bar_chart
from steward.web.page import report_page

MAX_REPORT_BYTES = 500_000
EXAMPLES_PER_RULE = 3  # a rule
_MAX_RULES_WITH_EXAMPLES = 24  # with examples
_MAX_EXAMPLE_CHARACTERS = 220  # characters of an example
_MAX_CLUSTERS = 6


class Reason(msgspec.Struct, frozen=True):
    """Why rows left or came: `rows` of them, and the first few ids."""

    stage: str
    action: str
    rule: str
    rows: int
    value: str  # a typical one, beside its threshold
    first: tuple[tuple[int, str], ...]  # row, id


def write_report(output: Path, detector: Detector | None = None) -> Path:
    """`report.html` in the output folder. :raises InputError: no finished run there"""
    summary = read_summary(output)
    reasons, clusters = _read_ledger(output)
    examples = _read_examples(output, reasons, detector)
    page = render_report(summary, reasons, clusters, examples)
    path = output / "report.html"
    write_file(path, page.encode(), durable=True, mode=SHARED)
    return path


def _read_ledger(output: Path) -> tuple[list[Reason], Counter[str]]:
    """The reasons, what left before what was changed; how many rows were merged into each that stayed."""
    counts: Counter[tuple[str, str, str]] = Counter()
    firsts: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    clusters: Counter[str] = Counter()
    for batch in pq.ParquetFile(output / LEDGER_FILE).iter_batches():
        for item in pc.value_counts(batch["duplicate_of"].drop_null()).to_pylist():
            clusters[item["values"]] += item["counts"]
        keys = list(zip(*(batch[name].to_pylist() for name in ("stage", "action", "rule")), strict=True))
        counts.update(keys)
        for index, key in enumerate(keys):
            first_rows = firsts.setdefault(key, [])
            if len(first_rows) < EXAMPLES_PER_RULE:
                first_rows += batch.slice(index, 1).to_pylist()
    order = {action: place for place, action in enumerate(("fail", "drop", "merge", "add", "change"))}
    reasons = [
        Reason(*key, rows, _format_example_value(firsts[key][0]), tuple((row["row"], row["id"]) for row in firsts[key]))
        for key, rows in sorted(counts.items(), key=lambda pair: (order[pair[0][1]], -pair[1], pair[0]))
    ]
    return reasons, clusters


def _format_example_value(row: dict[str, Any]) -> str:
    """ "3.5, allowed 10" of the first row; words are cut short."""
    value, threshold = (
        f"{row[name]:.4g}" if row[name] is not None else (row[f"{name}_text"] or "")[:48]
        for name in ("value", "threshold")
    )
    return ", allowed ".join(part for part in (value, threshold) if part)


# -- examples ----------------------------------------------------------------------------------------


def _read_examples(
    output: Path, reasons: list[Reason], detector: Detector | None
) -> dict[tuple[str, str, str], list[str]]:
    """The words of the first rows of each rule that dropped or merged some, redacted."""
    if detector is None:
        return {}
    reasons_with_examples = [reason for reason in reasons if reason.action in ("drop", "merge")][
        :_MAX_RULES_WITH_EXAMPLES
    ]
    rows_by_shard: dict[int, set[int]] = {}
    for reason in reasons_with_examples:
        for row, _ in reason.first:
            rows_by_shard.setdefault(shard_index(row), set()).add(row)
    texts_by_row = dict(_read_texts(output, rows_by_shard))
    return {
        (reason.stage, reason.action, reason.rule): [
            f"{identity}: {redact(texts_by_row[row], detector)}"
            for row, identity in reason.first
            if row in texts_by_row
        ]
        for reason in reasons_with_examples
    }


def _read_texts(output: Path, rows_by_shard: dict[int, set[int]]) -> Iterator[tuple[int, str]]:
    """The texts of rows, by shard; nothing where the files are not as the run saw them."""
    recorded = read_recorded_plan(output)
    if recorded is None:
        return
    plan, source = recorded
    unchanged = {item.name: item.bytes for item in plan.inputs}
    for index, rows in rows_by_shard.items():
        if index >= len(plan.shards):
            continue
        shard = plan.shards[index]
        path = Path(shard.path)
        if not path.exists() or path.stat().st_size != unchanged[shard.name]:
            continue
        missing = set(rows)
        try:
            for item in read_shard(shard, plan.shape, source.model_copy(update={"on_error": "skip"})):
                numbers = item.batch["row"].to_pylist()
                positions = [(at, row) for at, row in enumerate(numbers) if row in missing]
                values = get_texts(item.batch)
                for at, row in positions:
                    yield row, values[at].as_py()
                    missing.discard(row)
                if not missing:
                    break
        except InputError:
            continue


def redact(text: str, detector: Detector) -> str:
    """The beginning of the text, its personal data replaced by its kind.

    >>> redact("write to bob@example.com", lambda text: [(9, 24, "email")])
    'write to [email]'
    """
    if len(text) > _MAX_EXAMPLE_CHARACTERS * 4:  # whole words, so that no half of an address escapes the detector
        text = text[: _MAX_EXAMPLE_CHARACTERS * 4].rpartition(" ")[0]
    text = re.sub(r"\s+", " ", text)
    result, end = "", 0
    for start, stop, kind in sorted(detector(text)):
        result += f"{text[end:start]}[{kind}]"
        end = stop
    result += text[end:]
    return result if len(result) <= _MAX_EXAMPLE_CHARACTERS else f"{result[:_MAX_EXAMPLE_CHARACTERS]}…"


# -- the page ----------------------------------------------------------------------------------------


def render_report(
    summary: Summary, reasons: list[Reason], clusters: Counter[str], examples: dict[tuple[str, str, str], list[str]]
) -> str:
    """The page. Under 500 KB: its tables have fixed lengths."""
    share = _percent(summary.rows_out, summary.rows_in)
    files = f"{len(summary.inputs):,} file{'s' * (len(summary.inputs) != 1)}"
    figures = [
        ("Rows in", f"{summary.rows_in:,}", f"{files}, {_format_bytes(sum(item.bytes for item in summary.inputs))}"),
        ("Rows out", f"{summary.rows_out:,}", f"{share:.1f}% of those that came in"),
        ("Dropped or merged", f"{summary.dropped + summary.merged:,}", f"{summary.merged:,} as duplicates"),
        ("Could not be read", f"{summary.failed:,}", f"{summary.added:,} rows were added"),
    ]
    if counted := sum(summary.after.token_buckets.values()):
        figures.append(("Tokens out", f"{summary.after.tokens:,}", f"{summary.after.tokens / counted:,.0f} a row"))
    boxes = "".join(
        f'<div><p class="name">{escape(name)}</p><p class="value">{value}</p><p class="quiet">{escape(note)}</p></div>'
        for name, value, note in figures
    )
    sentence = f"{summary.rows_out:,} of {summary.rows_in:,} rows are kept"
    kicker = f"data report · digest {summary.digest[:16]} · version {escape(summary.version)}"
    lengths = _render_lengths(summary.before, summary.after) + _render_token_lengths(summary.before, summary.after)
    languages = _render_languages(summary.before, summary.after)
    body = f"""<section class="figures">{boxes}</section>
<section class="card"><h2>What each stage kept</h2>{_render_funnel(summary.stages)}
<p class="quiet">{summary.rows_in:,} in + {summary.added:,} added = {summary.rows_out:,} out +
{summary.dropped:,} dropped + {summary.merged:,} merged + {summary.failed:,} failed</p></section>
<section class="card"><h2>Why</h2>{_render_reasons(reasons, examples)}</section>
<section class="charts">{lengths}{languages}</section>
{_render_clusters(clusters)}
<section class="card"><h2>Files that came in</h2>{_render_inputs(summary)}</section>
"""
    return report_page(sentence, kicker, body)


def _percent(part: int, whole: int) -> float:
    """0 of nothing."""
    return 100 * part / whole if whole else 0.0


def _render_funnel(stages: tuple[StageCount, ...]) -> str:
    """A bar for each stage: what it kept of the most rows there ever were, and what left."""
    max_rows = max((max(item.rows_in, item.rows_out) for item in stages), default=0)
    rows = []
    for item in stages:
        lost = item.rows_in + item.added - item.rows_out
        kept_percent, lost_percent = _percent(item.rows_out, max_rows), _percent(lost, max_rows)
        notes = [
            f"{getattr(item, name):,} {name}"
            for name in ("dropped", "merged", "failed", "added", "changed")
            if getattr(item, name)
        ]
        rows.append(
            f'<tr><th>{escape(item.name)}</th><td class="wide">'
            f'<svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" '
            f'aria-label="{item.rows_out:,} rows kept"><rect class="bar a" width="{kept_percent:.2f}" height="6"/>'
            f'<rect class="bar d" x="{kept_percent:.2f}" width="{lost_percent:.2f}" height="6"/></svg></td>'
            f'<td class="n">{item.rows_out:,}</td><td class="quiet">{", ".join(notes) or "nothing to do"}</td></tr>'
        )
    return f'<table class="funnel"><tbody>{"".join(rows)}</tbody></table>'


def _render_reasons(reasons: list[Reason], examples: dict[tuple[str, str, str], list[str]]) -> str:
    if not reasons:
        return "<p>Every row passed unchanged.</p>"
    rows = []
    for reason in reasons[:60]:
        texts = examples.get((reason.stage, reason.action, reason.rule), [])
        inner = "".join(f"<li>{escape(text)}</li>" for text in texts)
        details = f"<details><summary>Examples</summary><ul>{inner}</ul></details>" if inner else ""
        ids = ", ".join(escape(identity[:60]) for _, identity in reason.first)
        rows.append(
            f"<tr><td>{escape(reason.stage)}</td>"
            f'<td><span class="act {escape(reason.action)}">{escape(reason.action)}</span></td>'
            f'<td>{escape(reason.rule.replace("_", " "))}{details}</td><td class="n">{reason.rows:,}</td>'
            f'<td class="quiet">{escape(reason.value)}</td><td class="quiet ids">{ids}</td></tr>'
        )
    footnote = f'<p class="quiet">and {len(reasons) - 60} rarer ones</p>' if len(reasons) > 60 else ""
    return _render_table("Stage|What|Rule|#Rows|The first one's value|Such as", rows) + footnote


def _render_lengths(before: LengthStatistics, after: LengthStatistics) -> str:
    return _render_buckets("Length in characters, from", "Characters", before.buckets, after.buckets)


def _render_token_lengths(before: LengthStatistics, after: LengthStatistics) -> str:
    """Nothing where no tokens were counted."""
    if not after.token_buckets:
        return ""
    return _render_buckets("Length in tokens, from", "Tokens", before.token_buckets, after.token_buckets)


def _render_buckets(title: str, head: str, before: dict[int, int], after: dict[int, int]) -> str:
    buckets = range(min([*before, *after], default=0), max([*before, *after], default=0) + 1)
    labels = [_format_count(1 << bucket - 1) if bucket else "0" for bucket in buckets]
    kept_counts = tuple(float(after.get(bucket, 0)) for bucket in buckets)
    removed_counts = tuple(max(0.0, before.get(bucket, 0) - after.get(bucket, 0)) for bucket in buckets)
    lines = [ChartSeries("after", kept_counts, "a")]
    if before:
        lines.append(ChartSeries("only before", removed_counts, "d"))
    return bar_chart(title, labels, lines, lambda value: f"{value:,.0f}", head=head)


def _render_languages(before: LengthStatistics, after: LengthStatistics) -> str:
    names = [name for name, _ in (Counter(before.languages) + Counter(after.languages)).most_common(10)]
    lines = []
    for title, lengths, style in (("before", before, "b"), ("after", after, "a")):
        total = sum(lengths.languages.values())
        shares = tuple(_percent(lengths.languages.get(name, 0), total) for name in names)
        lines.append(ChartSeries(title, shares, style))
    title = "Languages of a sample"
    return bar_chart(title, names, lines, lambda value: f"{value:.0f} %", head="Language", beside=True)


def _render_clusters(clusters: Counter[str]) -> str:
    if not clusters:
        return ""
    sizes = Counter(min(count + 1, 10) for count in clusters.values())
    labels = [*map(str, range(2, 10)), "10 or more"]
    values = tuple(float(sizes.get(size, 0)) for size in range(2, 11))
    chart = bar_chart(
        "Duplicate clusters by size",
        labels,
        [ChartSeries("clusters", values, "c")],
        lambda value: f"{value:,.0f}",
        head="Rows",
    )
    rows = [
        f'<tr><td class="ids">{escape(name[:80])}</td><td class="n">{count + 1:,}</td></tr>'
        for name, count in clusters.most_common(_MAX_CLUSTERS)
    ]
    table = _render_table("The row that stays|#Rows", rows)
    return f'<section class="charts">{chart}<div class="card"><h2>The largest</h2>{table}</div></section>'


def _render_inputs(summary: Summary) -> str:
    rows = [
        f'<tr><td>{escape(item.name)}</td><td class="n">{_format_bytes(item.bytes)}</td>'
        f'<td class="quiet">{item.digest}</td></tr>'
        for item in summary.inputs[:50]
    ]
    footnote = f'<p class="quiet">and {len(summary.inputs) - 50:,} more</p>' if len(summary.inputs) > 50 else ""
    return _render_table("File|#Size|XXH3", rows) + footnote


def _render_table(head: str, rows: list[str]) -> str:
    """A table that scrolls by itself where it is too wide; a column's name that begins with # stands to the right."""
    cells = "".join(
        f'<th class="n">{name[1:]}</th>' if name[0] == "#" else f"<th>{name}</th>" for name in head.split("|")
    )
    body = "".join(rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _format_bytes(count: int) -> str:
    """
    >>> _format_bytes(1_500_000)
    '1.5 MB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count:,} B"


def _format_count(count: int) -> str:
    return f"{count}" if count < 1024 else f"{count // 1024}k" if count < 1 << 20 else f"{count >> 20}M"
