"""Where answers of `/v1/responses` lie for a while: `home/responses`, sealed under the root key.

    responses/PROJECT/ANSWER    one answer and what it was asked; PROJECT is a digest of tenant and project

A file opens only as the answer of its project, so that one that is moved opens nowhere. It is written once, whole, and
goes when its time is over or when all together take too much, the oldest first.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.files import write_file
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse
from steward.security.rootkey import derive
from steward.security.seal import encode_owner, seal, unseal

log = logging.getLogger(__name__)

FOLDER: Final = "responses"
_decode: Final = msgspec.msgpack.Decoder(StoredResponse)


class FileResponseStore:
    """`gateway.middleware.keep.ResponseStore` over files; several processes may share a home."""

    def __init__(
        self, home: Path, root: bytes, plan: ResponseStorePlan, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder, self._plan, self._clock = home / FOLDER, plan, clock
        self._key = derive(root, "stored responses")
        self._unchecked = 0  # bytes that were written here since all were counted

    def put(self, tenant: str, project: str, name: str, answer: StoredResponse) -> None:
        """:raises OSError: as on a full disk"""
        folder = self._folder / _digest(tenant, project)
        for place in (folder.parent, folder):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed = seal(self._key, msgspec.msgpack.encode(answer), _owner(tenant, project, name))
        write_file(folder / name, sealed)
        self._unchecked += len(sealed)
        if self._unchecked > self._plan.max_bytes // 16:
            self._unchecked = 0
            prune(self._folder.parent, self._plan, self._clock())

    def find(self, tenant: str, project: str, names: frozenset[str]) -> dict[str, StoredResponse]:
        """:raises OSError: not readable"""
        folder, found = self._folder / _digest(tenant, project), {}
        now = self._clock()
        for name in sorted(names):
            try:
                sealed = (folder / name).read_bytes()
                answer = _decode.decode(unseal(self._key, sealed, _owner(tenant, project, name)))
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


def prune(home: Path, plan: ResponseStorePlan, now: float) -> int:
    """Delete what is too old or too much; -> how many. Where nothing is to be kept any more, all goes."""
    files = sorted(_list_files(home / FOLDER), reverse=True)  # the newest first
    total = deleted = 0
    for written_at, size, path in files:
        total += size
        if abs(now - written_at) >= plan.keep_s or total > plan.max_bytes:
            path.unlink(missing_ok=True)
            deleted += 1
    return deleted


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
