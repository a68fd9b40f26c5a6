"""The inventory as a page: what lies where, and only the sections that have something."""

from __future__ import annotations

from msgspec.structs import replace

from steward.core.rights import LegalHold, RouteEntities
from steward.privacy.rights_config import Processor
from steward.workflows.rights.report import FoundEntity, InventoryRow, PrivacyReport
from steward.workflows.rights.report_page import render_privacy_report

ROW = InventoryRow(
    data="requests", place="store", holds="pseudonyms", purpose="billing", rows=7, of_people=3, oldest=0.0,
    newest=86_400.0, kept_for="no end", sealed=False,
)  # fmt: skip
REPORT = PrivacyReport(
    at=0.0, tenant="t", inventory=(ROW,), masked=(), captures=(), in_texts=(), scanned=0, holds=(), processors=(),
    files=(), unregistered=(),
)  # fmt: skip


def test_the_inventory_is_a_table() -> None:
    page = render_privacy_report(REPORT)
    assert "What lies where" in page and "1970-01-02" in page and "no end" in page
    assert "Legal holds</h2>" not in page and "Processors" not in page


def test_what_there_is_beside_it_is_shown_and_escaped() -> None:
    full = replace(
        REPORT,
        masked=(RouteEntities(tenant="t", route="<r>", entity="payment_card", values=5, oldest=0.0, newest=0.0),),
        in_texts=(FoundEntity(purpose="support", route="m", entity="email", values=2),),
        holds=(LegalHold(id="hold_1", subject=None, reason="case & co", created_at=0.0, created_by="a"),),
        processors=(Processor(name="Cloud", purpose="answers", country="US", models=("big",)),),
        unregistered=("other",),
    )
    page = render_privacy_report(full)
    for text in (
        "&lt;r&gt;",
        "Found in kept texts",
        "case &amp; co",
        "Cloud",
        "Models that no entry names",
        "other",
        "payment_card",
    ):
        assert text in page
