"""Signed heads of the log, kept where a rollback of the home does not reach: a file elsewhere, a URL, the store.

A head is only ever added. Where what is kept elsewhere is not the beginning of the log, nothing is written, so that the
proof stays. A URL takes a checkpoint by PUT and gives the newest one, or several, by GET.
"""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Unavailable
from steward.core.fetch import open_url
from steward.core.files import open_private
from steward.core.secret import resolve
from steward.security.audit.log import CHECKPOINT, PUBLIC_KEY
from steward.security.audit.merkle import compute_root
from steward.security.audit.note import Checkpoint, open_note, split_notes
from steward.security.audit.tiles import TileReader
from steward.security.config import WitnessPlan
from steward.workflows.audit import audit_folder

TIMEOUT_S: Final = 10.0
MOST_BYTES: Final = 1 << 20  # of what a URL answers
_USER_AGENT: Final = {"user-agent": "steward"}


class HeadPublisher:
    """The keeper's job: passes each new head on to the store, and to the witness where one is set."""

    def __init__(
        self, home: Path, store: SqlStore, witness: WitnessPlan | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._store, self._witness, self._clock = audit_folder(home), store, witness, clock
        self._published = ""

    def run(self) -> None:
        """:raises InputError: what is kept elsewhere is not the beginning of this log :raises Unavailable: no answer"""
        try:
            note = (self._folder / CHECKPOINT).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return  # nothing was recorded yet
        if note == self._published:
            return
        head = open_note(note, (self._folder / PUBLIC_KEY).read_text(encoding="utf-8", errors="replace"))
        kept = self._store.audit_heads.read(head.origin)
        if kept is not None:
            self._check(kept, head, "the store")
        self._store.audit_heads.put(head.origin, head.size, note, self._clock())
        if self._witness is not None:
            for old in read_witness(self._witness):
                self._check(old, head, f"the witness {self._witness.place}")
            write_witness(self._witness, note)
        self._published = note

    def _check(self, kept: str, head: Checkpoint, where: str) -> None:
        old = open_note(kept, (self._folder / PUBLIC_KEY).read_text(encoding="utf-8", errors="replace"))
        subtree = TileReader(self._folder, head.size).subtree
        if old.size > head.size or compute_root(old.size, subtree) != old.root:
            raise InputError(
                f"{where} holds a head of {old.size} entries that this log of {head.size} does not begin with: the log "
                "was set back or replaced; run steward audit verify. After a restore on purpose, keep that head and "
                "name a new witness"
            )


def read_witness(witness: WitnessPlan) -> list[str]:
    """The notes that are kept there; none yet: an empty list. :raises Unavailable: it does not answer"""
    if witness.is_file:
        try:
            return split_notes(Path(witness.place).read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"the witness {witness.place} cannot be read ({type(error).__name__})") from error
    text = _ask(witness, "GET", None)
    return [] if text is None else split_notes(text)


def write_witness(witness: WitnessPlan, note: str) -> None:
    """Keep a note there. :raises Unavailable: it could not be written"""
    if not witness.is_file:
        _ask(witness, "PUT", note)
        return
    try:
        with open_private(Path(witness.place), "ab") as file:
            file.write(f"{note}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(f"the witness {witness.place} cannot be written ({error.strerror})") from error


def _ask(witness: WitnessPlan, method: str, note: str | None) -> str | None:
    """What it answered; None: nothing is kept there yet. The message never repeats the key."""
    headers = {**_USER_AGENT, "content-type": "text/plain; charset=utf-8"}
    if witness.key is not None:
        headers["authorization"] = f"Bearer {resolve(witness.key).reveal()}"
    body = note.encode() if note is not None else None
    request = urllib.request.Request(witness.place, body, headers, method=method)
    try:
        with open_url(request, TIMEOUT_S) as answer:
            text: bytes = answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404 and method == "GET":
                return None
            raise Unavailable(f"the witness {witness.place} answered HTTP {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise Unavailable(f"the witness {witness.place} could not be reached ({reason})") from error
    if len(text) > MOST_BYTES:
        raise Unavailable(f"the witness {witness.place} answered more than {MOST_BYTES:,} bytes")
    return text.decode("utf-8", errors="replace")
