"""What the store holds of people: found, erased, held, corrected, and counted for the inventory.

A request of a conversation that names nobody belongs to whoever the conversation's other requests name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows, split_parts
from steward.adapters.stores.feedback import awaits_decision, is_appealed
from steward.adapters.stores.legal_holds import is_held
from steward.adapters.stores.tables import (
    breaches,
    captures,
    corrections,
    exchanges,
    feedback,
    holds,
    keys,
    meters,
    outstanding,
    request_features,
    traces,
)
from steward.core.captures import CapturedExchange
from steward.core.meters import REQUESTS
from steward.core.records import Admitted, Attempt, Feedback
from steward.core.rights import (
    AffectedSubject,
    Breach,
    Correction,
    LegalHold,
    PersonalRows,
    RouteEntities,
    StoredClass,
)

_NAMELESS: Final = {"subject": None, "conversation": None, "traceparent": None, "upstream_id": None}
_encode = msgspec.msgpack.Encoder().encode
_admitted = msgspec.msgpack.Decoder(Admitted)
_attempts = msgspec.msgpack.Decoder(tuple[Attempt, ...])


class SqlRights:
    """`core.stores.RightsStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- a person's rows ---------------------------------------------------------------------------

    def list_projects(self, *, tenant: str) -> list[str]:
        names: set[str] = set()
        with self._database.read() as connection:
            for table in (exchanges, feedback, captures, keys, corrections):
                query = sa.select(table.c.project).where(table.c.tenant == tenant).distinct()
                names.update(connection.execute(query).scalars())
        return sorted(names)

    def find(self, subjects: Sequence[str], *, tenant: str) -> PersonalRows:
        with self._database.read() as connection:
            rows = _read_exchanges(connection, subjects, tenant)
            ids = [row["request_id"] for row in rows]
            return PersonalRows(
                exchanges=tuple(_describe_exchange(row) for row in rows),
                open_requests=len(_read_outstanding(connection, subjects, tenant)),
                traces=tuple(_read_in(connection, sa.select(traces.c.request_id), traces.c.request_id, ids)),
                feedback=tuple(
                    Feedback(**{name: row[name] for name in Feedback.__struct_fields__})
                    for row in _read_belonging(connection, feedback, feedback.c.id, subjects, ids, tenant)
                ),
                captures=tuple(
                    CapturedExchange(**row)
                    for row in _read_belonging(connection, captures, captures.c.request_id, subjects, ids, tenant)
                ),
                corrections=tuple(
                    Correction(**row._mapping)
                    for row in connection.execute(
                        sa.select(corrections)
                        .where(corrections.c.tenant == tenant, corrections.c.subject.in_(subjects))
                        .order_by(corrections.c.at, corrections.c.id)
                    )
                ),
            )

    def erase(self, subjects: Sequence[str], before: float, *, tenant: str) -> dict[str, int]:
        with self._database.write() as connection:
            ids = [row["request_id"] for row in _read_exchanges(connection, subjects, tenant) if row["at"] <= before]
            detach = sa.update(exchanges).values(_NAMELESS)
            erased = {
                "exchanges": _change_in(connection, detach, exchanges.c.request_id, ids),
                "traces": _change_in(connection, sa.delete(traces), traces.c.request_id, ids),
                "features": _change_in(connection, sa.delete(request_features), request_features.c.request_id, ids),
                "open_requests": _detach_outstanding(connection, subjects, before, tenant),
                "feedback": _empty_feedback(connection, subjects, ids, before, tenant),
                "captures": _delete_captures(connection, subjects, ids, before, tenant),
                "corrections": _delete_of(connection, corrections, subjects, tenant, corrections.c.at <= before),
                "holds": _delete_of(connection, holds, subjects, tenant, holds.c.released_at <= before),
            }
        self._database.forget_deleted()
        return {name: count for name, count in erased.items() if count}

    # -- holds -------------------------------------------------------------------------------------

    def add_hold(self, hold: LegalHold) -> None:
        with self._database.write() as connection:
            insert_rows(connection, holds, [msgspec.structs.asdict(hold)])

    def list_holds(self, *, tenant: str | None, all_states: bool = False) -> list[LegalHold]:
        query = sa.select(holds).order_by(holds.c.created_at, holds.c.id)
        if tenant is not None:
            query = query.where(holds.c.tenant == tenant)
        if not all_states:
            query = query.where(holds.c.released_at.is_(None))
        with self._database.read() as connection:
            return [LegalHold(**row._mapping) for row in connection.execute(query)]

    def release_hold(self, hold_id: str, at: float, actor: str, *, tenant: str) -> LegalHold | None:
        mine = sa.and_(holds.c.id == hold_id, holds.c.tenant == tenant, holds.c.released_at.is_(None))
        with self._database.write() as connection:
            update = sa.update(holds).where(mine).values(released_at=at, released_by=actor).returning(*holds.c)
            row = connection.execute(update).one_or_none()
        return None if row is None else LegalHold(**row._mapping)

    # -- corrections -------------------------------------------------------------------------------

    def add_correction(self, correction: Correction) -> None:
        with self._database.write() as connection:
            insert_rows(connection, corrections, [msgspec.structs.asdict(correction)])

    def replace_feedback(self, feedback_id: str, sealed: bytes, *, tenant: str) -> bool:
        update = sa.update(feedback).where(feedback.c.id == feedback_id, feedback.c.tenant == tenant)
        with self._database.write() as connection:
            changed = connection.execute(update.values(sealed=sealed)).rowcount
        self._database.forget_deleted()
        return changed == 1

    # -- breaches ----------------------------------------------------------------------------------

    def put_breach(self, breach: Breach) -> None:
        row = msgspec.structs.asdict(breach) | {"routes": msgspec.json.encode(breach.routes).decode()}
        with self._database.write() as connection:
            insert = self._database.insert(breaches).values(row)
            connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=row))

    def list_breaches(self, *, tenant: str | None) -> list[Breach]:
        query = sa.select(breaches).order_by(breaches.c.known_at.desc(), breaches.c.id)
        if tenant is not None:
            query = query.where(breaches.c.tenant == tenant)
        with self._database.read() as connection:
            return [
                Breach(**{**row._mapping, "routes": tuple(msgspec.json.decode(row.routes))})
                for row in connection.execute(query)
            ]

    def list_affected(
        self, since: float, until: float, routes: Sequence[str], limit: int, *, tenant: str
    ) -> list[AffectedSubject]:
        row = exchanges.c
        where = [row.tenant == tenant, row.at >= since, row.at < until]
        where += [row.route.in_(routes)] if routes else []
        query = (
            sa.select(
                row.project,
                row.subject,
                row.route,
                sa.func.count().label("requests"),
                sa.func.min(row.at).label("first"),
                sa.func.max(row.at).label("last"),
            )
            .where(*where)
            .group_by(row.project, row.subject, row.route)
            .order_by(row.project, row.subject.is_(None), row.subject, row.route)
        )
        with self._database.read() as connection:
            return _merge_routes(connection.execute(query))[:limit]

    # -- the inventory and its sweeps --------------------------------------------------------------

    def count_classes(self, *, tenant: str | None, people: bool) -> list[StoredClass]:
        with self._database.read() as connection:
            return [
                _count_requests(connection, tenant, people),
                *(
                    _count_class(connection, name, table, where, tenant)
                    for name, table, where in (
                        ("feedback scores", feedback, None),
                        ("feedback texts", feedback, feedback.c.sealed.is_not(None)),
                        ("captured exchanges", captures, None),
                        ("corrections", corrections, None),
                    )
                ),
            ]

    def count_masked(self, since: float, *, tenant: str | None) -> list[RouteEntities]:
        row = exchanges.c
        query = (
            sa.select(
                row.tenant,
                row.route,
                row.masked,
                sa.func.count().label("count"),
                sa.func.min(row.at).label("oldest"),
                sa.func.max(row.at).label("newest"),
            )
            .where(row.masked.is_not(None), row.at >= since)
            .group_by(row.tenant, row.route, row.masked)
            .order_by(row.tenant, row.route, row.masked)
        )
        if tenant is not None:
            query = query.where(row.tenant == tenant)
        with self._database.read() as connection:
            return _merge_entities(connection.execute(query))

    def empty_feedback_before(self, at: float) -> tuple[int, int]:
        old = sa.and_(feedback.c.at < at, feedback.c.sealed.is_not(None))
        return self._sweep(feedback, old, {"sealed": None}, awaits_decision())

    def detach_requests_before(self, at: float) -> tuple[int, int]:
        named = sa.or_(exchanges.c.subject.is_not(None), exchanges.c.conversation.is_not(None))
        return self._sweep(exchanges, sa.and_(exchanges.c.at < at, named), _NAMELESS, is_appealed(exchanges))

    def _sweep(
        self, table: sa.Table, old: sa.ColumnElement[bool], values: dict[str, None], needed: sa.ColumnElement[bool]
    ) -> tuple[int, int]:
        """`needed`: rows that stay though they are old, as those under a legal hold do."""
        stays = sa.or_(is_held(table), needed)
        with self._database.write() as connection:
            count = sa.select(sa.func.count()).select_from(table).where(old, stays)
            held = connection.execute(count).scalar_one()
            changed = connection.execute(sa.update(table).where(old, ~stays).values(values)).rowcount
        if changed:
            self._database.forget_deleted()
        return changed, held


# -- finding -----------------------------------------------------------------------------------------


def _read_exchanges(connection: sa.Connection, subjects: Sequence[str], tenant: str) -> list[dict[str, Any]]:
    """Requests of the subjects, and those of their conversations that name nobody, oldest first."""
    mine = sa.select(exchanges.c.conversation).where(
        exchanges.c.tenant == tenant, exchanges.c.subject.in_(subjects), exchanges.c.conversation.is_not(None)
    )
    where = sa.and_(
        exchanges.c.tenant == tenant,
        sa.or_(
            exchanges.c.subject.in_(subjects),
            sa.and_(exchanges.c.subject.is_(None), exchanges.c.conversation.in_(mine)),
        ),
    )
    query = sa.select(exchanges).where(where).order_by(exchanges.c.at, exchanges.c.request_id)
    return [dict(row._mapping) for row in connection.execute(query)]


def _describe_exchange(row: dict[str, Any]) -> dict[str, Any]:
    """A row as people read it: nothing encoded."""
    decoded = {name: msgspec.json.decode(row[name]) for name in ("units", "masked") if row[name] is not None}
    attempts = [msgspec.structs.asdict(attempt) for attempt in _attempts.decode(row["attempts"])]
    return {name: value for name, value in (row | decoded).items() if value is not None} | {"attempts": attempts}


def _read_in(
    connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], values: Sequence[str]
) -> list[str]:
    return [
        value for part in split_parts(values) for value in connection.execute(query.where(column.in_(part))).scalars()
    ]


def _read_belonging(
    connection: sa.Connection,
    table: sa.Table,
    key: sa.Column[Any],
    subjects: Sequence[str],
    request_ids: Sequence[str],
    tenant: str,
) -> list[dict[str, Any]]:
    """Rows of the subjects, and those about their requests, by time."""
    query = sa.select(table).where(table.c.tenant == tenant)
    mine = connection.execute(query.where(sa.or_(*(column.in_(subjects) for column in _list_naming(table)))))
    found = {row._mapping[key]: row for row in mine}
    for part in split_parts(request_ids):
        found |= {row._mapping[key]: row for row in connection.execute(query.where(table.c.request_id.in_(part)))}
    return [dict(row._mapping) for row in sorted(found.values(), key=lambda row: (row.at, row._mapping[key]))]


def _list_naming(table: sa.Table) -> list[sa.Column[Any]]:
    """Columns that hold a pseudonym; `person`: of whoever a rating counts for."""
    return [table.c[name] for name in ("subject", "person") if name in table.c]


def _read_outstanding(connection: sa.Connection, subjects: Sequence[str], tenant: str) -> list[Admitted]:
    query = sa.select(outstanding.c.record).where(outstanding.c.tenant == tenant)
    admitted = (_admitted.decode(record) for record in connection.execute(query).scalars())
    return [record for record in admitted if record.subject in subjects]


# -- erasing -----------------------------------------------------------------------------------------


def _change_in(connection: sa.Connection, change: Any, column: sa.Column[Any], values: Sequence[str]) -> int:
    """Rows that a DELETE or UPDATE changed among those whose `column` is one of `values`."""
    return sum(connection.execute(change.where(column.in_(part))).rowcount for part in split_parts(values))


def _detach_outstanding(connection: sa.Connection, subjects: Sequence[str], before: float, tenant: str) -> int:
    records = [record for record in _read_outstanding(connection, subjects, tenant) if record.at <= before]
    for record in records:
        nameless = msgspec.structs.replace(record, subject=None, conversation=None)
        row = sa.update(outstanding).where(outstanding.c.request_id == record.request_id)
        connection.execute(row.values(record=_encode(nameless)))
    return len(records)


def _empty_feedback(
    connection: sa.Connection, subjects: Sequence[str], ids: Sequence[str], before: float, tenant: str
) -> int:
    """Scores stay, without their words and without the person."""
    old = sa.and_(feedback.c.tenant == tenant, feedback.c.at <= before)
    mine = sa.or_(*(column.in_(subjects) for column in _list_naming(feedback)))
    empty = sa.update(feedback).where(old, mine).values(sealed=None, subject=None, person=None)
    count = connection.execute(empty).rowcount
    about = sa.update(feedback).where(old, feedback.c.sealed.is_not(None)).values(sealed=None)
    return count + _change_in(connection, about, feedback.c.request_id, ids)


def _delete_captures(
    connection: sa.Connection, subjects: Sequence[str], ids: Sequence[str], before: float, tenant: str
) -> int:
    old = captures.c.at <= before
    return _delete_of(connection, captures, subjects, tenant, old) + _change_in(
        connection, sa.delete(captures).where(old), captures.c.request_id, ids
    )


def _delete_of(
    connection: sa.Connection, table: sa.Table, subjects: Sequence[str], tenant: str, where: sa.ColumnElement[bool]
) -> int:
    mine = sa.delete(table).where(table.c.tenant == tenant, table.c.subject.in_(subjects), where)
    return connection.execute(mine).rowcount


# -- adding up ---------------------------------------------------------------------------------------


def _merge_routes(rows: Any) -> list[AffectedSubject]:
    merged: dict[tuple[str, str | None], AffectedSubject] = {}
    for row in rows:
        known = merged.get((row.project, row.subject))
        merged[row.project, row.subject] = AffectedSubject(
            project=row.project,
            subject=row.subject,
            requests=row.requests + (known.requests if known else 0),
            routes=(*(known.routes if known else ()), row.route),
            first=min(row.first, known.first) if known else row.first,
            last=max(row.last, known.last) if known else row.last,
        )
    return list(merged.values())


def _merge_entities(rows: Any) -> list[RouteEntities]:
    merged: dict[tuple[str, str, str], RouteEntities] = {}
    for row in rows:
        for entity, values in msgspec.json.decode(row.masked, type=dict[str, int]).items():
            place = (row.tenant, row.route, entity)
            known = merged.get(place)
            merged[place] = RouteEntities(
                tenant=row.tenant,
                route=row.route,
                entity=entity,
                values=values * row.count + (known.values if known else 0),
                oldest=min(row.oldest, known.oldest) if known else row.oldest,
                newest=max(row.newest, known.newest) if known else row.newest,
            )
    return [merged[place] for place in sorted(merged)]


def _count_requests(connection: sa.Connection, tenant: str | None, people: bool) -> StoredClass:
    """Rows from the meters, which every settled request is added to in its own transaction; the oldest and the newest
    from the index of times. No request is ever deleted, so both hold after erasures and sweeps."""
    row = exchanges.c
    counted = sa.select(sa.func.sum(meters.c.value)).where(meters.c.meter == REQUESTS)
    first = sa.select(row.at).order_by(row.at).limit(1)
    last = sa.select(row.at).order_by(row.at.desc()).limit(1)
    named = sa.select(sa.func.count()).where(row.subject.is_not(None))
    if tenant is not None:
        counted = counted.where(meters.c.tenant == tenant)
        first, last, named = (query.where(row.tenant == tenant) for query in (first, last, named))
    return StoredClass(
        name="requests",
        rows=int(connection.execute(counted).scalar_one() or 0),
        of_people=connection.execute(named).scalar_one() if people else None,
        oldest=connection.execute(first).scalar_one_or_none(),
        newest=connection.execute(last).scalar_one_or_none(),
    )


def _count_class(
    connection: sa.Connection,
    name: str,
    table: sa.Table,
    where: sa.ColumnElement[bool] | None,
    tenant: str | None,
) -> StoredClass:
    query = sa.select(
        sa.func.count().label("rows"),
        sa.func.count(table.c.subject).label("of_people"),
        sa.func.min(table.c.at).label("oldest"),
        sa.func.max(table.c.at).label("newest"),
    )
    if where is not None:
        query = query.where(where)
    if tenant is not None:
        query = query.where(table.c.tenant == tenant)
    row = connection.execute(query).one()
    return StoredClass(name=name, **row._mapping)
