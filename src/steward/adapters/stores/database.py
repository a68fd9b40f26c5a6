"""One database for all families: its engine, transactions, migrations, clock, and what its failures mean.

SQLAlchemy Core over SQLite (WAL) or PostgreSQL. A transaction that writes begins as a writer (SQLite: BEGIN
IMMEDIATE), so that no other writer comes between what it reads and what it writes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from steward.adapters.stores.tables import REVISION
from steward.adapters.stores.url import check_server_url
from steward.core.errors import InputError, Unavailable, find_full_database

MIGRATION_LOCK: Final = 0x5357_4152_4400  # PostgreSQL advisory lock that one migrating process holds
MIGRATIONS: Final = Path(__file__).parent / "migrations"
NEWEST_TABLES: Final = MIGRATIONS / "newest_sqlite.sql"  # written by scripts/schema.py
CONNECT_S: Final = 5  # to a server; an address that answers nothing must not hold a command for minutes
_PART_SIZE: Final = 500  # values in one IN (…); SQLite's limit of variables is higher


class Database:
    """`url` as SQLAlchemy reads it: sqlite:///FILE or postgresql+psycopg://…"""

    def __init__(self, url: str) -> None:
        """:raises InputError: another kind of URL"""
        if not url.startswith("sqlite://"):
            check_server_url(url)
        if url.startswith("postgresql://"):
            url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        arguments = {"connect_timeout": CONNECT_S} if url.startswith("postgresql") else {}
        self._engine = sa.create_engine(url, connect_args=arguments)
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        if self.is_sqlite:
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection whose queries see one state of the database. :raises Unavailable, InputError:"""
        with self._name_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that commits at the end of the block. :raises Unavailable, InputError: nothing was written"""
        with self._name_errors(), self._engine.connect() as connection:
            with connection.execution_options(steward_writes=True).begin():
                yield connection

    def migrate(self) -> None:
        """Bring the tables to the newest revision. Of several processes that try at once, the others wait.

        :raises Unavailable, InputError:
        """
        if self._is_current():
            return
        with self.write() as connection:
            if self.is_sqlite and not sa.inspect(connection).get_table_names():
                create_newest_tables(connection)
                return
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            run_migrations(connection)

    def _is_current(self) -> bool:
        """Whether the tables are this release's, or a later one's, which this release can work with."""
        with self._name_errors(), self._engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return False
            revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return revision is not None and str(revision) >= REVISION

    def clock(self) -> Any:
        """The database's own time, in seconds since the epoch, as part of a statement."""
        if self.is_sqlite:
            return (sa.func.julianday("now") - 2440587.5) * 86400.0
        return sa.extract("epoch", sa.func.clock_timestamp())

    def insert(self, table: sa.Table) -> Any:
        """As `make_insert`."""
        return make_insert(table, self._engine.dialect)

    def forget_deleted(self) -> None:
        """Empty SQLite's WAL, which holds pages as they were before a deletion; as far as readers let it.

        What was deleted is overwritten in the file itself (`secure_delete`). PostgreSQL keeps rows until its VACUUM,
        and its WAL for as long as its operator says.
        """
        if self.is_sqlite:
            with self._name_errors(), self._engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _name_errors(self) -> Iterator[None]:
        """:raises Unavailable: no answer, no tables :raises Exhausted: the disk is full :raises InputError: what is
        there is not a database
        """
        try:
            yield
        except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
            if (exhausted := find_full_database(error.orig)) is not None:
                raise exhausted from error
            if self.is_sqlite and "database is locked" in str(error.orig):
                place = self._engine.url.database
                raise Unavailable(
                    f"the store is locked by another program; see which with: fuser -v {shlex.quote(str(place))}"
                ) from error
            kind = type(error.orig).__name__
            raise Unavailable(
                f"the store does not answer ({kind}); check that `steward up` and its database are running"
            ) from error
        except sa.exc.DatabaseError as error:  # SQLite: "file is not a database", "malformed"
            place = self._engine.url.database
            raise InputError(
                f"the store {place} is damaged ({error.orig}); restore it from a backup, or move it away"
            ) from error


def run_migrations(connection: sa.Connection) -> None:
    """Bring the tables from whatever revision they have to the newest."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def create_newest_tables(connection: sa.Connection) -> None:
    """In an empty SQLite file: what all migrations would leave there, in a tenth of their time and without Alembic."""
    for statement in NEWEST_TABLES.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)


def make_insert(table: sa.TableClause, dialect: sa.Dialect) -> Any:
    """The dialect's INSERT, which knows ON CONFLICT."""
    if dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # takes a twentieth of a command's start, which SQLite spares

    return postgresql.insert(table)


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; those whose primary key exists are left as they are.

    The driver gets the values as they stand: SQLAlchemy's own way through each of them costs four times the insert.
    """
    if rows:
        text, names = _compile_insert(table, connection.dialect)
        connection.exec_driver_sql(text, list(map(itemgetter(*names), rows)))  # every table has two columns at least


def is_among(connection: sa.Connection, column: sa.Column[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether a column has one of any number of values, which go to the database as one: an IN (…) of as many marks
    takes longer to write and to read than to answer."""
    if connection.dialect.name == "sqlite":
        listed = sa.func.json_each(msgspec.json.encode(values).decode()).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    return column == sa.any_(sa.literal(list(values), sa.ARRAY(sa.String)))


def has_one_of(dialect: sa.Dialect, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """As `is_among`, for statements that are compiled once: the values come later under `name`, as `encode_list` makes
    them."""
    if dialect.name == "sqlite":
        listed = sa.func.json_each(sa.bindparam(name, type_=sa.String)).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    kind = sa.String() if isinstance(column.type, sa.String) else column.type  # a cast to a length would cut values
    return column == sa.any_(sa.bindparam(name, type_=sa.ARRAY(kind)))


def encode_list(dialect: sa.Dialect, values: Iterable[Any]) -> Any:
    """What a driver is given for `has_one_of`."""
    return msgspec.json.encode([*values]).decode() if dialect.name == "sqlite" else [*values]


def split_parts(values: Sequence[str]) -> list[Sequence[str]]:
    """Runs of values, each short enough for one IN (…)."""
    return [values[start : start + _PART_SIZE] for start in range(0, len(values), _PART_SIZE)]


def add_to_rows(
    connection: sa.Connection,
    table: sa.TableClause,
    key: Sequence[str],
    sums: Sequence[str],
    rows: Sequence[dict[str, Any]],
) -> None:
    """Insert rows; to those whose `key` exists, add the columns `sums`. Give rows in one order always, so that two
    keepers on one database never wait for each other both ways."""
    if rows:
        text, names = _compile_addition(table, tuple(key), tuple(sums), connection.dialect)
        connection.exec_driver_sql(text, list(map(itemgetter(*names), rows)))


@lru_cache(maxsize=16)
def _compile_addition(
    table: sa.TableClause, key: tuple[str, ...], sums: tuple[str, ...], dialect: sa.Dialect
) -> tuple[str, tuple[str, ...]]:
    """Made once: to write the statement takes longer than to run it."""
    insert = make_insert(table, dialect)
    grown = {name: table.c[name] + insert.excluded[name] for name in sums}
    return compile_for_driver(insert.on_conflict_do_update(index_elements=key, set_=grown), dialect)


@lru_cache(maxsize=16)
def _compile_insert(table: sa.Table, dialect: sa.Dialect) -> tuple[str, tuple[str, ...]]:
    """The statement with the driver's own marks for values, and the columns in their order."""
    return compile_for_driver(make_insert(table, dialect).on_conflict_do_nothing(), dialect)


def compile_for_driver(statement: Any, dialect: sa.Dialect) -> tuple[str, tuple[str, ...]]:
    """The text for `exec_driver_sql`, and the names of its values in their order."""
    numbered: Any = type(dialect)
    style = "format" if dialect.name == "postgresql" else "qmark"
    compiled: Any = statement.compile(dialect=numbered(paramstyle=style))
    return str(compiled), tuple(compiled.positiontup or ())


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own: `_begin_sqlite` does
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("steward_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
