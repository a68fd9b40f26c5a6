"""Where answers of `/v1/responses` lie for a while: `home/responses`, sealed under the root key.

    responses/PROJECT/ANSWER                  one answer and its request; PROJECT is a digest of tenant and project
    response-owners/SUBJECT/PROJECT.ANSWER    an empty file: whose answer it is, so that an erasure finds it

A file opens only as the answer of its project, so that one that is moved opens nowhere. It is written once, whole, and
goes when its time is over or when all together take too much, the oldest first. One that a client deletes while a legal
hold may cover it is hidden: its time of change becomes 0, and the keeper deletes it once no hold covers it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.files import make_private_folder, touch_private, write_file
from steward.core.rights import SweptRows
from steward.core.subject_keys import name_exchange
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse
from steward.security.rootkey import RootKeys
from steward.security.seal import encode_owner, seal, unseal_any
from steward.workflows.held_files import may_be_held, read_held_files

log = logging.getLogger(__name__)

FOLDER: Final = "responses"
OWNERS: Final = "response-owners"
EXCHANGE: Final = name_exchange("req_")
_USE: Final = "stored responses"
_DELETED: Final = 0.0  # time of change of what a client has deleted
_YOUNG_S: Final = 60.0  # a mark is written before its answer
_decode: Final = msgspec.msgpack.Decoder(StoredResponse)


class FileResponseStore:
    """`gateway.middleware.keep.ResponseStore` over files; several processes may share a home."""

    def __init__(
        self,
        home: Path,
        roots: Callable[[], RootKeys],
        plan: ResponseStorePlan,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._plan, self._clock, self._roots = home / FOLDER, plan, clock, roots
        self._unchecked = 0  # bytes that were written here since all were counted

    def put(self, tenant: str, project: str, name: str, answer: StoredResponse, subject: str | None = None) -> None:
        """:raises OSError: as on a full disk"""
        folder = self._folder / _digest(tenant, project)
        if subject is not None:
            marks = self._folder.with_name(OWNERS) / _digest(tenant, subject)
            make_private_folder(marks)
            touch_private(marks / f"{folder.name}.{name}")
        for place in (folder.parent, folder):
            make_private_folder(place)
        sealed = seal(self._roots().derive(_USE), msgspec.msgpack.encode(answer), _owner(tenant, project, name))
        write_file(folder / name, sealed)
        self._unchecked += len(sealed)
        if self._unchecked > self._plan.max_bytes // 16:
            self._unchecked = 0
            prune(self._folder.parent, self._plan, self._clock())

    def find(
        self, tenant: str, project: str, names: frozenset[str], *, deleted: bool = False
    ) -> dict[str, StoredResponse]:
        """`deleted`: also what a client has deleted and a legal hold keeps. :raises OSError: not readable"""
        folder, found = self._folder / _digest(tenant, project), {}
        now = self._clock()
        for name in sorted(names):
            try:
                if not deleted and (folder / name).stat().st_mtime == _DELETED:
                    continue
                sealed = (folder / name).read_bytes()
                plain = unseal_any(self._roots().derive_all(_USE), sealed, _owner(tenant, project, name))
                answer = _decode.decode(plain)
            except FileNotFoundError:
                continue
            except (InputError, msgspec.MsgspecError) as error:
                log.error("%s: %s", folder / name, error)
                continue
            if abs(now - answer.at) < self._plan.keep_s:  # also where the clock was set back
                found[name] = answer
        return found


def delete_answers(home: Path, tenant: str, project: str, names: Sequence[str]) -> int:
    """Delete answers of a project by their names; -> how many there were."""
    folder = home / FOLDER / _digest(tenant, project)
    present = [folder / name for name in names if (folder / name).is_file()]
    for path in present:
        path.unlink(missing_ok=True)
    return len(present)


def delete_for_client(home: Path, tenant: str, project: str, name: str) -> bool:
    """Delete an answer, or hide it where a legal hold may cover it; False: there is none."""
    if not may_be_held(home, tenant):
        return delete_answers(home, tenant, project, [name]) > 0
    try:
        os.utime(home / FOLDER / _digest(tenant, project) / name, (_DELETED, _DELETED))
    except FileNotFoundError:
        return False
    return True


def delete_of_subject(home: Path, tenant: str, subject: str) -> int:
    """Delete the answers that a person got, or that of one exchange (`exchange:req_…`); -> how many."""
    marks = list((home / OWNERS / _digest(tenant, subject)).glob("*"))
    paths = [home / FOLDER / Path(*mark.name.split(".")) for mark in marks]
    if subject.startswith(EXCHANGE):
        paths += (home / FOLDER).glob(f"*/{subject.removeprefix(EXCHANGE)}")
    present = [path for path in paths if path.exists()]
    for path in (*present, *marks):
        path.unlink(missing_ok=True)
    return len(present)


def prune(home: Path, plan: ResponseStorePlan, now: float, *, looked: bool = False) -> SweptRows:
    """Delete what is too old or too much and under no legal hold. Where nothing is to be kept any more, all goes.

    `looked`: what holds cover was written down just now, so that what clients have deleted can go too.
    """
    files = sorted(_list_files(home / FOLDER), reverse=True)  # the newest first
    try:
        is_held = read_held_files(home).covers_answer
    except InputError as error:
        log.error("%s", error)
        return SweptRows(deleted=0, held=len(files))
    total = deleted = held = 0
    for written_at, size, path in files:
        total += size
        is_over = looked if written_at == _DELETED else abs(now - written_at) >= plan.keep_s
        if not is_over and total <= plan.max_bytes:
            continue
        if is_held(path):
            held += 1
        else:
            path.unlink(missing_ok=True)
            deleted += 1
    _delete_marks(home, now)
    return SweptRows(deleted=deleted, held=held)


def list_owned(home: Path, tenant: str, subject: str) -> frozenset[str]:
    """PROJECT/ANSWER of each answer that a person got."""
    marks = (home / OWNERS / _digest(tenant, subject)).glob("*")
    return frozenset(mark.name.replace(".", "/", 1) for mark in marks)


def name_project(tenant: str, project: str) -> str:
    """The folder of a project's answers."""
    return _digest(tenant, project)


def _delete_marks(home: Path, now: float) -> None:
    """Of answers that are gone."""
    for mark in (home / OWNERS).glob("*/*"):
        if not (home / FOLDER / Path(*mark.name.split("."))).exists() and now - mark.stat().st_mtime > _YOUNG_S:
            mark.unlink(missing_ok=True)


def _list_files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob("*/*") if folder.is_dir() else ():
        try:
            seen = path.stat()
        except FileNotFoundError:  # another process was faster
            continue
        yield seen.st_mtime, seen.st_size, path


def _digest(tenant: str, project: str) -> str:
    return hashlib.sha256(encode_owner(tenant, project)).hexdigest()[:32]


def _owner(tenant: str, project: str, name: str) -> bytes:
    return encode_owner("stored response", tenant, project, name)
