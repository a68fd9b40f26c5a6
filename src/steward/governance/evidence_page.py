"""The page of an evidence pack, which a browser shows without a network. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import Final

import msgspec

from steward.core.approvals import ApprovalDecision, ApprovalRequest
from steward.core.evidence import Evidence
from steward.governance.readiness import ReadinessReport
from steward.governance.readiness_report import WORDS, render_sections
from steward.web.page import Html, card, report_page, table

MOST_SHOWN: Final = 500  # records on the page; the file has all
_VERIFY: Final = (
    "<p>Nothing in this page is proof by itself. <code>manifest.json</code> holds the SHA-256 of every file, "
    "<code>manifest.sig</code> the signature over it, under the key of the deployment's audit log. Check both with a "
    "copy of <code>verify_pack.py</code> that you trust, and the key as you noted it:</p>"
    "<p><code>python3 verify_pack.py PACK.zip --key 'NAME+ID+KEY'</code></p>"
)


class PackedApproval(msgspec.Struct, frozen=True, kw_only=True):
    """A request for approval with its decisions, and the digest in place of what would change."""

    id: str
    tenant: str
    kind: str
    subject: str
    digest: str
    authors: tuple[str, ...]
    requested_by: str
    requested_at: float
    expires_at: float
    decisions: tuple[ApprovalDecision, ...]


def pack_approval(request: ApprovalRequest, decisions: Sequence[ApprovalDecision]) -> PackedApproval:
    """Without the content: settings and prompts are nobody else's business, and the digest names them."""
    return PackedApproval(
        id=request.id,
        tenant=request.tenant,
        kind=request.kind,
        subject=request.subject,
        digest=request.digest,
        authors=request.authors,
        requested_by=request.requested_by,
        requested_at=request.requested_at,
        expires_at=request.expires_at,
        decisions=tuple(decisions),
    )


def render_evidence_page(
    readiness: ReadinessReport, records: Sequence[Evidence], approvals: Sequence[PackedApproval], home: str, now: float
) -> str:
    """One HTML file. `records`: newest first."""
    parts = [render_sections(readiness)]
    if approvals:
        rows = [[one.id, one.subject, one.requested_by, _list_decisions(one), one.digest] for one in approvals]
        parts.append(card("Approvals", table("request|change|asked by|decided|digest", rows)))
    shown = records[:MOST_SHOWN]
    more = "" if len(records) <= MOST_SHOWN else f"<p>The newest {MOST_SHOWN:,} of {len(records):,}.</p>"
    lines = [
        [Html(f"<code>{escape(one.id)}</code>"), _when(one.produced_at), one.check, one.subject, one.verdict, one.value,
         one.signer]
        for one in shown
    ]  # fmt: skip
    body = table("record|at|check|of|verdict|found|by", lines) if lines else "<p>No record was kept.</p>"
    parts.append(card(f"Evidence ({len(records):,} records in evidence.jsonl)", more + body))
    parts.append(
        card(
            "Controls of laws and standards",
            '<p>What speaks for each control: <a href="controls/index.html">controls/index.html</a>. It is '
            "evidence, and no statement of compliance.</p>",
        )
    )
    parts.append(card("How to verify this pack", _VERIFY))
    return report_page(
        f"Evidence: {WORDS[readiness.verdict].lower()} at level {readiness.level}",
        f"evidence of {escape(home)} · {_when(now)} UTC",
        "".join(parts),
    )


def _list_decisions(approval: PackedApproval) -> str | None:
    return ", ".join(f"{one.verdict} by {one.person} on {_when(one.at)}" for one in approval.decisions) or None


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))
