"""`steward privacy report`: what personal data lies where, what for, how long, and who else gets it.

The record of processing activities that Regulation (EU) 2016/679, Article 30, asks for, as far as steward knows it:
classes of data with their places, purposes and ends; kinds of personal data by route; the register of processors.
Numbers are counted now; nothing is kept of the report.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from steward.core.captures import CaptureCount
from steward.core.identity import Principal
from steward.core.rights import LegalHold, RouteEntities, StoredClass
from steward.privacy.data_map import HOME
from steward.privacy.entities import label_entity
from steward.privacy.rights_config import DAY_S, PersonalFiles, Processor, RetentionPlan
from steward.workflows.batch_store import FOLDER as BATCHES
from steward.workflows.response_store import FOLDER as RESPONSES
from steward.workflows.rights.home import RightsHome, open_rights_home
from steward.workflows.serve.plan import ServePlan, read_plan

SCANNED: Final = 200  # captured exchanges of each purpose that are looked into, the newest
_PURPOSES: Final = {
    "requests": "billing, limits, reliability",
    "feedback scores": "quality of answers",
    "feedback texts": "quality of answers",
    "corrections": "rectification (Article 16)",
}
_DATA: Final = {
    "requests": "pseudonyms of subject and conversation, key, route, times, tokens; no texts",
    "feedback scores": "pseudonym of the rater, score, label",
    "feedback texts": "comments and corrections",
    "corrections": "what a person says is wrong",
}


class InventoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One class of data at one place."""

    data: str
    place: str
    holds: str  # what of people is in it
    purpose: str
    rows: int | None  # None: not counted
    of_people: int | None
    oldest: float | None
    newest: float | None
    kept_for: str
    sealed: bool


class FoundEntity(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of personal data in the texts that are kept; of the newest of each purpose."""

    purpose: str
    route: str
    entity: str
    values: int


class PrivacyReport(msgspec.Struct, frozen=True, kw_only=True):
    """`steward privacy report --json`."""

    at: float
    tenant: str
    inventory: tuple[InventoryRow, ...]
    masked: tuple[RouteEntities, ...]  # what guards replaced in requests, by route
    captures: tuple[CaptureCount, ...]
    in_texts: tuple[FoundEntity, ...]
    scanned: int  # kept exchanges that were looked into for `in_texts`
    holds: tuple[LegalHold, ...]
    processors: tuple[Processor, ...]
    files: tuple[PersonalFiles, ...]
    unregistered: tuple[str, ...]  # models on other machines that no processor names


def write_report(home: Path, now: float, *, actor: Principal, scan: int = SCANNED) -> PrivacyReport:
    """Of the actor's tenant. `scan`: how many kept exchanges of each purpose are looked into.

    :raises Unavailable: the store does not answer
    """
    with open_rights_home(home, now) as opened:
        tenant, rights, store = actor.tenant, opened.deployment.rights, opened.store
        plan = _find_plan(opened.path)
        counts = store.captures.counts(tenant=tenant)
        found, scanned = _scan_captures(opened, counts, tenant, now, scan)
        return PrivacyReport(
            at=now,
            tenant=tenant,
            inventory=_list_inventory(opened, counts, plan, tenant, people=True),
            masked=tuple(store.rights.count_masked(0.0, tenant=tenant)),
            captures=tuple(counts),
            in_texts=found,
            scanned=scanned,
            holds=tuple(store.rights.list_holds(tenant=tenant)),
            processors=rights.processors,
            files=rights.files,
            unregistered=_find_unregistered(plan, rights.processors),
        )


def read_inventory(home: Path, now: float, *, actor: Principal) -> tuple[InventoryRow, ...]:
    """What personal data lies where in the actor's tenant, without a look into texts, or at which requests name
    somebody: it takes as long for many requests as for few.

    :raises Unavailable: the store does not answer
    """
    with open_rights_home(home, now) as opened:
        counts = opened.store.captures.counts(tenant=actor.tenant)
        return _list_inventory(opened, counts, _find_plan(opened.path), actor.tenant, people=False)


def _describe_documents(home: Path) -> list[InventoryRow]:
    """Folders of words that no other row speaks of; whose they are, a search by name alone can tell."""
    places = [
        place for place in HOME if place.treatment in ("documents", "served", "sets") and (home / place.name).is_dir()
    ]
    return [
        InventoryRow(
            data=place.name,
            place=str(home / place.name),
            holds="what operators and runs wrote, perhaps about people",
            purpose="operation of the deployment",
            rows=sum(path.is_file() for path in (home / place.name).rglob("*")),
            of_people=None,
            oldest=None,
            newest=None,
            kept_for=place.kept,
            sealed=False,
        )
        for place in places
    ]


def _list_inventory(
    opened: RightsHome, counts: list[CaptureCount], plan: ServePlan | None, tenant: str, *, people: bool
) -> tuple[InventoryRow, ...]:
    rights = opened.deployment.rights
    classes = opened.store.rights.count_classes(tenant=tenant, people=people)
    return (
        *(_describe_class(one, rights.retention) for one in classes),
        *_describe_captures(counts),
        *_describe_places(opened.path, plan),
        *_describe_documents(opened.path),
        *(_describe_files(one) for one in rights.files),
    )


def _find_plan(home: Path) -> ServePlan | None:
    path = home / "run" / "plan.json"
    return read_plan(path) if path.exists() else None


def _describe_class(stored: StoredClass, retention: RetentionPlan) -> InventoryRow:
    ends = {"requests": retention.request_people_s, "feedback texts": retention.feedback_text_s}
    return InventoryRow(
        data=stored.name,
        place="store",
        holds=_DATA.get(stored.name, "the texts of requests and answers"),
        purpose=_PURPOSES.get(stored.name, "by capture rule, see below"),
        rows=stored.rows,
        of_people=stored.of_people,
        oldest=stored.oldest,
        newest=stored.newest,
        kept_for="by capture rule" if stored.name == "captured exchanges" else _format_age(ends.get(stored.name)),
        sealed=stored.name in ("feedback texts", "captured exchanges", "corrections"),
    )


def _describe_captures(counts: list[CaptureCount]) -> list[InventoryRow]:
    return [
        InventoryRow(
            data=f"captured exchanges of {one.route}, {one.form.replace('_', ' ')}",
            place="store",
            holds="texts of requests and answers",
            purpose=one.purpose,
            rows=one.count,
            of_people=None,
            oldest=one.oldest,
            newest=one.newest,
            kept_for=f"{(one.next_expiry - one.oldest) / DAY_S:g} days",
            sealed=True,
        )
        for one in counts
    ]


def _describe_places(home: Path, plan: ServePlan | None) -> list[InventoryRow]:
    """Places beside the store, which do not say whose data they hold without being opened."""
    rows = []
    if (home / RESPONSES).is_dir():
        keep_s = plan.responses_store.keep_s if plan is not None else 0.0
        files = [path for path in (home / RESPONSES).glob("*/*") if path.is_file()]
        rows.append(_describe_folder("stored responses", home / RESPONSES, len(files), _format_age(keep_s)))
    if (home / BATCHES / "files").is_dir():
        keep_days = plan.batches.keep_days if plan is not None else 0.0
        files = list((home / BATCHES / "files").glob("*.file"))
        rows.append(_describe_folder("batch files", home / BATCHES, len(files), f"{keep_days:g} days"))
    return rows


def _describe_folder(name: str, folder: Path, count: int, kept_for: str) -> InventoryRow:
    return InventoryRow(
        data=name,
        place=str(folder),
        holds="texts of requests and answers",
        purpose="answering later requests",
        rows=count,
        of_people=None,
        oldest=None,
        newest=None,
        kept_for=kept_for,
        sealed=True,
    )


def _describe_files(entry: PersonalFiles) -> InventoryRow:
    return InventoryRow(
        data=f"{entry.name} ({entry.kind})",
        place=entry.path,
        holds="as registered in personal_files",
        purpose=entry.kind,
        rows=None,
        of_people=None,
        oldest=None,
        newest=None,
        kept_for="as its owner says",
        sealed=False,
    )


def _scan_captures(
    home: RightsHome, counts: list[CaptureCount], tenant: str, now: float, most: int
) -> tuple[tuple[FoundEntity, ...], int]:
    """What the detectors find in the newest kept exchanges of each purpose, and how many were read."""
    from steward.privacy.scan import choose_entities, scan_text  # its patterns take a while to compile

    entities = choose_entities("all", [])
    found: Counter[tuple[str, str, str]] = Counter()
    scanned = 0
    for purpose in sorted({one.purpose for one in counts}):
        newest = home.store.captures.list_newest(most, tenant=tenant, purpose=purpose, now=now)
        for record in newest:
            content = home.open_capture(record)
            if content is None:
                continue
            scanned += 1
            for text in (content.request.decode("utf-8", "replace"), *(piece.text for piece in content.answer)):
                found.update((purpose, record.route, label_entity(one.entity)) for one in scan_text(text, entities))
    rows = tuple(
        FoundEntity(purpose=purpose, route=route, entity=entity, values=values)
        for (purpose, route, entity), values in sorted(found.items())
    )
    return rows, scanned


def _find_unregistered(plan: ServePlan | None, processors: tuple[Processor, ...]) -> tuple[str, ...]:
    """Models that are served by other machines and stand in no entry of the register."""
    if plan is None:
        return ()
    named = {model for one in processors for model in one.models}
    return tuple(
        model.name
        for model in plan.models
        if model.backend != "embedded" and model.name not in named and not _is_local(model.url)
    )


def _is_local(url: str) -> bool:
    return any(f"//{host}" in url for host in ("127.", "localhost", "[::1]"))


def _format_age(seconds: float | None) -> str:
    if seconds is None:
        return "no end"
    return f"{seconds / DAY_S:g} days" if seconds >= DAY_S else f"{seconds:g} s"
