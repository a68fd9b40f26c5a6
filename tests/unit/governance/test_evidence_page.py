"""The page of an evidence pack, and what it leaves out of approvals."""

from __future__ import annotations

import msgspec

from steward.core.approvals import ApprovalDecision, ApprovalRequest
from steward.core.evidence import Evidence
from steward.governance.evidence_page import MOST_SHOWN, pack_approval, render_evidence_page
from steward.governance.readiness import ReadinessReport

NONE = ReadinessReport(verdict="cannot tell", level="production", checks=(), waivers=())
REQUEST = ApprovalRequest(
    id="ap_1", tenant="t", kind="settings", subject="settings", digest="sha256:1", content="new words",
    before="old words", authors=("operator:1",), requested_by="operator:1", requested_at=1.0, expires_at=2.0,
)  # fmt: skip
DECISION = ApprovalDecision(
    request_id="ap_1", person="person:anna", actor="key:k", verdict="approve", digest="sha256:1", at=0.0
)


def record(number: int) -> Evidence:
    return Evidence(
        id=f"ev_{number}", check="backup.made", subject="<a>", subject_digest="sha256:0", verdict="pass", value="1 & 2",
        expected="", source="", produced_at=60.0, valid_until=None, command="", signer="operator:1",
    )  # fmt: skip


def test_an_approval_is_packed_without_what_would_change() -> None:
    packed = pack_approval(REQUEST, [DECISION])
    assert b"words" not in msgspec.json.encode(packed)
    assert (packed.id, packed.digest, packed.decisions) == ("ap_1", "sha256:1", (DECISION,))
    kept = {name: getattr(REQUEST, name) for name in ApprovalRequest.__struct_fields__} | {"decisions": (DECISION,)}
    assert all(getattr(packed, name) == kept[name] for name in packed.__struct_fields__)


def test_the_page_escapes_and_says_who_decided() -> None:
    page = render_evidence_page(NONE, [record(1)], [pack_approval(REQUEST, [DECISION])], "h<1>", 0.0)
    assert "Evidence: cannot tell at level production" in page and "h&lt;1&gt; · 1970-01-01 00:00 UTC" in page
    assert "&lt;a&gt;" in page and "1 &amp; 2" in page and "1970-01-01 00:01" in page
    assert "approve by person:anna on 1970-01-01 00:00" in page and "--key" in page


def test_without_records_or_approvals_it_says_so() -> None:
    page = render_evidence_page(NONE, [], [], "h", 0.0)
    assert "No record was kept." in page and "Approvals" not in page


def test_of_many_records_the_newest_are_shown() -> None:
    exactly = render_evidence_page(NONE, [record(number) for number in range(MOST_SHOWN)], [], "h", 0.0)
    assert "ev_499<" in exactly and "The newest" not in exactly
    more = render_evidence_page(NONE, [record(number) for number in range(MOST_SHOWN + 1)], [], "h", 0.0)
    assert "ev_500<" not in more and "The newest 500 of 501." in more
