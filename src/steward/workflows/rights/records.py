"""What an export of a person holds. Texts are in clear: these records are for the person, and print nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from steward.core.captures import CapturedText, CaptureForm, CapturePurpose
from steward.privacy.rights_config import Processor
from steward.workflows.rights.files import PlaceMentions
from steward.workflows.rights.places import NamedArtifact, StoredAnswer


class ExportedFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """What the person said of an answer, or was said of an answer to the person."""

    id: str
    at: float
    project: str
    request_id: str
    score: float
    label: str | None
    comment: str | None
    correction: str | None


class ExportedCapture(msgspec.Struct, frozen=True, kw_only=True):
    """A kept exchange; `request` is None where its texts were erased."""

    request_id: str
    at: float
    project: str
    route: str
    model: str | None
    purpose: CapturePurpose
    consent: bool | None
    form: CaptureForm
    rules_version: str
    expires_at: float
    complete: bool
    request: Any
    answer: tuple[CapturedText, ...]


class ExportedCorrection(msgspec.Struct, frozen=True, kw_only=True):
    """What the person said is wrong."""

    id: str
    at: float
    about: str
    note: str | None


class PersonExport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is kept of a person."""

    subject: str
    tenant: str
    made_at: float
    pseudonyms: dict[str, str]  # by project
    counts: dict[str, int]  # by store and place
    exchanges: tuple[dict[str, Any], ...]
    traces: tuple[str, ...]  # requests whose timelines are kept
    feedback: tuple[ExportedFeedback, ...]
    captures: tuple[ExportedCapture, ...]
    corrections: tuple[ExportedCorrection, ...]
    stored_responses: tuple[StoredAnswer, ...]
    batches: tuple[PlaceMentions, ...]
    files: tuple[PlaceMentions, ...]
    documents: tuple[PlaceMentions, ...]  # of the home
    datasets: tuple[NamedArtifact, ...]
    models: tuple[NamedArtifact, ...]
    processors: tuple[Processor, ...]
    unread: tuple[str, ...]

    def __repr__(self) -> str:
        return "PersonExport(***)"
