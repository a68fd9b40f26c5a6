"""`steward privacy export`: everything that is kept of a person, in one archive of JSON and a page that people read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.captures import CapturedText
from steward.core.errors import InputError
from steward.core.files import open_private, replace_file
from steward.core.identity import Principal
from steward.core.rights import PersonalRows
from steward.workflows.audit import make_act
from steward.workflows.rights.export_page import render_export
from steward.workflows.rights.home import RightsHome, open_rights_home
from steward.workflows.rights.intake import take_in
from steward.workflows.rights.places import NamedArtifact, find_in_places, find_person
from steward.workflows.rights.records import ExportedCapture, ExportedCorrection, ExportedFeedback, PersonExport
from steward.workflows.rights.subjects import DataSubject

DATA, PAGE = "data.json", "index.html"
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """`steward privacy export --json`: what the archive holds, without it."""

    archive: str
    bytes: int
    counts: dict[str, int]
    datasets: tuple[NamedArtifact, ...]
    models: tuple[NamedArtifact, ...]
    unread: tuple[str, ...]  # where nobody could look


def export_person(home: Path, name: str, now: float, *, actor: Principal, project: str | None = None) -> PersonExport:
    """Everything of a person in the actor's tenant.

    :raises InputError: a name that cannot be looked for :raises Unavailable: the store does not answer
    """
    with open_rights_home(home, now) as opened:
        person = find_person(opened, actor.tenant, name, project)
        subject = f"subject:{','.join(person.pseudonyms) or '-'}"
        opened.deployment.open_audit_log().record(make_act(actor, "privacy.export", subject))
        late = take_in(opened)
        return collect_person(opened, person, now, late)


def collect_person(home: RightsHome, person: DataSubject, now: float, late: list[str]) -> PersonExport:
    """`late`: files that were not taken in."""
    rows = home.store.rights.find(person.pseudonyms, tenant=person.tenant)
    places = find_in_places(home, person, list_requests(rows))
    return PersonExport(
        subject=person.name,
        tenant=person.tenant,
        made_at=now,
        pseudonyms=person.by_project,
        counts=rows.counts() | places.counts(),
        exchanges=rows.exchanges,
        traces=rows.traces,
        feedback=tuple(_export_feedback(home, rows)),
        captures=tuple(_export_captures(home, rows)),
        corrections=tuple(_export_corrections(home, rows)),
        stored_responses=places.answers,
        batches=places.batches,
        files=places.files,
        documents=places.documents,
        datasets=places.datasets,
        models=places.models,
        processors=home.deployment.rights.processors,
        unread=(*places.unread, *(f"{name} was not taken in yet" for name in late)),
    )


def list_requests(rows: PersonalRows) -> list[tuple[str, str]]:
    """Project and id of each request."""
    return [(str(row["project"]), str(row["request_id"])) for row in rows.exchanges]


def _export_feedback(home: RightsHome, rows: PersonalRows) -> list[ExportedFeedback]:
    exported = []
    for record in rows.feedback:
        content = home.open_feedback(record)
        exported.append(
            ExportedFeedback(
                id=record.id,
                at=record.at,
                project=record.project,
                request_id=record.request_id,
                score=record.score,
                label=record.label,
                comment=None if content is None else content.comment,
                correction=None if content is None else content.correction,
            )
        )
    return exported


def _export_captures(home: RightsHome, rows: PersonalRows) -> list[ExportedCapture]:
    exported = []
    for record in rows.captures:
        content = home.open_capture(record)
        fields = {name: getattr(record, name) for name in ExportedCapture.__struct_fields__ if hasattr(record, name)}
        request: Any = None if content is None else msgspec.json.decode(content.request)
        answer: tuple[CapturedText, ...] = () if content is None else content.answer
        exported.append(ExportedCapture(**fields, request=request, answer=answer))
    return exported


def _export_corrections(home: RightsHome, rows: PersonalRows) -> list[ExportedCorrection]:
    exported = []
    for record in rows.corrections:
        note = home.open_correction(record)
        text = None if note is None else note.note
        exported.append(ExportedCorrection(id=record.id, at=record.at, about=record.about, note=text))
    return exported


def write_export(export: PersonExport, archive: Path) -> ExportResult:
    """Write the archive, which its owner alone can read. :raises InputError: it exists, or its folder does not"""
    if archive.exists():
        raise InputError(f"{archive}: exists; give another name, or remove it first")
    if not archive.absolute().parent.is_dir():
        raise InputError(f"{archive}: no such folder; make it first: mkdir -p {archive.absolute().parent}")
    with replace_file(archive, durable=True) as temporary:
        with open_private(temporary, "xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            data = msgspec.json.format(msgspec.json.encode(export))
            for name, content in ((DATA, data), (PAGE, render_export(export).encode())):
                packed.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)
    return ExportResult(
        archive=str(archive),
        bytes=archive.stat().st_size,
        counts=export.counts,
        datasets=export.datasets,
        models=export.models,
        unread=export.unread,
    )
