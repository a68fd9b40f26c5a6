"""Comparison and gate as people read them: one HTML file, Markdown, JUnit. Whole without a network or scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final
from xml.sax.saxutils import quoteattr

from steward.evaluation.compare import Comparison, Paired
from steward.evaluation.gate import Decision
from steward.evaluation.run import Folder
from steward.web.charts import Line, bar_chart

_WORST: Final = 20  # regressions shown side by side
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2430;background:#fff}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}td,th{text-align:left;padding:.3rem .6rem;
border-bottom:1px solid #d9dee5;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}pre{white-space:pre-wrap;margin:0;font:13px/1.4 monospace}
figure{margin:1rem 0}svg{width:100%;height:auto}.grid{stroke:#d9dee5}.tick{font-size:10px;fill:#5b6675}
.bar.a{fill:#2f6fbd}.bar.b{fill:#c2513a}.legend{list-style:none;padding:0;display:flex;gap:1rem}
.key{display:inline-block;width:.8em;height:.8em;margin-right:.3em}.key.a{background:#2f6fbd}.key.b{background:#c2513a}
.up{color:#1d7a3d}.down{color:#b3261e}
@media(prefers-color-scheme:dark){body{color:#e4e8ee;background:#14181f}td,th,.grid{border-color:#333c49;stroke:#333c49}
.up{color:#6cc788}.down{color:#ff8a7d}.tick{fill:#9aa5b4}}
"""


def comparison_page(found: Comparison, baseline: Folder, candidate: Folder) -> str:
    """Tables with intervals, items that moved by slice, and the worst regressions side by side."""
    title = f"{found.candidate} against {found.baseline}"
    prompts = "" if found.same_prompts else "<p>The two runs asked with different prompts.</p>"
    parts = [
        f"<h1>{escape(title)}</h1>{prompts}",
        "<p>Gains are candidate minus baseline, above 0 is better, with their interval over the same items.</p>",
        "<h2>All items</h2>",
        _table(found.wholes),
    ]
    if found.slices:
        parts += [_chart(found), "<h2>Slices</h2>", _table(found.slices)]
    parts += [_worst(whole, baseline, candidate) for whole in found.wholes[:1]]
    parts.append("<h2>Signatures</h2><pre>" + escape("\n".join(whole.signature for whole in found.wholes)) + "</pre>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _table(rows: Sequence[Paired]) -> str:
    heads = ["baseline", "candidate", "gain", "low", "high", "p", "items", "better", "worse"]
    head = "<th>metric</th>" + "".join(f'<th class="n">{name}</th>' for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_row, rows))}</tbody></table>"


def _row(row: Paired) -> str:
    sure = "" if row.low is None or row.high is None else "up" if row.low > 0 else "down" if row.high < 0 else ""
    numbers = [row.baseline, row.candidate, row.gain, row.low, row.high, row.p]
    counts = [f"{row.n} of {row.items}", len(row.better), len(row.worse)]
    cells = ["–" if number is None else f"{number:.4f}" for number in numbers]
    tds = "".join(f'<td class="n {sure if index == 2 else ""}">{cell}</td>' for index, cell in enumerate(cells))
    return f"<tr><td>{escape(row.title)}</td>{tds}" + "".join(f'<td class="n">{cell}</td>' for cell in counts) + "</tr>"


def _chart(found: Comparison) -> str:
    """Of the first metric: items that moved, in each slice."""
    rows = [row for row in found.slices if row.metric == found.wholes[0].metric]
    better = Line("better", tuple(float(len(row.better)) for row in rows), "a")
    worse = Line("worse", tuple(float(len(row.worse)) for row in rows), "b")
    title = f"Items that moved, by {found.wholes[0].metric}"
    return bar_chart(title, [row.name for row in rows], [better, worse], lambda value: f"{value:g}")


def _worst(whole: Paired, baseline: Folder, candidate: Folder) -> str:
    if not whole.worse:
        return f"<h2>Regressions by {escape(whole.metric)}</h2><p>None.</p>"
    items = {item.id: item for item in baseline.items}
    rows = []
    for name in whole.worse[:_WORST]:
        asked = "\n".join(message.content for message in items[name].messages)
        right = "\n".join(str(reference) for reference in items[name].references)
        texts = [asked, right, baseline.answers[name].prediction or "", candidate.answers[name].prediction or ""]
        rows.append(
            f"<tr><td>{escape(name)}</td>" + "".join(f"<td><pre>{escape(t)}</pre></td>" for t in texts) + "</tr>"
        )
    heads = "".join(f"<th>{name}</th>" for name in ("item", "asked", "references", "baseline", "candidate"))
    shown = f"{len(rows)} of {len(whole.worse)}"
    return (
        f"<h2>Worst regressions by {escape(whole.metric)}, {shown}</h2>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def decision_markdown(found: Decision) -> str:
    """For a pull request's comment."""
    lines = [f"**Gate: {found.verdict}** ({found.candidate} against {found.baseline})", ""]
    lines += ["| guard | verdict | gain | interval | margin | why |", "|---|---|---|---|---|---|"]
    for guard in found.guards:
        gain = "" if guard.gain is None else f"{guard.gain:+.4f}"
        interval = "" if guard.low is None or guard.high is None else f"{guard.low:+.4f} to {guard.high:+.4f}"
        margin = "" if guard.margin is None else f"{guard.margin:g}"
        cells = [guard.name, guard.verdict, gain, interval, margin, guard.why]
        lines.append("| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def decision_junit(found: Decision) -> str:
    """A test case for each guard; what is inconclusive is an error, which no build server takes for a pass."""
    cases = []
    for guard in found.guards:
        tag = {"passed": "", "regressed": "failure", "inconclusive": "error"}[guard.verdict]
        inside = f"<{tag} message={quoteattr(guard.why)}/>" if tag else ""
        cases.append(f'<testcase classname="steward.gate" name={quoteattr(guard.name)}>{inside}</testcase>')
    verdicts = [guard.verdict for guard in found.guards]
    failures, errors = verdicts.count("regressed"), verdicts.count("inconclusive")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name="steward gate" tests="{len(cases)}" failures="{failures}" errors="{errors}">'
        f"{''.join(cases)}</testsuite>\n"
    )
