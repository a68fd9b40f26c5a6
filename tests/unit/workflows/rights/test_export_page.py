"""The page of an export shows what is kept, escaped, and nothing that is not."""

from __future__ import annotations

from steward.core.captures import CapturedText
from steward.privacy.file_mentions import FileMention
from steward.workflows.rights.export_page import render_export
from steward.workflows.rights.files import PlaceMentions
from steward.workflows.rights.records import ExportedCapture, PersonExport

NOTHING = PersonExport(
    subject="anna", tenant="t", made_at=0.0, pseudonyms={"p": "1"}, counts={}, exchanges=(), traces=(), feedback=(),
    captures=(), corrections=(), stored_responses=(), batches=(), files=(), documents=(), datasets=(), models=(),
    processors=(), unread=(),
)  # fmt: skip
CAPTURE = ExportedCapture(
    request_id="req_1", at=0.0, project="p", route="m", model="m", purpose="support", consent=None, form="as_sent",
    rules_version="v", expires_at=86_400.0, complete=True, request={"a": "<b>"},
    answer=(CapturedText(0, "content", "yes & no"),),
)  # fmt: skip


def test_nothing_is_said_where_nothing_is_kept() -> None:
    page = render_export(NOTHING)
    assert "Nothing is kept of this person." in page and "<h2>Requests</h2>" not in page


def test_texts_are_shown_and_escaped() -> None:
    from msgspec.structs import replace

    place = PlaceMentions(place="tickets", file="t.csv", mentions=(FileMention(3, "<i>"),))
    page = render_export(replace(NOTHING, counts={"captures": 1}, captures=(CAPTURE,), files=(place,)))
    assert "Conversation req_1" in page and "yes &amp; no" in page and "&lt;b&gt;" in page and "&lt;i&gt;" in page
    assert "{\n &quot;a&quot;: &quot;&lt;b&gt;&quot;\n}" in page  # as people read it, a name a line
    assert "Kept for support until 1970-01-02 00:00, as sent; consent to training: not said." in page
