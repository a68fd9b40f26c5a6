"""Many rows at once into one table, and which of them were new.

PostgreSQL takes them by COPY in its binary form, which costs it a third of an INSERT for each row, and the client a
tenth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa

from steward.adapters.stores.database import compile_for_driver, insert_rows, make_insert, split_parts

_POSTGRES_TYPES: Final[dict[type[Any], str]] = {
    sa.Text: "text",
    sa.String: "varchar",
    sa.Float: "float8",
    sa.BigInteger: "int8",
    sa.Integer: "int4",
    sa.Boolean: "bool",
    sa.LargeBinary: "bytea",
}


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Insert rows whose primary key, one column, is not there yet, and return them.

    Nearly always all are new, so none is looked for first: where one is known, what was inserted is taken back, and
    only then are they told apart.

    :raises sqlalchemy.exc.DBAPIError: none was inserted
    """
    if not rows:
        return []
    cause: sa.exc.DBAPIError | None = None
    try:
        with connection.begin_nested():
            try:
                _insert_all(connection, table, rows)
            except sa.exc.DBAPIError as error:
                cause = error
                raise
    except sa.exc.IntegrityError:
        fresh = _leave_out_known(connection, table, rows)
        insert_rows(connection, table, fresh)
        return fresh
    except sa.exc.OperationalError as error:
        if cause is None or cause is error:
            raise
        raise cause from error  # SQLite takes the whole transaction back where the disk is full: no savepoint is left
    return list(rows)


def _insert_all(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """:raises sqlalchemy.exc.IntegrityError: one is there already; none was inserted"""
    if connection.dialect.name == "postgresql":
        _copy_rows(connection, table, rows)
        return
    columns = dict(zip(table.c.keys(), zip(*map(_read_columns(table), rows), strict=True), strict=True))
    for name in _list_nullable(table):
        if columns[name].count(None) == len(rows):
            del columns[name]
    for name, convert in _list_conversions(table):
        if name in columns:
            columns[name] = tuple(map(convert, columns[name]))
    text, names = _compile_plain_insert(table, tuple(columns), connection.dialect)
    connection.exec_driver_sql(text, list(zip(*itemgetter(*names)(columns), strict=True)))


@lru_cache(maxsize=8)
def _read_columns(table: sa.Table) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    return itemgetter(*table.c.keys())


@lru_cache(maxsize=8)
def _list_nullable(table: sa.Table) -> list[str]:
    """Columns that hold NULL where a statement does not name them."""
    return [column.name for column in table.c if column.nullable and column.server_default is None]


@lru_cache(maxsize=8)
def _list_conversions(table: sa.Table) -> list[tuple[str, Callable[[Any], Any]]]:
    """Python's driver looks for an adapter for each None, bool and bytes, which takes four times as long as to write
    the value; not for whole numbers and byte arrays, which SQLite holds as the same."""
    made: list[tuple[str, Callable[[Any], Any]]] = []
    for column in table.c:
        if isinstance(column.type, sa.Boolean):
            made.append((column.name, lambda value: value if value is None else int(value)))
        elif isinstance(column.type, sa.LargeBinary):
            made.append((column.name, lambda value: value if value is None else bytearray(value)))
    return made


@lru_cache(maxsize=64)
def _compile_plain_insert(table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> tuple[str, tuple[str, ...]]:
    insert = make_insert(table, dialect).values({name: sa.bindparam(name) for name in names})
    return compile_for_driver(insert, dialect)


def _copy_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """The driver's own COPY, whose errors are SQLAlchemy's again."""
    import psycopg
    from psycopg import sql

    names = [column.name for column in table.columns]
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    try:
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(statement) as copy:
            copy.set_types([_POSTGRES_TYPES[type(column.type)] for column in table.columns])
            for row in map(itemgetter(*names), rows):
                copy.write_row(row)
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance(
            "COPY", None, error, psycopg.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


def _leave_out_known(
    connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    (key,) = table.primary_key
    known: set[str] = set()
    for part in split_parts([row[key.name] for row in rows]):
        known.update(connection.execute(sa.select(key).where(key.in_(part))).scalars())
    return [row for row in rows if row[key.name] not in known]
