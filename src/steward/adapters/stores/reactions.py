"""Reactions in the store: which ratings and signals count, and their sums by day and version.

A reaction counts once its request is there. Of one person only the first rating of an answer counts, and at most so
many a day, so that one voice does not stand for all; a signal counts once an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from steward.adapters.stores.database import (
    Database,
    add_to_rows,
    compile_for_driver,
    encode_list,
    has_one_of,
    is_among,
    split_parts,
)
from steward.adapters.stores.feedback import is_reaction, may_rate
from steward.adapters.stores.tables import exchanges, feedback, reactions
from steward.core.reactions import (
    COUNTS,
    DAY_S,
    PersonRatings,
    Reaction,
    ReactionKey,
    ReactionRow,
    end_of_day,
    start_of_day,
)

_KEY: Final = ReactionKey.__struct_fields__
_VERSIONS: Final = ("model", "route", "prompt_version", "route_version")


class SqlReactions:
    """`core.stores.ReactionStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, since: float, *, tenant: str | None, until: float | None = None) -> list[ReactionRow]:
        query = sa.select(reactions).where(reactions.c.day >= start_of_day(since)).order_by(*reactions.primary_key)
        if tenant is not None:
            query = query.where(reactions.c.tenant == tenant)
        if until is not None:
            query = query.where(reactions.c.day < until)
        with self._database.read() as connection:
            return [
                ReactionRow(ReactionKey(**{name: row[name] for name in _KEY}), tuple(row[name] for name in COUNTS))
                for row in connection.execute(query).mappings()
            ]

    def read_people(self, since: float, *, tenant: str | None, until: float | None = None) -> list[PersonRatings]:
        labels = (
            sa.func.coalesce(exchanges.c.model, "").label("model"),
            exchanges.c.route,
            sa.func.coalesce(exchanges.c.prompt_version, "").label("prompt_version"),
            exchanges.c.route_version,
        )
        person = sa.func.coalesce(feedback.c.person, feedback.c.subject, feedback.c.request_id)
        query = (
            sa.select(
                *labels,
                sa.func.count().label("ratings"),
                sa.func.sum(sa.case((feedback.c.score > 0, 1), else_=0)).label("satisfied"),
            )
            .join_from(feedback, exchanges, may_rate())
            .where(
                feedback.c.at >= start_of_day(since),
                feedback.c.kind == "explicit",
                sa.func.coalesce(feedback.c.counted, sa.true()),
            )
            .group_by(*labels, person)
        )
        if tenant is not None:
            query = query.where(feedback.c.tenant == tenant)
        if until is not None:
            query = query.where(feedback.c.at < end_of_day(until))
        with self._database.read() as connection:
            return [
                PersonRatings(**{name: row[name] for name in PersonRatings.__struct_fields__})
                for row in connection.execute(query).mappings()
            ]


def take_in_reactions(
    connection: sa.Connection, fresh_feedback: Sequence[str], fresh_requests: Sequence[str], per_person: int
) -> list[Reaction]:
    """Those whose request is there now and that count; it is written down which do, and whose they are.

    They are feedback that has just come, and feedback that had waited for its request.
    """
    matched = _read_matched(connection, fresh_feedback, fresh_requests)
    if not matched:
        return []
    seen = _read_counted(connection, sorted({row["request_id"] for row in matched}))
    spent = _read_spent(connection, [row for row in matched if row["kind"] == "explicit"])
    marks, counting = [], []
    for row in sorted(matched, key=lambda row: (row["at"], row["id"])):
        day = (row["tenant"], row["person"], start_of_day(row["at"]))
        same = (row["request_id"], row["kind"], row["person"] if row["kind"] == "explicit" else "")
        limited = row["kind"] == "explicit" and spent.get(day, 0) >= per_person
        counts = limited is False and (row["kind"] == "judge" or same not in seen)
        marks.append({"b_id": row["id"], "person": row["person"], "counted": counts})
        if counts:
            seen.add(same)
            spent[day] = spent.get(day, 0) + (row["kind"] == "explicit")
            counting.append(Reaction(**{name: row[name] for name in Reaction.__struct_fields__}))
    query = sa.update(feedback).where(feedback.c.id == sa.bindparam("b_id"))
    connection.execute(
        query.values(person=sa.bindparam("person"), counted=sa.bindparam("counted")),
        marks,
    )
    return counting


def add_reactions(connection: sa.Connection, counts: Mapping[ReactionKey, Sequence[int]]) -> None:
    """Add up, in the rows' order."""
    rows = [
        {name: getattr(key, name) for name in _KEY} | dict(zip(COUNTS, values, strict=True))
        for key, values in sorted(counts.items())
    ]
    add_to_rows(connection, reactions, _KEY, COUNTS, rows)


def list_request_columns() -> list[sa.ColumnElement[Any]]:
    """Of the request that somebody reacted to: what its reactions are counted by."""
    return [
        exchanges.c.tenant,
        sa.func.coalesce(exchanges.c.model, "").label("model"),
        exchanges.c.route,
        exchanges.c.key_id.label("key"),
        exchanges.c.project,
        sa.func.coalesce(exchanges.c.model_version, "").label("model_version"),
        sa.func.coalesce(exchanges.c.prompt_version, "").label("prompt_version"),
        exchanges.c.route_version,
    ]


def _read_matched(
    connection: sa.Connection, fresh_feedback: Sequence[str], fresh_requests: Sequence[str]
) -> list[sa.RowMapping]:
    spoken_of = _find_spoken_of(connection, fresh_requests)
    if not fresh_feedback and not spoken_of:
        return []
    query = sa.select(
        *(feedback.c[name] for name in ("id", "at", "kind", "score", "request_id")),
        *list_request_columns(),
        sa.func.coalesce(
            feedback.c.subject, exchanges.c.subject, exchanges.c.conversation, exchanges.c.request_id
        ).label("person"),
    ).join_from(feedback, exchanges, may_rate())
    query = query.where(is_reaction())
    matched: dict[str, sa.RowMapping] = {}
    for column, names in ((feedback.c.id, fresh_feedback), (feedback.c.request_id, spoken_of)):
        if names:
            for row in connection.execute(query.where(is_among(connection, column, names))).mappings():
                matched[row["id"]] = row
    return list(matched.values())


def _find_spoken_of(connection: sa.Connection, request_ids: Sequence[str]) -> Sequence[str]:
    """Those that there is feedback of: few, so that to ask for them first spares the others a join."""
    if not request_ids:
        return ()
    text = _compile_spoken_of(connection.dialect)
    return connection.exec_driver_sql(text, (encode_list(connection.dialect, request_ids),)).scalars().all()


@lru_cache(maxsize=4)
def _compile_spoken_of(dialect: sa.Dialect) -> str:
    spoken_of = has_one_of(dialect, feedback.c.request_id, "ids")
    return compile_for_driver(sa.select(feedback.c.request_id).distinct().where(spoken_of), dialect)[0]


def _read_counted(connection: sa.Connection, request_ids: Sequence[str]) -> set[tuple[str, str, str]]:
    """Request, kind and, for a rating, person of what counts already."""
    counted: set[tuple[str, str, str]] = set()
    for part in split_parts(request_ids):
        query = sa.select(feedback.c.request_id, feedback.c.kind, feedback.c.person).where(
            feedback.c.request_id.in_(part), feedback.c.counted
        )
        counted.update(
            (row.request_id, row.kind, row.person if row.kind == "explicit" else "")
            for row in connection.execute(query)
        )
    return counted


def _read_spent(connection: sa.Connection, ratings: Iterable[sa.RowMapping]) -> dict[tuple[str, str, int], int]:
    """How many ratings of these people count already, by tenant, person and day."""
    people: dict[str, set[int]] = {}
    for row in ratings:
        people.setdefault(row["person"], set()).add(start_of_day(row["at"]))
    spent: dict[tuple[str, str, int], int] = {}
    days = [day for own in people.values() for day in own]
    for part in split_parts(sorted(people)):
        query = sa.select(feedback.c.tenant, feedback.c.person, feedback.c.at).where(
            feedback.c.person.in_(part),
            feedback.c.at >= min(days),
            feedback.c.at < max(days) + DAY_S,
            feedback.c.kind == "explicit",
            feedback.c.counted,
        )
        for tenant, person, at in connection.execute(query):
            key = (tenant, person, start_of_day(at))
            spent[key] = spent.get(key, 0) + 1
    return spent
