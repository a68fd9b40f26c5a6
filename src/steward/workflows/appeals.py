"""Appeals of a home: listed, opened with a reason, and decided by a person. Each act stands in the audit log."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.appeals import DECISION, OUTCOMES, AppealOutcome, AppealRow, AppealState, name_decision
from steward.core.errors import InputError, UnknownName
from steward.core.files import hold_lock, open_private
from steward.core.identity import Principal
from steward.core.records import Feedback
from steward.gateway.feedback import FeedbackContent
from steward.workflows.audit import make_act
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import find_deployment, open_served_store

MOST_APPEALS: Final = 10_000
_LONGEST_NAME: Final = 64  # of a column; the audit log has the whole one


class Appeal(AppealRow, frozen=True, kw_only=True):
    """An appeal as it stands at a time: `steward appeals list --json`."""

    state: AppealState


class AppealWords(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote, and what was decided; printed only where somebody asked for it."""

    id: str
    request_id: str
    ground: str | None = None
    wish: str | None = None
    reason: str | None = None  # of the decision
    remedy: str | None = None
    erased: bool = False

    def __repr__(self) -> str:
        return f"AppealWords(id={self.id!r}, ***)"


class AppealDecision(msgspec.Struct, frozen=True, kw_only=True):
    """`steward appeals answer --json`."""

    appeal: str
    outcome: AppealOutcome
    by: str
    at: float
    item: str | None = None  # the file that the case was added to


class AppealItem(msgspec.Struct, frozen=True, kw_only=True):
    """A case as an item of a suite."""

    id: str
    question: str
    answer: str


def list_appeals(
    home: Path, now: float, *, tenant: str | None, project: str | None = None, every: bool = False
) -> list[Appeal]:
    """The newest first: those that wait, or `every` one.

    :raises Unavailable: nothing was served yet, or the store does not answer
    """
    with _open(home) as store:
        return find_appeals(store, now, tenant=tenant, project=project, every=every)


def find_appeals(
    store: SqlStore, now: float, *, tenant: str | None, project: str | None = None, every: bool = False
) -> list[Appeal]:
    """As `list_appeals`, of an open store."""
    rows = store.feedback.list_appeals(MOST_APPEALS, tenant=tenant, project=project, open_only=not every)
    return [Appeal(**msgspec.structs.asdict(row), state=row.state_at(now)) for row in rows]


def list_late(store: SqlStore, now: float) -> tuple[str, ...]:
    """Ids of appeals that nobody has decided in time."""
    return tuple(one.id for one in find_appeals(store, now, tenant=None) if one.state == "late")


def open_appeal(home: Path, appeal_id: str, *, actor: Principal, tenant: str | None) -> AppealWords:
    """The words of an appeal and of its decision; the audit log says who read them and why.

    :raises InputError: no reason, or they do not open under this home's root key :raises UnknownName: no such appeal
    """
    if not actor.reason.strip():
        raise InputError("reason: empty; expected why the words of a person are read, such as 'decide the appeal'")
    deployment = find_deployment(home)
    with _open(home) as store:
        row = _find(store, appeal_id, tenant, actor.within)
        deployment.open_audit_log().record(make_act(actor, "content.read", f"appeal:{appeal_id}"))
        keys = make_content_keys(store, deployment.follow_roots())
        records = store.feedback.read_sealed([row.id, name_decision(row.id)], tenant=row.tenant)
        words = {record.id: keys.open_feedback(record) for record in records}
    asked, decided = words.get(row.id), words.get(name_decision(row.id))
    return AppealWords(
        id=row.id,
        request_id=row.request_id,
        ground=None if asked is None else asked.comment,
        wish=None if asked is None else asked.correction,
        reason=None if decided is None else decided.comment,
        remedy=None if decided is None else decided.correction,
        erased=asked is None,
    )


def answer_appeal(
    home: Path,
    appeal_id: str,
    outcome: str,
    reason: str,
    now: float,
    *,
    actor: Principal,
    tenant: str | None,
    remedy: str = "",
    item: AppealItem | None = None,
    item_file: Path | None = None,
) -> AppealDecision:
    """Keep what a person decided; it stands in the audit log first, without its words.

    :raises InputError: an outcome that there is not, no reason, or it is decided :raises UnknownName: no such appeal
    """
    chosen = next((one for one in OUTCOMES if one == outcome), None)
    if chosen is None:
        raise InputError(f"outcome {outcome!r}; expected one of {', '.join(OUTCOMES)}")
    if len(reason.strip()) < 10:
        raise InputError(f"reason {reason!r}: expected a sentence that the person can be told")
    deployment = find_deployment(home)
    with _open(home) as store:
        row = _find(store, appeal_id, tenant, actor.within)
        if row.outcome is not None:
            raise InputError(f"{row.id} was decided by {row.decided_by}: {row.outcome}; a decision stays")
        appeals = store.feedback.read_sealed([row.id], tenant=row.tenant)
        decision = _make_decision(row, appeals[0].subject if appeals else None, chosen, now, actor)
        deployment.open_audit_log().record(
            make_act(actor, "appeals.decide", f"appeal:{row.id}", after=f"{chosen}, on {row.request_id}")
        )
        keys = make_content_keys(store, deployment.follow_roots())
        content = msgspec.msgpack.encode(FeedbackContent(reason.strip(), remedy.strip() or None))
        sealed = keys.seal(decision, content)
        if not store.feedback.add_decision(msgspec.structs.replace(decision, sealed=sealed)):
            raise InputError(f"{row.id} was decided meanwhile; see: steward appeals list --all")
    if item is not None and item_file is not None:
        _append_item(item_file, item)
    return AppealDecision(
        appeal=row.id,
        outcome=chosen,
        by=actor.actor,
        at=now,
        item=None if item is None or item_file is None else str(item_file),
    )


def make_item(
    home: Path, appeal_id: str, question: str, answer: str, *, actor: Principal, tenant: str | None
) -> AppealItem:
    """The case as an item of a suite: what was asked, and the answer that would have been right.

    Without `question`, the last one of the captured request. :raises InputError: no answer, or nothing was captured
    """
    if not answer.strip():
        raise InputError("an evaluation item needs the right answer: --expected 'what it should have said'")
    with _open(home) as store:
        row = _find(store, appeal_id, tenant, actor.within)
        asked = question.strip() or _find_question(home, store, row, actor)
    return AppealItem(id=row.id, question=asked, answer=answer.strip())


def _find_question(home: Path, store: SqlStore, row: AppealRow, actor: Principal) -> str:
    """The last thing that the person wrote, where the request was captured; reading it is an act."""
    captured = store.captures.find(row.request_id, tenant=row.tenant)
    if captured is None:
        raise InputError(f"{row.request_id} was not captured; give what was asked: --question '…'")
    deployment = find_deployment(home)
    deployment.open_audit_log().record(make_act(actor, "content.read", f"request:{row.request_id}"))
    content = make_content_keys(store, deployment.follow_roots()).open_capture(captured)
    asked = "" if content is None else find_question(content.request)
    if not asked:
        raise InputError(f"{row.request_id} holds no text of a person; give what was asked: --question '…'")
    return asked


def find_question(body: bytes) -> str:
    """The last text of a person in a request's JSON body, of any dialect; empty: there is none.

    >>> find_question(b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]}')
    'Why?'
    """
    request = msgspec.json.decode(body)
    said = request.get("messages") or request.get("input") or request.get("prompt") or ""
    if isinstance(said, str):
        return said
    texts = [_join_texts(one["content"]) for one in said if isinstance(one, dict) and one.get("role") == "user"]
    return texts[-1] if texts else ""


def _join_texts(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _make_decision(
    row: AppealRow, subject: str | None, outcome: AppealOutcome, now: float, actor: Principal
) -> Feedback:
    """Of the same person as the appeal, so that whoever erases one erases both."""
    return Feedback(
        id=name_decision(row.id),
        at=now,
        key_id=actor.actor[:_LONGEST_NAME],
        tenant=row.tenant,
        project=row.project,
        request_id=row.request_id,
        score=0.0,
        label=outcome,
        subject=subject,
        any_key=True,
        kind=DECISION,
    )


def _append_item(file: Path, item: AppealItem) -> None:
    try:
        with hold_lock(file.with_name(f".{file.name}.lock")):
            with open_private(file, "ab") as out:
                out.write(msgspec.json.encode(item) + b"\n")
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; the decision is kept, add the item by hand") from error


def _find(store: SqlStore, appeal_id: str, tenant: str | None, project: str | None) -> AppealRow:
    found = store.feedback.find_appeal(appeal_id, tenant=tenant, project=project)
    if found is None:
        newest = store.feedback.list_appeals(100, tenant=tenant, project=project)
        raise UnknownName("appeal", appeal_id, [row.id for row in newest])
    return found


@contextlib.contextmanager
def _open(home: Path) -> Iterator[SqlStore]:
    store = open_served_store(home)
    try:
        yield store
    finally:
        store.close()
