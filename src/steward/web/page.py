"""The shell of a report: one HTML file, whole without a network and scripts, light and dark.

A page may bring one script of ours, which its policy names by digest; nothing else on it runs.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path


def report_page(title: str, kicker: str, body: str, script: str = "") -> str:
    """`title` in plain text; `kicker`, the small line above it, and `body` as HTML. `script`: a file of this folder."""
    style = Path(__file__).with_name("report.css").read_text()
    code = Path(__file__).with_name(script).read_text() if script else ""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    policy += f"; script-src 'sha256-{digest}'" if script else ""
    tag = f"<script>{code}</script>" if script else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)} · steward</title><style>{style}</style></head><body><main>
<p class="quiet"><span class="brand">steward</span> {kicker}</p>
<h1>{escape(title)}</h1>
{body}</main>{tag}</body></html>
"""


def figures(given: Sequence[tuple[str, str, str]]) -> str:
    """Boxes of name, value and note, four in a row."""
    boxes = "".join(
        f'<div><p class="name">{escape(name)}</p><p class="value">{escape(value)}</p>'
        f'<p class="quiet">{escape(note)}</p></div>'
        for name, value, note in given
    )
    return f'<section class="figures">{boxes}</section>'


def table(columns: str, rows: Sequence[Sequence[object]]) -> str:
    """A table that scrolls by itself where it is too wide. Columns are split at "|"; one that begins with # is of
    numbers. What is None is a dash; everything is escaped, but for `Html`.

    >>> table("a|#b", [["<", None]]).partition("<tbody>")[2]
    '<tr><td>&lt;</td><td class="n">–</td></tr></tbody></table></div>'
    """
    names = columns.split("|")
    places = [' class="n"' if name.startswith("#") else "" for name in names]
    head = "".join(f"<th{place}>{escape(name.lstrip('#'))}</th>" for place, name in zip(places, names, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{place}>{cell(value)}</td>' for place, value in zip(places, row, strict=True))}</tr>"
        for row in rows
    )
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


class Html(str):
    """Text that is HTML already."""


def cell(value: object) -> str:
    """Escaped, with a dash for None."""
    return "–" if value is None else value if isinstance(value, Html) else escape(str(value))


def card(title: str, inside: str) -> str:
    """A section with a heading; `inside` is HTML."""
    return f'<section class="card"><h2>{escape(title)}</h2>{inside}</section>'
