"""A copy of a SQLite store in one moment, and the secrets taken out of it.

The copy is made by `VACUUM INTO`: one read transaction, beside which others go on writing, and a file without the
remains of what was deleted. Ours to take out are the wrapped secrets, which belong into a backup of their own.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from steward.core.errors import InputError, Unavailable
from steward.core.files import PRIVATE
from steward.core.stores import WrappedSecret
from steward.core.subject_keys import SubjectKey

COUNTED: Final = ("exchanges", "outstanding", "feedback", "keys", "evidence")
WAIT_S: Final = 30.0  # for a writer that holds the file


def copy_database(source: Path, target: Path) -> None:
    """:raises Unavailable: it is busy, or the disk is full :raises InputError: it is damaged"""
    try:
        with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=WAIT_S)) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
        target.chmod(PRIVATE)
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{source}: cannot be copied now ({error}); try again") from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"{source}: {error}; restore it from a backup") from error


def check_database(file: Path) -> None:
    """Without a change to it. :raises InputError: it is no database, or is damaged"""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_S)) as connection:
            connection.execute("SELECT name FROM sqlite_master").fetchall()
    except sqlite3.OperationalError as error:  # it is locked, or may not be read
        raise InputError(f"the store {file} cannot be read ({error}); see who may: ls -l {file.parent}") from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"the store {file} is damaged ({error}); restore it from a backup, or move it away") from error


def take_secrets(database: Path) -> list[WrappedSecret]:
    """The secrets of a copy, which has none of them afterwards, not even in its free pages."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        rows = connection.execute("SELECT kind, tenant, version, wrapped FROM secrets").fetchall()
        connection.execute("DELETE FROM secrets")
        connection.commit()
    return [WrappedSecret(*row) for row in rows]


def take_subject_keys(database: Path) -> list[SubjectKey]:
    """As `take_secrets`, the keys of subjects: an erased one must not come back from an archive."""
    names = SubjectKey.__struct_fields__
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        rows = connection.execute(f"SELECT {', '.join(names)} FROM subject_keys ORDER BY id").fetchall()
        connection.execute("DELETE FROM subject_keys")
        connection.commit()
    return [SubjectKey(**dict(zip(names, row, strict=True))) for row in rows]


def count_rows(database: Path) -> dict[str, int]:
    """Rows of the tables that a restored copy is compared by. :raises InputError: the file is damaged"""
    try:
        with closing(
            sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_S)
        ) as connection:
            problem = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if problem != "ok":
                raise InputError(f"{database}: damaged ({problem})")
            tables = [(name, f'SELECT count(*) FROM "{name}"') for name in COUNTED]
            return {name: connection.execute(query).fetchone()[0] for name, query in tables}
    except sqlite3.DatabaseError as error:
        raise InputError(f"{database}: damaged ({error})") from error
