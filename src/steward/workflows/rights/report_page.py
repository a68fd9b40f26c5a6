"""The privacy report as a page."""

from __future__ import annotations

import time

from steward.web.page import card, figures, report_page, table
from steward.workflows.rights.report import PrivacyReport


def render_privacy_report(report: PrivacyReport) -> str:
    """One HTML file without scripts."""
    kept = sum(one.count for one in report.captures)
    boxes = [
        ("classes of data", str(len(report.inventory)), ""),
        ("kept exchanges", f"{kept:,}", f"{report.scanned:,} looked into"),
        ("legal holds", str(len(report.holds)), ""),
        ("processors", str(len(report.processors)), f"{len(report.unregistered)} models in no entry"),
    ]
    inventory = [
        [one.data, one.place, one.holds, one.purpose, one.rows, _day(one.oldest), _day(one.newest), one.kept_for]
        for one in report.inventory
    ]
    sections = [
        figures(boxes),
        card("What lies where", table("data|place|holds|purpose|#rows|oldest|newest|kept for", inventory)),
    ]
    masked = [[one.route, one.entity, one.values, _day(one.newest)] for one in report.masked]
    found = [[one.purpose, one.route, one.entity, one.values] for one in report.in_texts]
    processors = [
        [one.name, one.purpose, one.country, one.transfer, ", ".join(one.models)] for one in report.processors
    ]
    for title, columns, rows in (
        ("Replaced in requests", "route|kind|#values|last", masked),
        ("Found in kept texts", "purpose|route|kind|#values", found),
        ("Processors and transfers", "name|purpose|country|ground|models", processors),
        ("Models that no entry names", "model", [[name] for name in report.unregistered]),
        ("Legal holds", "id|reason|by", [[one.id, one.reason, one.created_by] for one in report.holds]),
    ):
        if rows:
            sections.append(card(title, table(columns, rows)))
    return report_page("Personal data", f"tenant {report.tenant} · {_day(report.at)} UTC", "".join(sections))


def _day(at: float | None) -> str | None:
    return None if at is None else time.strftime("%Y-%m-%d", time.gmtime(at))
