"""Feedback in the store: kept as it came, joined to its request where it is read.

A request settles before or after its feedback arrives; the join does not care. What a key may not rate (`may_rate`)
stays unmatched for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.tables import exchanges, feedback, keys
from steward.core.appeals import APPEAL, DECISION, AppealRow
from steward.core.reactions import KINDS
from steward.core.records import (
    SUBJECT_SEALED,
    Feedback,
    FeedbackLabel,
    FeedbackReport,
    FeedbackRow,
    FeedbackSum,
    RatedExchange,
)


def may_rate() -> sa.ColumnElement[bool]:
    """Whether a rating counts for a request: of the same tenant and project, and of the same key or subject, unless the
    rating's key may rate those of others. A key that replaced another goes on for it."""
    asking, rating = keys.alias("asking"), keys.alias("rating")
    successor = (
        sa.select(sa.literal(1))
        .where(
            asking.c.id == exchanges.c.key_id,
            rating.c.id == feedback.c.key_id,
            sa.func.coalesce(asking.c.lineage, asking.c.id) == sa.func.coalesce(rating.c.lineage, rating.c.id),
        )
        .correlate(exchanges, feedback)
        .exists()
    )
    return sa.and_(
        exchanges.c.request_id == feedback.c.request_id,
        exchanges.c.tenant == feedback.c.tenant,
        exchanges.c.project == feedback.c.project,
        sa.or_(
            feedback.c.any_key,
            exchanges.c.key_id == feedback.c.key_id,
            exchanges.c.subject == feedback.c.subject,
            successor,
        ),
    )


_joined = feedback.outerjoin(exchanges, may_rate())


def make_feedback_rows(records: Sequence[Feedback]) -> list[dict[str, Any]]:
    """Not yet joined to their requests."""
    waiting = {"person": None, "counted": None}
    return [{name: getattr(record, name) for name in Feedback.__struct_fields__} | waiting for record in records]


def is_reaction() -> sa.ColumnElement[bool]:
    """What people did with an answer. Appeals and decisions lie in the same table and count as none."""
    return feedback.c.kind.in_(KINDS)


class SqlFeedback:
    """`core.stores.FeedbackStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(
        self, since: float, limit: int, *, tenant: str | None, project: str | None = None, until: float | None = None
    ) -> FeedbackReport:
        where = sa.and_(_select_since(since, tenant), is_reaction())
        if project is not None:
            where = sa.and_(where, feedback.c.project == project)
        if until is not None:
            where = sa.and_(where, feedback.c.at < until)
        with self._database.read() as connection:
            groups = connection.execute(
                sa.select(
                    feedback.c.label,
                    sa.func.count().label("rows"),
                    sa.func.avg(feedback.c.score).label("mean_score"),
                )
                .select_from(_joined)
                .where(where, exchanges.c.request_id.is_not(None), feedback.c.kind == "explicit")
                .group_by(feedback.c.label)
                .order_by(feedback.c.label)
            ).all()
            unmatched = sa.select(sa.func.count()).select_from(_joined).where(where, exchanges.c.request_id.is_(None))
            left = connection.execute(unmatched).scalar_one()
            last = tuple(_read_newest(connection, where, limit))
        count = sum(row.rows for row in groups)
        return FeedbackReport(
            count=count,
            mean_score=sum(row.rows * row.mean_score for row in groups) / count if count else None,
            unmatched=left,
            by_label=tuple(
                FeedbackLabel(name=row.label or "none", count=row.rows, mean_score=row.mean_score) for row in groups
            ),
            last=last,
        )

    def sums(self) -> list[FeedbackSum]:
        sentiment = sa.case((feedback.c.score > 0, "positive"), (feedback.c.score < 0, "negative"), else_="neutral")
        query = (
            sa.select(
                exchanges.c.route,
                exchanges.c.model,
                sentiment.label("sentiment"),
                sa.func.count().label("count"),
                sa.func.sum(sa.func.abs(feedback.c.score)).label("magnitude"),
            )
            .select_from(_joined)
            .where(exchanges.c.request_id.is_not(None), feedback.c.kind == "explicit")
            .group_by(exchanges.c.route, exchanges.c.model, sentiment)
            .order_by(exchanges.c.route, exchanges.c.model, sentiment)
        )
        with self._database.read() as connection:
            return [FeedbackSum(**row._mapping) for row in connection.execute(query)]

    def read_sealed(self, ids: Sequence[str], *, tenant: str | None) -> list[Feedback]:
        columns = (feedback.c[name] for name in Feedback.__struct_fields__)
        query = sa.select(*columns).where(feedback.c.id.in_(ids), feedback.c.sealed.is_not(None))
        if tenant is not None:
            query = query.where(feedback.c.tenant == tenant)
        with self._database.read() as connection:
            return [Feedback(**row._mapping) for row in connection.execute(query)]

    def list_rated(self, *, tenant: str | None) -> list[RatedExchange]:
        query = (
            sa.select(
                *(feedback.c[name] for name in Feedback.__struct_fields__),
                exchanges.c.subject.label("asked_by"),
                exchanges.c.conversation.label("in_conversation"),
            )
            .select_from(feedback.join(exchanges, may_rate()))
            .where(is_reaction())
            .order_by(feedback.c.at, feedback.c.id)
        )
        if tenant is not None:
            query = query.where(feedback.c.tenant == tenant)
        with self._database.read() as connection:
            return [_make_rated(dict(row._mapping)) for row in connection.execute(query)]

    def list_appeals(
        self, limit: int, *, tenant: str | None, project: str | None = None, open_only: bool = False
    ) -> list[AppealRow]:
        query = _select_appeals(tenant, project).order_by(feedback.c.at.desc(), feedback.c.id).limit(limit)
        if open_only:
            query = query.where(_decision.c.id.is_(None))
        with self._database.read() as connection:
            return [AppealRow(**row._mapping) for row in connection.execute(query)]

    def find_appeal(self, appeal_id: str, *, tenant: str | None, project: str | None = None) -> AppealRow | None:
        query = _select_appeals(tenant, project).where(feedback.c.id == appeal_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else AppealRow(**row._mapping)

    def add_decision(self, decision: Feedback) -> bool:
        (row,) = make_feedback_rows([decision])
        with self._database.write() as connection:
            insert = self._database.insert(feedback).values(**row).on_conflict_do_nothing()
            return connection.execute(insert.returning(feedback.c.id)).first() is not None

    def list_not_sealed_for_subject(self, limit: int, after: str = "") -> list[Feedback]:
        beginning = sa.func.substr(feedback.c.sealed, 1, len(SUBJECT_SEALED))
        query = (
            sa.select(*(feedback.c[name] for name in Feedback.__struct_fields__))
            .where(feedback.c.sealed.is_not(None), beginning != SUBJECT_SEALED, feedback.c.id > after)
            .order_by(feedback.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Feedback(**row._mapping) for row in connection.execute(query)]

    def replace_sealed(self, changes: Sequence[tuple[str, bytes, bytes | None]]) -> int:
        changed = 0
        with self._database.write() as connection:
            for name, old, new in changes:
                row = sa.update(feedback).where(feedback.c.id == name, feedback.c.sealed == old)
                changed += connection.execute(row.values(sealed=new)).rowcount
        return changed


_decision: Final = feedback.alias("decision")


def _is_decision_of(decision: sa.FromClause, appeals: sa.FromClause) -> sa.ColumnElement[bool]:
    """By their ids: core/appeals.py, `name_decision`."""
    own = sa.func.substr(appeals.c.id, len("appeal_") + 1)
    return sa.and_(decision.c.kind == DECISION, decision.c.id == sa.literal("decision_").concat(own))


def awaits_decision() -> sa.ColumnElement[bool]:
    """Whether a row of feedback is an appeal that somebody must still decide: without its words nobody could."""
    request = sa.select(sa.literal(1)).select_from(exchanges).where(may_rate()).correlate(feedback).exists()
    return sa.and_(feedback.c.kind == APPEAL, request, ~_has_decision())


def is_appealed(table: sa.Table) -> sa.ColumnElement[bool]:
    """Whether somebody must still decide an appeal of a row's request. `table`: one that has ids of exchanges."""
    appeal = (
        sa.select(sa.literal(1)).select_from(feedback).where(feedback.c.kind == APPEAL, may_rate(), ~_has_decision())
    )
    if table is exchanges:
        return appeal.correlate(exchanges).exists()
    same = sa.and_(exchanges.c.request_id == table.c.request_id, exchanges.c.tenant == table.c.tenant)
    return appeal.select_from(exchanges).where(same).correlate(table).exists()


def _has_decision() -> sa.ColumnElement[bool]:
    return sa.select(sa.literal(1)).where(_is_decision_of(_decision, feedback)).correlate(feedback).exists()


def _select_appeals(tenant: str | None, project: str | None) -> sa.Select[Any]:
    """Each with its request, which the key or person may speak of, and with its decision where there is one."""
    query = (
        sa.select(
            *(feedback.c[name] for name in ("id", "at", "tenant", "project", "key_id", "request_id")),
            sa.func.coalesce(feedback.c.label, "").label("decide_by"),
            exchanges.c.model,
            exchanges.c.route,
            feedback.c.sealed.is_not(None).label("has_content"),
            _decision.c.at.label("decided_at"),
            _decision.c.key_id.label("decided_by"),
            _decision.c.label.label("outcome"),
        )
        .select_from(feedback.join(exchanges, may_rate()).outerjoin(_decision, _is_decision_of(_decision, feedback)))
        .where(feedback.c.kind == APPEAL)
    )
    if tenant is not None:
        query = query.where(feedback.c.tenant == tenant)
    return query if project is None else query.where(feedback.c.project == project)


def _make_rated(values: dict[str, Any]) -> RatedExchange:
    asked_by, conversation = values.pop("asked_by"), values.pop("in_conversation")
    record = Feedback(**values)
    return RatedExchange(feedback=record, subject=asked_by or record.subject, conversation=conversation)


def _select_since(since: float, tenant: str | None) -> sa.ColumnElement[bool]:
    where = feedback.c.at >= since
    return where if tenant is None else sa.and_(where, feedback.c.tenant == tenant)


def _read_newest(connection: sa.Connection, where: sa.ColumnElement[bool], limit: int) -> list[FeedbackRow]:
    query = (
        sa.select(
            *(feedback.c[name] for name in ("id", "at", "key_id", "project", "request_id", "score", "label", "kind")),
            exchanges.c.model,
            exchanges.c.route,
            exchanges.c.request_id.is_not(None).label("matched"),
            feedback.c.sealed.is_not(None).label("has_content"),
        )
        .select_from(_joined)
        .where(where)
        .order_by(feedback.c.at.desc(), feedback.c.id)
        .limit(limit)
    )
    return [FeedbackRow(**row._mapping) for row in connection.execute(query)]
