"""`steward privacy erase`: a person's key is destroyed, their rows and texts are deleted, and what is left is counted.

The order: no hold forbids it; the act is recorded; the key goes, so that texts open nowhere from then on, in backups
neither; rows and files go; what workers still write is taken in, and goes too; everything is looked through once more.
The journal of erasures keeps the pseudonym, so that a store that is restored from before is erased again.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import msgspec

from steward.core.captures import CapturedExchange
from steward.core.errors import InputError, Unavailable
from steward.core.evidence import Evidence
from steward.core.excerpts import cut_digest
from steward.core.identity import Principal
from steward.core.record_ids import make_id
from steward.core.records import Feedback
from steward.core.rights import LegalHold, PersonalRows
from steward.core.subject_keys import name_exchange
from steward.privacy.rights_config import Processor
from steward.workflows.audit import make_act
from steward.workflows.dataset.folder import DatasetErasure, erase_subjects
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.erasures import ErasureFollower
from steward.workflows.forgetting import Forgetting
from steward.workflows.rights.export import list_requests
from steward.workflows.rights.home import RightsHome, open_rights_home
from steward.workflows.rights.intake import take_in
from steward.workflows.rights.places import NamedArtifact, erase_in_places, find_in_places, find_person
from steward.workflows.rights.subjects import DataSubject

CHECK = "privacy.erasure"


class ErasureResult(msgspec.Struct, frozen=True, kw_only=True):
    """`steward privacy erase --json`."""

    erased: dict[str, int]  # how much was deleted, by store and place
    keys: int  # that were destroyed
    datasets: tuple[NamedArtifact, ...]  # training sets that hold the person, unless they were made anew
    rebuilt: tuple[DatasetErasure, ...]  # those that were
    models: tuple[NamedArtifact, ...]  # registered versions that were trained on one of them; now marked as tainted
    processors: tuple[Processor, ...]  # who may hold copies: ask for their deletion
    remaining: dict[str, int]  # what is still found
    unread: tuple[str, ...]  # where nobody could look
    receipt: str  # the id of the evidence

    @property
    def is_complete(self) -> bool:
        """Nothing is left that steward can delete or could not look into."""
        return not self.remaining and not self.unread


def erase_person(
    home: Path,
    name: str,
    now: float,
    *,
    actor: Principal,
    project: str | None = None,
    rebuild_datasets: bool = False,
) -> ErasureResult:
    """Erase a person of the actor's tenant. Called again it finds nothing, and leaves another receipt. With
    `rebuild_datasets` training sets are made anew without the person, the old ones removed, and runs on them forget
    their rows.

    :raises InputError: a legal hold forbids it, or a name that cannot be looked for
    :raises Unavailable: the store does not answer
    """
    with open_rights_home(home, now) as opened:
        person = find_person(opened, actor.tenant, name, project)
        check_holds(opened.store.rights.list_holds(tenant=person.tenant), person)
        subject = f"subject:{','.join(person.pseudonyms) or '-'}"
        opened.deployment.open_audit_log().record(make_act(actor, "privacy.erase", subject))
        first = _erase_once(opened, person, now, actor, ())
        late = take_in(opened)
        second = _erase_once(opened, person, now, actor, first.requests)
        ErasureFollower(home, opened.store.subject_keys).run()  # the journal's file is written whether or not it serves
        erased = {
            place: first.erased.get(place, 0) + second.erased.get(place, 0)
            for place in {**first.erased, **second.erased}
        }
        rows = opened.store.rights.find(person.pseudonyms, tenant=person.tenant)
        left = find_in_places(opened, person, [*second.requests, *list_requests(rows)])
        remaining = rows.counts() | left.counts()
        receipt = _write_receipt(opened, person, erased, remaining, now, actor)
        _mark_models(opened, left.models, receipt, person.tenant)
        rebuilt, failed = _rebuild(opened, person, left.datasets) if rebuild_datasets else ((), ())
        return ErasureResult(
            erased=erased,
            keys=first.keys + second.keys,
            datasets=left.datasets,
            rebuilt=rebuilt,
            models=left.models,
            processors=_list_keepers(opened),
            remaining=remaining,
            unread=(*left.unread, *(f"{name} was not taken in yet" for name in late), *failed),
            receipt=receipt,
        )


def check_holds(holds: list[LegalHold], person: DataSubject) -> None:
    """:raises InputError: a legal hold covers the person"""
    for hold in holds:
        if hold.subject is None or hold.subject in person.pseudonyms:
            raise InputError(
                f"the legal hold {hold.id} covers this person; release it first: "
                f"steward privacy holds release {hold.id}"
            )


class _Pass(msgspec.Struct, frozen=True):
    """What one look through everything deleted."""

    erased: dict[str, int]  # by store and place
    keys: int
    requests: tuple[tuple[str, str], ...]  # project and id of each of the person's; the store no longer tells them


def _erase_once(
    home: RightsHome, person: DataSubject, now: float, actor: Principal, known: tuple[tuple[str, str], ...]
) -> _Pass:
    """`known`: requests of the person that an earlier pass has detached."""
    rows = home.store.rights.find(person.pseudonyms, tenant=person.tenant)
    requests = (*known, *list_requests(rows))
    owners = list_owners(person, rows)
    shredded = home.keys.shred_all(person.tenant, owners, at=now, actor=actor.actor)
    erased = erase_in_places(home, person, requests)
    erased |= home.store.rights.erase(person.pseudonyms, now, tenant=person.tenant)
    return _Pass(erased, sum(one.key_id is not None for one in shredded), requests)


def _mark_models(home: RightsHome, models: tuple[NamedArtifact, ...], receipt: str, tenant: str) -> None:
    """Keep releases from taking versions that were trained on the person."""
    reason = f"trained on a set that holds a person who was erased ({receipt})"
    for model in models:
        home.store.registry.mark_version(model.name, model.digest, tainted=reason, held=None, tenant=tenant)


def _rebuild(
    home: RightsHome, person: DataSubject, datasets: tuple[NamedArtifact, ...]
) -> tuple[tuple[DatasetErasure, ...], tuple[str, ...]]:
    """The new versions, and why there are no others."""
    rebuilt, failed = [], []
    for one in datasets:
        try:
            forgetting = Forgetting(home.path, Path(one.folder))
            rebuilt.append(
                erase_subjects(
                    Path(one.folder), person.pseudonyms, DatasetHome(home.path), time.time, forget=forgetting.forget
                )
            )
        except (InputError, Unavailable) as error:
            failed.append(f"training set {one.name}: {error}")
    return tuple(rebuilt), tuple(failed)


def list_owners(person: DataSubject, rows: PersonalRows) -> list[str]:
    """Whose keys seal what is kept: the person's, and those of exchanges whose texts name no subject."""
    texts: list[CapturedExchange | Feedback] = [*rows.captures, *rows.feedback]
    nameless = {name_exchange(record.request_id) for record in texts if record.subject is None}
    return [*person.pseudonyms, *sorted(nameless)]


def _list_keepers(home: RightsHome) -> tuple[Processor, ...]:
    """Processors that keep what they get for a while."""
    return tuple(one for one in home.deployment.rights.processors if one.keeps_days is not None)


def _write_receipt(
    home: RightsHome,
    person: DataSubject,
    erased: dict[str, int],
    remaining: dict[str, int],
    now: float,
    actor: Principal,
) -> str:
    """Evidence of the erasure; it names the person by a digest of the pseudonyms."""
    digest = hashlib.sha256("\0".join((person.tenant, *person.pseudonyms)).encode()).hexdigest()
    record = Evidence(
        id=make_id("ev"),
        check=CHECK,
        subject=f"person {cut_digest(digest)}",
        subject_digest=f"sha256:{digest}",
        verdict="fail" if remaining else "pass",
        value=f"{_describe(erased)} erased; {_describe(remaining)} left",
        expected="nothing left",
        source="audit log",
        produced_at=now,
        valid_until=None,
        command="steward privacy erase SUBJECT",
        signer=actor.actor,
    )
    home.store.evidence.add(record, tenant=person.tenant)
    return record.id


def _describe(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing"
