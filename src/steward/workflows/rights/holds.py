"""`steward privacy holds`: what a court or an authority wants kept is neither erased nor swept until it is released."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from steward.core.errors import InputError, UnknownName
from steward.core.identity import Principal
from steward.core.record_ids import make_short_id
from steward.core.rights import LegalHold
from steward.workflows.audit import make_act
from steward.workflows.held_files import write_held_files
from steward.workflows.rights.file_retention import find_held_files
from steward.workflows.rights.home import RightsHome, open_rights_home
from steward.workflows.rights.places import find_person

MOST_REASON: Final = 1000  # characters


def add_hold(
    home: Path, name: str | None, reason: str, now: float, *, actor: Principal, project: str | None = None
) -> list[LegalHold]:
    """Hold what is kept of a person, or, without a name, of everybody in the actor's tenant.

    :raises InputError: no reason, or nothing is known of the person
    """
    if not reason.strip() or len(reason) > MOST_REASON:
        raise InputError(f"a reason of {len(reason)} characters: expected 1 to {MOST_REASON}, such as a case number")
    with open_rights_home(home, now) as opened:
        rights = opened.store.rights
        subjects: list[str | None] = [None]
        if name is not None:
            person = find_person(opened, actor.tenant, name, project)
            subjects = list(person.pseudonyms)
        if not subjects:
            raise InputError("no project of this tenant is known yet, so nothing can be held; add --project NAME")
        holds = [
            LegalHold(
                id=make_short_id("hold"),
                tenant=actor.tenant,
                subject=subject,
                reason=reason,
                created_at=now,
                created_by=actor.actor,
            )
            for subject in subjects
        ]
        for hold in holds:
            opened.deployment.open_audit_log().record(make_act(actor, "privacy.hold", f"hold:{hold.id}"))
            rights.add_hold(hold)
        note_held_files(opened)
        return holds


def note_held_files(home: RightsHome) -> None:
    """Write down at once what the holds in force cover on this machine; the keeper does so on the others."""
    holds = home.store.rights.list_holds(tenant=None)
    write_held_files(home.path, find_held_files(home.path, home.store, home.roots, holds))


def list_holds(home: Path, now: float, *, actor: Principal, all_states: bool = False) -> list[LegalHold]:
    """Those of the actor's tenant in force, oldest first; with `all_states`, released ones too."""
    with open_rights_home(home, now) as opened:
        return opened.store.rights.list_holds(tenant=actor.tenant, all_states=all_states)


def release_hold(home: Path, hold_id: str, now: float, *, actor: Principal) -> LegalHold:
    """:raises UnknownName: none is in force with this id"""
    with open_rights_home(home, now) as opened:
        rights = opened.store.rights
        known = [hold.id for hold in rights.list_holds(tenant=actor.tenant)]
        if hold_id not in known:
            raise UnknownName("hold", hold_id, known)
        opened.deployment.open_audit_log().record(make_act(actor, "privacy.release", f"hold:{hold_id}"))
        released = rights.release_hold(hold_id, now, actor.actor, tenant=actor.tenant)
        if released is None:
            raise UnknownName("hold", hold_id, known)
        note_held_files(opened)
        return released
