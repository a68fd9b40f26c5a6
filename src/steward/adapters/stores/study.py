"""A study in one SQLite file to which rows are only ever added: triggers refuse every other change.

SQLite itself rather than SQLAlchemy: one file that is mailed about, one process that writes, five inserts.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.errors import InputError, Unavailable, find_full_database
from steward.core.files import quote_path, touch_private
from steward.core.study import Rater, StudyDesign, StudyTask, Vote

_TABLES: Final = {
    "design": "body TEXT NOT NULL",
    "task": "key TEXT NOT NULL UNIQUE, body TEXT NOT NULL",
    "invite": "rater TEXT NOT NULL, lead INTEGER NOT NULL, token_sha256 TEXT NOT NULL UNIQUE, at REAL NOT NULL",
    "owner": "task TEXT NOT NULL, rater TEXT NOT NULL, at REAL NOT NULL",
    "vote": "rater TEXT NOT NULL, task TEXT NOT NULL, body TEXT NOT NULL",
}

ERASED: Final = "[erased]"


class StudyStore:
    """One open study. Safe to call from several threads.

    :raises InputError: the file is no study :raises Unavailable: the disk failed, or another process writes
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5.0)
        with self._name_errors():
            self._connection.execute("PRAGMA journal_mode = DELETE")  # one file at rest, to be copied
            self._connection.execute("PRAGMA synchronous = FULL")

    @classmethod
    def create(cls, path: Path, design: StudyDesign, tasks: Sequence[StudyTask]) -> StudyStore:
        """:raises InputError: the file exists"""
        try:
            touch_private(path, exist_ok=False)
        except FileExistsError as error:
            raise InputError(
                f"{path} exists; continue it by leaving out the runs, or choose another --study"
            ) from error
        store = cls(path)
        with store._begin_write() as connection:
            for name, columns in _TABLES.items():
                connection.execute(f"CREATE TABLE {name} (number INTEGER PRIMARY KEY, {columns})")
                for change in ("UPDATE", "DELETE"):
                    connection.execute(
                        f"CREATE TRIGGER {name}_{change.lower()} BEFORE {change} ON {name} "
                        "BEGIN SELECT RAISE(ABORT, 'rows of a study are never changed'); END"
                    )
            connection.execute("INSERT INTO design (body) VALUES (?)", (_json(design),))
            connection.executemany("INSERT INTO task (key, body) VALUES (?, ?)", [(t.key, _json(t)) for t in tasks])
        return store

    @classmethod
    def open(cls, path: Path) -> StudyStore:
        """:raises InputError: no such file, or no study"""
        if not path.is_file():
            raise InputError(
                f"{path}: no such study; start one with `steward eval rate RUN RUN --study {quote_path(path)}`"
            )
        store = cls(path)
        store.design()
        return store

    def close(self) -> None:
        self._connection.close()

    def design(self) -> StudyDesign:
        rows = self._select("SELECT body FROM design")
        if not rows:
            raise InputError(f"{self._path}: the study was not created completely; remove the file and start again")
        return msgspec.json.decode(rows[0][0], type=StudyDesign)

    def tasks(self) -> list[StudyTask]:
        return [
            msgspec.json.decode(body, type=StudyTask)
            for (body,) in self._select("SELECT body FROM task ORDER BY number")
        ]

    def votes(self) -> list[Vote]:
        """All of them, corrected ones too, in order."""
        return [
            msgspec.json.decode(body, type=Vote) for (body,) in self._select("SELECT body FROM vote ORDER BY number")
        ]

    def raters(self) -> list[Rater]:
        rows = self._select("SELECT rater, max(lead) FROM invite GROUP BY rater ORDER BY min(number)")
        return [Rater(name, bool(lead)) for name, lead in rows]

    def owners(self) -> dict[str, str]:
        """Who judges each task that is not shared."""
        return dict(self._select("SELECT task, rater FROM owner ORDER BY number"))

    def find_rater(self, token_sha256: str) -> Rater | None:
        """Whose invite this is; an invite is good until a newer one of the same rater's."""
        rows = self._select(
            "SELECT rater, lead FROM invite WHERE token_sha256 = ? "
            "AND number = (SELECT max(number) FROM invite AS newer WHERE newer.rater = invite.rater)",
            (token_sha256,),
        )
        return Rater(rows[0][0], bool(rows[0][1])) if rows else None

    def invite(self, rater: Rater, token_sha256: str, at: float) -> None:
        with self._begin_write() as connection:
            connection.execute(
                "INSERT INTO invite (rater, lead, token_sha256, at) VALUES (?, ?, ?, ?)",
                (rater.name, int(rater.lead), token_sha256, at),
            )

    def assign_owners(self, owners: dict[str, str], at: float) -> None:
        with self._begin_write() as connection:
            connection.executemany(
                "INSERT INTO owner (task, rater, at) VALUES (?, ?, ?)", [(t, r, at) for t, r in owners.items()]
            )

    def vote(self, vote: Vote) -> None:
        """On the disk when this returns."""
        with self._begin_write() as connection:
            connection.execute(
                "INSERT INTO vote (rater, task, body) VALUES (?, ?, ?)", (vote.rater, vote.task, _json(vote))
            )

    def _select(self, query: str, given: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        with self._name_errors(), self._lock:
            return self._connection.execute(query, given).fetchall()

    @contextmanager
    def _begin_write(self) -> Iterator[sqlite3.Connection]:
        with self._name_errors(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself ends one for which there is no room
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _name_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if (exhausted := find_full_database(error)) is not None:
                raise exhausted from error
            if "no such table" in str(error):
                raise InputError(f"{self._path}: a database, but not a study") from error
            raise Unavailable(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self._path}: not a study ({error})") from error


def erase_mentions(path: Path, pattern: re.Pattern[str]) -> int:
    """Take a person out of a study: as a rater, in the texts of tasks, and in comments. Votes stay, of a rater without
    a name; -> how many rows changed.

    :raises InputError: no study :raises Unavailable: another process writes
    """
    StudyStore.open(path).close()
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        changed = sum(_erase_rows(connection, table, pattern) for table in ("task", "invite", "owner", "vote"))
        for _, statement in triggers:
            connection.execute(statement)
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path}: {error}; close the study and try again") from error
    finally:
        connection.close()
    return changed


def _erase_rows(connection: sqlite3.Connection, table: str, pattern: re.Pattern[str]) -> int:
    columns = {"task": ("body",), "vote": ("rater", "body")}.get(table, ("rater",))
    changed = 0
    for number, *values in connection.execute(f"SELECT number, {', '.join(columns)} FROM {table}").fetchall():
        if any(pattern.search(value) for value in values):
            new = [
                _empty_body(table, value, pattern) if column == "body" else pattern.sub(ERASED, value)
                for column, value in zip(columns, values, strict=True)
            ]
            names = ", ".join(f"{column} = ?" for column in columns)
            connection.execute(f"UPDATE {table} SET {names} WHERE number = ?", (*new, number))
            changed += 1
    return changed


def _empty_body(table: str, body: str, pattern: re.Pattern[str]) -> str:
    """A task without its texts, a vote without its comment and its rater's name."""
    if table == "task":
        task = msgspec.json.decode(body, type=StudyTask)
        asked = tuple((role, ERASED) for role, _ in task.asked)
        without = msgspec.structs.replace(
            task,
            asked=asked,
            references=(ERASED,) * len(task.references),
            answers=(ERASED,) * len(task.answers),
        )
        return pattern.sub(ERASED, _json(without))
    vote = msgspec.json.decode(body, type=Vote)
    return pattern.sub(ERASED, _json(msgspec.structs.replace(vote, comment="")))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
