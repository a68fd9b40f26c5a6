"""Cards in the forms that people and other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from steward.core.errors import InputError
from steward.governance.cards import (
    SubjectCard,
    make_card_bom,
    render_card_markdown,
    render_card_page,
    render_hub_card,
)
from steward.improvement.attestation import hub_fields
from steward.improvement.dataset.croissant import make_croissant
from steward.workflows.cards import CardSubject, is_training_set
from steward.workflows.dataset.folder import read_manifest


def format_card(card: SubjectCard, form: str) -> str:
    """`form`: md, html or json."""
    if form == "html":
        return render_card_page(card)
    return _spell(card) if form == "json" else render_card_markdown(card)


def format_model_card(subject: CardSubject, form: str) -> str:
    """`form`: as `format_card`, cyclonedx (1.6) or hub."""
    version = subject.version
    if form == "hub":
        return render_hub_card(subject.card, {} if version is None else hub_fields(version))
    if form != "cyclonedx":
        return format_card(subject.card, form)
    data: Any = {} if version is None else version.details.get("dataset")
    dataset = str(data.get("digest", "")) if isinstance(data, dict) else ""
    files = () if version is None else tuple((file.path, file.sha256) for file in version.files)
    return _spell(make_card_bom(subject.card, files, dataset))


def format_data_card(subject: CardSubject, folder: Path, form: str) -> str:
    """`form`: as `format_card`, or croissant. :raises InputError: croissant of a pipeline's run"""
    if form != "croissant":
        return format_card(subject.card, form)
    if not is_training_set(folder):
        raise InputError(f"{folder}: Croissant is of training sets; take --format json, or: steward dataset build")
    words = {} if subject.card.statement is None else subject.card.statement.words
    described = make_croissant(read_manifest(folder))
    return _spell(described | ({"description": words["intended_use"]} if words.get("intended_use") else {}))


def _spell(record: object) -> str:
    return msgspec.json.format(msgspec.json.encode(record)).decode() + "\n"
