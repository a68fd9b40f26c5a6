"""Releases, and the requests that were in them."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.tables import exchanges, feedback, model_versions, releases, request_features
from steward.core.errors import UnknownName
from steward.core.features import RequestFeatures
from steward.core.records import Attempt
from steward.core.releases import ReleaseRating, ReleaseRecord, ReleaseRow

_record: Final = msgspec.json.Decoder(ReleaseRecord)
_attempts: Final = msgspec.msgpack.Decoder(tuple[Attempt, ...])
_features: Final = msgspec.json.Decoder(RequestFeatures)
# As the gateway notes what guards made of an answer; `allow(failed)` and `allow(off)` are no objection
_JUDGED_ANSWER: Final = ":answer="
_OBJECTION: Final = re.compile(r":answer=(?:block|rewrite|allow\((?:warned|observed))")


class SqlReleases:
    """`core.stores.ReleaseStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, record: ReleaseRecord) -> bool:
        with self._database.write() as connection:
            _hold_version(connection, record)
            insert = self._database.insert(releases).values(**_make_values(record)).on_conflict_do_nothing()
            return connection.execute(insert.returning(releases.c.id)).one_or_none() is not None

    def change(self, record: ReleaseRecord) -> bool:
        where = (releases.c.id == record.id, releases.c.revision == record.revision - 1)
        with self._database.write() as connection:
            return connection.execute(sa.update(releases).where(*where).values(**_make_values(record))).rowcount == 1

    def list_releases(self, limit: int, *, tenant: str | None) -> list[ReleaseRecord]:
        query = sa.select(releases.c.record).order_by(releases.c.started_at.desc(), releases.c.id).limit(limit)
        if tenant is not None:
            query = query.where(releases.c.tenant == tenant)
        with self._database.read() as connection:
            return [_record.decode(text) for text in connection.execute(query).scalars()]

    def list_in_effect(self) -> list[ReleaseRecord]:
        with self._database.read() as connection:
            return _read_in_effect(connection)

    def find(self, release_id: str, *, tenant: str | None) -> ReleaseRecord | None:
        query = sa.select(releases.c.record).where(releases.c.id == release_id)
        if tenant is not None:
            query = query.where(releases.c.tenant == tenant)
        with self._database.read() as connection:
            text = connection.execute(query).scalar_one_or_none()
        return None if text is None else _record.decode(text)

    def read_rows(self, release_id: str, since: float, until: float) -> list[ReleaseRow]:
        table = exchanges.c
        query = (
            sa.select(exchanges, request_features.c.features)
            .select_from(sa.outerjoin(exchanges, request_features, request_features.c.request_id == table.request_id))
            .where(table.release_id == release_id, table.settled_at >= since, table.settled_at < until)
            .order_by(table.settled_at, table.request_id)
        )
        with self._database.read() as connection:
            return [_make_row(dict(row._mapping)) for row in connection.execute(query)]

    def read_ratings(self, release_id: str, since: float, until: float) -> list[ReleaseRating]:
        joined = sa.join(feedback, exchanges, feedback.c.request_id == exchanges.c.request_id)
        columns = (
            feedback.c.id,
            feedback.c.at,
            feedback.c.request_id,
            exchanges.c.arm,
            exchanges.c.arm_weight.label("weight"),
            exchanges.c.subject,
            feedback.c.score,
        )
        of_own = sa.or_(feedback.c.any_key, feedback.c.key_id == exchanges.c.key_id)
        by_subject = sa.and_(feedback.c.subject.is_not(None), feedback.c.subject == exchanges.c.subject)
        query = (
            sa.select(*columns)
            .select_from(joined)
            .where(
                exchanges.c.release_id == release_id,
                exchanges.c.arm.is_not(None),
                exchanges.c.key_id != "shadow",
                feedback.c.project == exchanges.c.project,
                feedback.c.tenant == exchanges.c.tenant,
                sa.or_(of_own, by_subject),
                feedback.c.at >= since,
                feedback.c.at < until,
            )
            .order_by(feedback.c.at, feedback.c.id)
        )
        with self._database.read() as connection:
            return [ReleaseRating(**row._mapping) for row in connection.execute(query)]

    def list_admissions(self, release_id: str) -> list[float]:
        table = exchanges.c
        of_people = (table.release_id == release_id, table.arm == "candidate", table.key_id != "shadow")
        with self._database.read() as connection:
            return [float(at) for at in connection.execute(sa.select(table.at).where(*of_people)).scalars()]

    def read_durations(self, route: str, since: float, limit: int) -> list[float]:
        table = exchanges.c
        query = (
            sa.select(table.duration_s)
            .where(table.route == route, table.at >= since, table.outcome == "ok", table.key_id != "shadow")
            .order_by(table.at.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [float(value) for value in connection.execute(query).scalars()]


def _read_in_effect(connection: sa.Connection) -> list[ReleaseRecord]:
    """Of each route the open release, else the newest that was promoted."""
    query = sa.select(releases.c.record).where(
        sa.or_(releases.c.open_route.is_not(None), releases.c.state == "promoted")
    )
    records = [_record.decode(text) for text in connection.execute(query).scalars()]
    newest: dict[str, ReleaseRecord] = {}
    for record in sorted(records, key=lambda one: (one.is_open, one.started_at)):
        newest[record.route] = record
    return [newest[route] for route in sorted(newest)]


def list_released(connection: sa.Connection) -> set[str]:
    """Digests of the registered versions that releases in effect serve, as either arm."""
    return {version for one in _read_in_effect(connection) for version in one.list_versions()}


def _hold_version(connection: sa.Connection, record: ReleaseRecord) -> None:
    """Let nobody delete the candidate's version until the release is kept. :raises UnknownName: somebody just has"""
    wanted = record.candidate
    if wanted.kind != "version":
        return
    table = model_versions.c
    query = sa.select(table.digest).where(table.tenant == record.tenant, table.name == wanted.name)
    known = list(connection.execute(query.with_for_update(read=True)).scalars())
    if wanted.version not in known:
        raise UnknownName(f"version of {wanted.name!r}", wanted.version, known)


def _make_values(record: ReleaseRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "tenant": record.tenant,
        "route": record.route,
        "open_route": record.route if record.is_open else None,
        "state": record.state,
        "started_at": record.started_at,
        "revision": record.revision,
        "record": msgspec.json.encode(record).decode(),
    }


def _make_row(row: dict[str, Any]) -> ReleaseRow:
    attempts = _attempts.decode(row["attempts"])
    return ReleaseRow(
        request_id=row["request_id"],
        settled_at=row["settled_at"],
        key_id=row["key_id"],
        arm=row["arm"],
        weight=row["arm_weight"] or 0.0,
        subject=row["subject"],
        outcome=row["outcome"],
        status=row["status"],
        model=row["model"],
        duration_s=row["duration_s"],
        usd=row["usd"],
        attempt_failed=any(one.status is None or one.status >= 500 for one in attempts),
        judged=row["judged"],
        refused=_was_refused(row["outcome"], attempts, row["features"]),
        guard_hit=_OBJECTION.search(row["guards"]) is not None if _JUDGED_ANSWER in row["guards"] else None,
    )


def _was_refused(outcome: str, attempts: tuple[Attempt, ...], features: str | None) -> bool | None:
    """Whether the model declined in its answer, or its upstream refused this request; a 429 refuses the caller."""
    status = attempts[-1].status or 0 if attempts else 0
    if outcome == "refused" and 400 <= status < 500 and status != 429:
        return True
    return None if features is None else _features.decode(features).refused
