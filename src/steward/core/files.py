"""The one place that replaces a file atomically, takes a lock between processes and makes private files and folders.

A reader sees the old file or the new one, never a part. Temporary names begin with a dot and end in the writer's
process id, so that no two writers share one and nobody takes them for the file.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Literal

from steward.core.interrupts import remove_temporary

FileStamp = tuple[int, int, int]
PRIVATE: Final = 0o600  # the mode of a file that its owner alone may read
PRIVATE_FOLDER: Final = 0o700
OTHERS: Final = 0o077  # what a mode lets others than the owner do; as a umask, it keeps them out
SHARED: Final = 0o644  # the mode of a report: others may read it, as far as the umask allows

_NUMBERS: Final = itertools.count()


def read_stamp(path: Path) -> FileStamp:
    """A value that changes whenever the file does; zeros if there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def name_temporary(path: Path) -> Path:
    """A name beside `path` that no other writer uses; give it to `publish_file` when the file is complete."""
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_NUMBERS)}")


def publish_file(temporary: Path, path: Path, durable: bool = False) -> None:
    """Give a complete file its name. With `durable`, content and name are on the disk when this returns."""
    if durable:
        _sync(temporary, os.O_RDONLY)
    os.replace(temporary, path)
    if durable:
        sync_folder(path.parent)


@contextmanager
def replace_file(path: Path, durable: bool = False) -> Iterator[Path]:
    """A temporary path to write to, which takes the place of `path` at the end of the block.

    If the block raises, the temporary file is removed and `path` stays as it was.
    """
    temporary = name_temporary(path)
    try:
        yield temporary
        publish_file(temporary, path, durable)
    except BaseException:
        remove_temporary(temporary)
        raise


def quote_path(path: Path) -> str:
    """A path as it stands in a command which somebody is told to run.

    >>> quote_path(Path("a b"))
    "'a b'"
    """
    return shlex.quote(str(path))


def spell_home(home: Path) -> str:
    """The option that names a home in a command which somebody is told to run; none for the one of this folder."""
    return "" if home.absolute() == Path.cwd() / ".steward" else f" --home {quote_path(home)}"


def write_file(path: Path, data: bytes, durable: bool = False, mode: int = PRIVATE) -> None:
    """Replace `path` by `data`, readable by its owner only; `mode` may allow more, as far as the umask does.

    What is no file, such as /dev/stdout or a named pipe, is written to.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    with replace_file(path, durable) as temporary:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)


def open_private(path: Path, mode: Literal["ab", "ab+", "wb", "xb", "xb+"]) -> BinaryIO:
    """Open a file for writing; one that is made is readable by its owner only, whatever the umask of the process is."""
    return open(path, mode, opener=partial(os.open, mode=PRIVATE))


def open_private_descriptor(path: Path, flags: int) -> int:
    """`open_private` without a buffer: each write is one call. `flags` are those of `os.open`."""
    return os.open(path, flags | os.O_CREAT, PRIVATE)


def touch_private(path: Path, exist_ok: bool = True) -> None:
    """Make an empty file for its owner only. :raises FileExistsError: there is one, and `exist_ok` is false"""
    path.touch(mode=PRIVATE, exist_ok=exist_ok)


def read_mode(path: Path) -> int:
    """Who may do what with a file, as chmod takes it. :raises OSError: as for one that is missing"""
    return stat.S_IMODE(path.stat().st_mode)


def is_private(path: Path) -> bool:
    """Whether nobody but its owner may do anything with it. :raises OSError: as for one that is missing"""
    return not read_mode(path) & OTHERS


def make_private_folder(folder: Path, exist_ok: bool = True) -> None:
    """Make a folder and what is missing above it, each for its owner only, whatever the umask of the process is.

    `Path.mkdir` gives its mode to the last folder alone. A folder that exists keeps its mode; if `folder` does and
    `exist_ok` is false, or if it is no folder, this raises FileExistsError.
    """
    for parent in reversed(folder.parents):
        if not parent.exists():
            parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=exist_ok)


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on the disk: without it a power failure may lose a new file with its name."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_descriptor(descriptor: int, wait: bool = True) -> bool:
    """Lock an open file for this process; it is free again when the descriptor is closed or unlocked.

    Returns False if somebody else holds it and `wait` is false.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def bind_lock(descriptor: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """What locks an open file, waiting for it, and what unlocks it: for whom does both with each request."""
    return partial(fcntl.flock, descriptor, fcntl.LOCK_EX), partial(fcntl.flock, descriptor, fcntl.LOCK_UN)


def take_lock(path: Path) -> int:
    """A descriptor that holds the lock of `path`, which is made if needed; waits for it. Close it to free the lock."""
    descriptor = _lock(path, wait=True)
    assert descriptor is not None
    return descriptor


def try_lock(path: Path) -> int | None:
    """What `take_lock` returns, or None if somebody else holds the lock now."""
    return _lock(path, wait=False)


def _lock(path: Path, wait: bool) -> int | None:
    """A file that was removed while this waited is no lock: the one that bears the name now is locked instead."""
    while True:
        descriptor = open_private_descriptor(path, os.O_RDWR)
        if not lock_descriptor(descriptor, wait):
            os.close(descriptor)
            return None
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Wait for the lock of `path` and hold it for the block."""
    descriptor = take_lock(path)
    try:
        yield
    finally:
        os.close(descriptor)
