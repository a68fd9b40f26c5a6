"""The page in a person's export: what `data.json` holds, as people read it. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from html import escape
from typing import Any

from steward.web.page import card, figures, report_page, table
from steward.workflows.rights.files import PlaceMentions
from steward.workflows.rights.records import ExportedCapture, PersonExport

CONSENTS = {True: "yes", False: "no", None: "not said"}


def render_export(export: PersonExport) -> str:
    """One HTML file without scripts."""
    boxes = [(name.replace("_", " "), f"{count:,}", "") for name, count in export.counts.items()]
    sections = [
        figures(boxes) if boxes else "<p>Nothing is kept of this person.</p>",
        card("Names", table("project|pseudonym", list(export.pseudonyms.items()))),
        _card("Requests", "request|at|project|route|model|outcome", _list_exchanges(export)),
        *(_describe_capture(one) for one in export.captures),
        _card("Feedback", "request|at|score|label|comment|correction", _list_feedback(export)),
        _card("Corrections", "at|about|note", [[_time(one.at), one.about, one.note] for one in export.corrections]),
        _card("Stored responses", "request|at|asked|answer", _list_answers(export)),
        _card("Batches", "file|line|text", _list_mentions(export.batches)),
        _card("Files", "file|line|text", _list_mentions(export.files)),
        _card("Documents", "file|line|text", _list_mentions(export.documents)),
        _card("Training sets", "name|folder", [[one.name, one.folder] for one in export.datasets]),
        _card("Models", "name|folder", [[one.name, one.folder] for one in export.models]),
        _card("Who else processes the data", "name|purpose|country|keeps for (days)", _list_processors(export)),
        _card("Not looked into", "what", [[one] for one in export.unread]),
    ]
    return report_page("What is kept of you", f"{escape(_time(export.made_at))} UTC", "".join(sections))


def _card(title: str, columns: str, rows: Sequence[Sequence[object]]) -> str:
    return card(title, table(columns, rows)) if rows else ""


def _list_exchanges(export: PersonExport) -> list[list[object]]:
    names = ("project", "route", "model", "outcome")
    return [
        [row["request_id"], _time(float(str(row["at"]))), *(row.get(name) for name in names)]
        for row in export.exchanges
    ]


def _describe_capture(capture: ExportedCapture) -> str:
    told = (
        f"Kept for {capture.purpose} until {_time(capture.expires_at)}, {capture.form.replace('_', ' ')}; "
        f"consent to training: {CONSENTS[capture.consent]}."
    )
    rows: list[list[object]] = [["asked", _plain(capture.request)]]
    rows += [[text.field, text.text] for text in capture.answer]
    return card(f"Conversation {capture.request_id}", f"<p>{escape(told)}</p>{table('part|text', rows)}")


def _list_feedback(export: PersonExport) -> list[list[object]]:
    return [
        [one.request_id, _time(one.at), one.score, one.label, one.comment, one.correction] for one in export.feedback
    ]


def _list_answers(export: PersonExport) -> list[list[object]]:
    return [[one.request_id, _time(one.at), _plain(one.asked), _plain(one.answer)] for one in export.stored_responses]


def _list_mentions(places: Sequence[PlaceMentions]) -> list[list[object]]:
    return [[place.file, one.number, one.text] for place in places for one in place.mentions]


def _list_processors(export: PersonExport) -> list[list[object]]:
    return [[one.name, one.purpose, one.country, one.keeps_days] for one in export.processors]


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))
