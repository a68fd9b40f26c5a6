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
from steward.data import sources
from steward.data.added import ORIGIN
from steward.data.profile import Detector, Lengths
from steward.data.run import LEDGER_FILE, StageCount, Summary, read_plan, read_summary
from steward.data.sinks import replace
from steward.data.stage import texts
from steward.web.charts import Line, bar_chart
from steward.web.page import report_page

LIMIT_BYTES = 500_000
EXAMPLES = 3  # a rule
_RULES = 24  # with examples
_SHOWN = 220  # characters of an example
_CLUSTERS = 6


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
    shown = _examples(output, reasons, detector)
    page = render(summary, reasons, clusters, shown)
    path = output / "report.html"
    replace(path, page.encode())
    return path


def _read_ledger(output: Path) -> tuple[list[Reason], Counter[str]]:
    """The reasons, what left before what was changed; how many rows were merged into each that stayed."""
    counts: Counter[tuple[str, str, str]] = Counter()
    firsts: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    clusters: Counter[str] = Counter()
    for batch in pq.ParquetFile(output / LEDGER_FILE).iter_batches(batch_size=65_536):
        for item in pc.value_counts(batch["duplicate_of"].drop_null()).to_pylist():
            clusters[item["values"]] += item["counts"]
        keys = list(zip(*(batch[name].to_pylist() for name in ("stage", "action", "rule")), strict=True))
        counts.update(keys)
        for index, key in enumerate(keys):
            found = firsts.setdefault(key, [])
            if len(found) < EXAMPLES:
                found += batch.slice(index, 1).to_pylist()
    order = {action: place for place, action in enumerate(("fail", "drop", "merge", "add", "change"))}
    reasons = [
        Reason(*key, rows, _typical(firsts[key][0]), tuple((row["row"], row["id"]) for row in firsts[key]))
        for key, rows in sorted(counts.items(), key=lambda pair: (order[pair[0][1]], -pair[1], pair[0]))
    ]
    return reasons, clusters


def _typical(row: dict[str, Any]) -> str:
    """ "3.5, allowed 10" of the first row; words are cut short."""
    seen, allowed = (
        f"{row[name]:.4g}" if row[name] is not None else (row[f"{name}_text"] or "")[:48]
        for name in ("value", "threshold")
    )
    return ", allowed ".join(part for part in (seen, allowed) if part)


# -- examples ----------------------------------------------------------------------------------------


def _examples(output: Path, reasons: list[Reason], detector: Detector | None) -> dict[tuple[str, str, str], list[str]]:
    """The words of the first rows of each rule that dropped or merged some, redacted."""
    if detector is None:
        return {}
    asked = [reason for reason in reasons if reason.action in ("drop", "merge")][:_RULES]
    wanted: dict[int, set[int]] = {}
    for reason in asked:
        for row, _ in reason.first:
            wanted.setdefault((row & ORIGIN) >> 32, set()).add(row)
    words = dict(_words(output, wanted))
    return {
        (reason.stage, reason.action, reason.rule): [
            f"{identity}: {redacted(words[row], detector)}" for row, identity in reason.first if row in words
        ]
        for reason in asked
    }


def _words(output: Path, wanted: dict[int, set[int]]) -> Iterator[tuple[int, str]]:
    """The texts of rows, by shard; nothing where the files are not as the run saw them."""
    planned = read_plan(output)
    if planned is None:
        return
    plan, source = planned
    unchanged = {item.name: item.bytes for item in plan.inputs}
    for index, rows in wanted.items():
        if index >= len(plan.shards):
            continue
        shard = plan.shards[index]
        path = Path(shard.path)
        if not path.exists() or path.stat().st_size != unchanged[shard.name]:
            continue
        left = set(rows)
        try:
            for item in sources.read(shard, plan.shape, source.model_copy(update={"on_error": "skip"})):
                numbers = item.batch["row"].to_pylist()
                found = [(at, row) for at, row in enumerate(numbers) if row in left]
                values = texts(item.batch)
                for at, row in found:
                    yield row, values[at].as_py()
                    left.discard(row)
                if not left:
                    break
        except InputError:
            continue


def redacted(text: str, detector: Detector) -> str:
    """The beginning of the text, its personal data replaced by its kind.

    >>> redacted("write to bob@example.com", lambda text: [(9, 24, "email")])
    'write to [email]'
    """
    if len(text) > _SHOWN * 4:  # whole words, so that no half of an address escapes the detector
        text = text[: _SHOWN * 4].rpartition(" ")[0]
    text = re.sub(r"\s+", " ", text)
    cut, end = "", 0
    for start, stop, kind in sorted(detector(text)):
        cut += f"{text[end:start]}[{kind}]"
        end = stop
    cut += text[end:]
    return cut if len(cut) <= _SHOWN else f"{cut[:_SHOWN]}…"


# -- the page ----------------------------------------------------------------------------------------


def render(
    summary: Summary, reasons: list[Reason], clusters: Counter[str], examples: dict[tuple[str, str, str], list[str]]
) -> str:
    """The page. Under 500 KB: its tables have fixed lengths."""
    share = summary.rows_out / summary.rows_in if summary.rows_in else 0.0
    files = f"{len(summary.inputs):,} file{'s' * (len(summary.inputs) != 1)}"
    figures = [
        ("Rows in", f"{summary.rows_in:,}", f"{files}, {_size(sum(item.bytes for item in summary.inputs))}"),
        ("Rows out", f"{summary.rows_out:,}", f"{share:.1%} of those that came in"),
        ("Dropped or merged", f"{summary.dropped + summary.merged:,}", f"{summary.merged:,} as duplicates"),
        ("Could not be read", f"{summary.failed:,}", f"{summary.added:,} rows were added"),
    ]
    boxes = "".join(
        f'<div><p class="name">{escape(name)}</p><p class="value">{value}</p><p class="quiet">{escape(note)}</p></div>'
        for name, value, note in figures
    )
    sentence = f"{summary.rows_out:,} of {summary.rows_in:,} rows are kept"
    kicker = f"data report · digest {summary.digest[:16]} · version {escape(summary.version)}"
    body = f"""<section class="figures">{boxes}</section>
<section class="card"><h2>What each stage kept</h2>{_funnel(summary.stages)}
<p class="quiet">{summary.rows_in:,} in + {summary.added:,} added = {summary.rows_out:,} out +
{summary.dropped:,} dropped + {summary.merged:,} merged + {summary.failed:,} failed</p></section>
<section class="card"><h2>Why</h2>{_reasons(reasons, examples)}</section>
<section class="charts">{_lengths(summary.before, summary.after)}{_languages(summary.before, summary.after)}</section>
{_clusters(clusters)}
<section class="card"><h2>Files that came in</h2>{_inputs(summary)}</section>
"""
    return report_page(sentence, kicker, body)


def _funnel(stages: tuple[StageCount, ...]) -> str:
    """A bar for each stage: what it kept of the most rows there ever were, and what left."""
    most = max((max(item.rows_in, item.rows_out) for item in stages), default=0) or 1
    rows = []
    for item in stages:
        lost = item.rows_in + item.added - item.rows_out
        kept_percent, lost_percent = 100 * item.rows_out / most, 100 * lost / most
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


def _reasons(reasons: list[Reason], examples: dict[tuple[str, str, str], list[str]]) -> str:
    if not reasons:
        return "<p>Every row passed unchanged.</p>"
    rows = []
    for reason in reasons[:60]:
        shown = examples.get((reason.stage, reason.action, reason.rule), [])
        inner = "".join(f"<li>{escape(text)}</li>" for text in shown)
        more = f"<details><summary>Examples</summary><ul>{inner}</ul></details>" if inner else ""
        ids = ", ".join(escape(identity[:60]) for _, identity in reason.first)
        rows.append(
            f"<tr><td>{escape(reason.stage)}</td>"
            f'<td><span class="act {escape(reason.action)}">{escape(reason.action)}</span></td>'
            f'<td>{escape(reason.rule.replace("_", " "))}{more}</td><td class="n">{reason.rows:,}</td>'
            f'<td class="quiet">{escape(reason.value)}</td><td class="quiet ids">{ids}</td></tr>'
        )
    rest = f'<p class="quiet">and {len(reasons) - 60} rarer ones</p>' if len(reasons) > 60 else ""
    return _table("Stage|What|Rule|#Rows|The first one's value|Such as", rows) + rest


def _lengths(before: Lengths, after: Lengths) -> str:
    buckets = range(
        min([*before.buckets, *after.buckets], default=0), max([*before.buckets, *after.buckets], default=0) + 1
    )
    labels = [_short(1 << bucket - 1) if bucket else "0" for bucket in buckets]
    kept = tuple(float(after.buckets.get(bucket, 0)) for bucket in buckets)
    gone = tuple(max(0.0, before.buckets.get(bucket, 0) - after.buckets.get(bucket, 0)) for bucket in buckets)
    lines = [Line("after", kept, "a"), Line("only before", gone, "d")]
    return bar_chart("Length in characters, from", labels, lines, lambda value: f"{value:,.0f}", head="Characters")


def _languages(before: Lengths, after: Lengths) -> str:
    names = [name for name, _ in (Counter(before.languages) + Counter(after.languages)).most_common(10)]
    lines = []
    for title, lengths, style in (("before", before, "b"), ("after", after, "a")):
        total = sum(lengths.languages.values()) or 1
        lines.append(Line(title, tuple(100 * lengths.languages.get(name, 0) / total for name in names), style))
    title = "Languages of a sample"
    return bar_chart(title, names, lines, lambda value: f"{value:.0f} %", head="Language", beside=True)


def _clusters(clusters: Counter[str]) -> str:
    if not clusters:
        return ""
    sizes = Counter(min(count + 1, 10) for count in clusters.values())
    labels = [*map(str, range(2, 10)), "10 or more"]
    values = tuple(float(sizes.get(size, 0)) for size in range(2, 11))
    chart = bar_chart(
        "Duplicate clusters by size",
        labels,
        [Line("clusters", values, "c")],
        lambda value: f"{value:,.0f}",
        head="Rows",
    )
    rows = [
        f'<tr><td class="ids">{escape(name[:80])}</td><td class="n">{count + 1:,}</td></tr>'
        for name, count in clusters.most_common(_CLUSTERS)
    ]
    table = _table("The row that stays|#Rows", rows)
    return f'<section class="charts">{chart}<div class="card"><h2>The largest</h2>{table}</div></section>'


def _inputs(summary: Summary) -> str:
    rows = [
        f'<tr><td>{escape(item.name)}</td><td class="n">{_size(item.bytes)}</td>'
        f'<td class="quiet">{item.digest}</td></tr>'
        for item in summary.inputs[:50]
    ]
    rest = f'<p class="quiet">and {len(summary.inputs) - 50:,} more</p>' if len(summary.inputs) > 50 else ""
    return _table("File|#Size|XXH3", rows) + rest


def _table(head: str, rows: list[str]) -> str:
    """A table that scrolls by itself where it is too wide; a column's name that begins with # stands to the right."""
    cells = "".join(
        f'<th class="n">{name[1:]}</th>' if name[0] == "#" else f"<th>{name}</th>" for name in head.split("|")
    )
    body = "".join(rows)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _size(count: int) -> str:
    """
    >>> _size(1_500_000)
    '1.5 MB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count:,} B"


def _short(count: int) -> str:
    return f"{count}" if count < 1024 else f"{count // 1024}k" if count < 1 << 20 else f"{count >> 20}M"
