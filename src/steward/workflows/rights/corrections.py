"""`steward privacy correct`: what a person says is wrong is noted beside their rows, or replaces a feedback's words.

Answers of a model are not changed: what was said stays what was said, with the note beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.core.identity import Principal
from steward.core.record_ids import make_short_id
from steward.core.rights import Correction
from steward.gateway.feedback import MAX_TEXT, FeedbackContent
from steward.workflows.audit import make_act
from steward.workflows.rights.home import CorrectionNote, RightsHome, open_rights_home, place_of
from steward.workflows.rights.places import find_person
from steward.workflows.rights.subjects import DataSubject

MOST_NOTE: Final = MAX_TEXT


class CorrectionResult(msgspec.Struct, frozen=True, kw_only=True):
    """`steward privacy correct --json`."""

    notes: tuple[str, ...]  # ids
    feedback_replaced: bool
    about: str


def correct_person(
    home: Path,
    name: str,
    note: str,
    now: float,
    *,
    actor: Principal,
    about: str = "",
    replace: bool = False,
    project: str | None = None,
) -> CorrectionResult:
    """Note a correction; with `replace`, `note` also takes the place of the comment of the feedback `about`.

    :raises InputError: no note, or nothing is kept of the person
    :raises UnknownName: `about` is no request or feedback of the person
    """
    if not note.strip() or len(note) > MOST_NOTE:
        raise InputError(f"a note of {len(note):,} characters: expected 1 to {MOST_NOTE:,}")
    with open_rights_home(home, now) as opened:
        person = find_person(opened, actor.tenant, name, project)
        rows = opened.store.rights.find(person.pseudonyms, tenant=person.tenant)
        known = {*rows.request_ids, *(one.id for one in rows.feedback)}
        if not rows.counts():
            raise InputError("nothing is kept of this person, so there is nothing to correct")
        if about and about not in known:
            raise UnknownName("request or feedback of this person", about, known)
        if replace and about not in {one.id for one in rows.feedback}:
            raise InputError("to replace words, --about must name a feedback, such as fb_0123…")
        subject = f"subject:{','.join(person.pseudonyms)}"
        opened.deployment.open_audit_log().record(make_act(actor, "privacy.correct", subject, after=about))
        notes = _add_notes(opened, person, note, about, now, actor)
        replaced = replace and _replace_words(opened, person, about, note)
        return CorrectionResult(notes=tuple(notes), feedback_replaced=replaced, about=about)


def _add_notes(home: RightsHome, person: DataSubject, note: str, about: str, now: float, actor: Principal) -> list[str]:
    """One for each pseudonym under which something is kept."""
    ids = []
    for project, subject in person.by_project.items():
        if not home.store.rights.find([subject], tenant=person.tenant).counts():
            continue
        record = Correction(
            id=make_short_id("note"),
            tenant=person.tenant,
            project=project,
            subject=subject,
            at=now,
            actor=actor.actor,
            about=about,
            sealed=b"",
        )
        text = msgspec.msgpack.encode(CorrectionNote(note))
        sealed = home.keys.seal(place_of(record), subject, text, at=now)
        if sealed is not None:
            home.store.rights.add_correction(msgspec.structs.replace(record, sealed=sealed))
            ids.append(record.id)
    return ids


def _replace_words(home: RightsHome, person: DataSubject, feedback_id: str, words: str) -> bool:
    rows = home.store.rights.find(person.pseudonyms, tenant=person.tenant)
    record = next(one for one in rows.feedback if one.id == feedback_id)
    sealed = home.seal_feedback(record, FeedbackContent(words, None))
    return sealed is not None and home.store.rights.replace_feedback(feedback_id, sealed, tenant=person.tenant)
