"""Files of this machine that legal holds cover: `home/held.json`, which the keeper writes and whoever deletes heeds.

Workers have no store to ask, so what is held is written down for them. What a client deletes of a tenant in which
anybody is held is hidden at first, since the list of files may be older than the file: the keeper deletes it after its
next look, unless a hold covers it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.files import write_file

log = logging.getLogger(__name__)

FILE: Final = "held.json"


class HeldFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Names of files, never of people."""

    answers: frozenset[str] = frozenset()  # PROJECT/ANSWER in home/responses
    projects: frozenset[str] = frozenset()  # folders in home/responses, with all that is in them
    batch_files: frozenset[str] = frozenset()  # ids of what lies in home/batches
    tenants: frozenset[str] = frozenset()  # those in which somebody is held

    def covers_answer(self, path: Path) -> bool:
        """`path`: of a stored answer."""
        return path.parent.name in self.projects or f"{path.parent.name}/{path.name}" in self.answers


def read_held_files(home: Path) -> HeldFiles:
    """Nothing where nothing was ever held. :raises InputError: damaged, so that nothing should be deleted"""
    try:
        return msgspec.json.decode((home / FILE).read_bytes(), type=HeldFiles)
    except FileNotFoundError:
        return HeldFiles()
    except msgspec.MsgspecError as error:
        raise InputError(f"{home / FILE}: damaged ({error}); delete it, and the keeper writes it anew") from error


def may_be_held(home: Path, tenant: str) -> bool:
    """Whether a file of this tenant must not be deleted before the keeper has looked; so too where nobody can tell."""
    try:
        return tenant in read_held_files(home).tenants
    except InputError as error:
        log.error("%s", error)
        return True


def write_held_files(home: Path, held: HeldFiles) -> None:
    """Where something has changed."""
    if held != read_held_files(home):
        write_file(home / FILE, msgspec.json.encode(held), durable=True)
