"""The one tree of errors, branched by what the caller can do about them.

    StewardError
      InputError          fix the input: configuration, arguments, files            exit 2
        UnknownName       a name that does not exist; carries the nearest one
        ContentErased     content whose key was destroyed
      Unavailable         retry later, the world failed: network, disk, upstream    exit 4
        TimedOut          an upstream was too slow
      Exhausted           this machine has run out: descriptors, disk               exit 4
      Blocked             a guard stops an answer on its way                        (HTTP)
      Refused             the request is refused: key, permission, limit            (HTTP)
      Contradiction       steward caught itself in one: a ledger that does not balance  exit 5
    KeyboardInterrupt
      Interrupted         Ctrl-C or SIGTERM, with what is kept and how to go on     exit 130

Messages give the value seen, the value expected and the next step. They never carry prompts,
completions or secrets.
"""

from __future__ import annotations

import difflib
import errno
import traceback
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from steward.core.excerpts import cut_text


class StewardError(Exception):
    """Base of all errors that steward raises on purpose."""

    exit_code = 4


class InputError(StewardError):
    """The input is wrong: configuration, argument or file."""

    exit_code = 2


def find_nearest(seen: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The name that was probably meant; None where none resembles it by `cutoff` (0 to 1).

    >>> find_nearest("startr", ["starter", "big"]), find_nearest("h1000", ["MI100", "H100-SXM5", "H200-SXM"])
    ('starter', 'H100-SXM5')
    """
    return next(iter(rank_nearest(seen, known, cutoff)), None)


def rank_nearest(seen: str, known: Iterable[str], cutoff: float) -> list[str]:
    """The names that resemble `seen` by `cutoff`, best first; letters count the same in either case."""
    likeness = {name: measure_likeness(seen, name) for name in sorted(known)}
    near = [name for name, value in likeness.items() if value >= cutoff]
    return sorted(near, key=lambda name: -likeness[name])


def measure_likeness(seen: str, name: str) -> float:
    """From 0 to 1: difflib's ratio with the whole name, or slightly less with its first words (H100 of H100-SXM5).

    What begins with the same letter is preferred where all else is equal: h1000 is rather H100 than A100.
    """
    wanted, whole = seen.casefold(), name.casefold()
    ends = [end for end in range(2, len(whole)) if whole[end] in "-_ /."]
    ratios = [difflib.SequenceMatcher(None, wanted, whole).ratio()]
    ratios += [0.99 * difflib.SequenceMatcher(None, wanted, whole[:end]).ratio() for end in ends]
    return max(ratios) - (0.001 if wanted[:1] != whole[:1] else 0.0)


MAX_NAMES_LISTED: Final = 12  # that an error lists where there are many more


class ContentErased(InputError):
    """Content whose key was destroyed: it was erased, and nobody can open it any more."""


class UnknownName(InputError):
    """A name that does not exist. `where` is the file and line that names it.

    >>> str(UnknownName("model", "startr", ["starter", "big"]))
    "unknown model 'startr'; did you mean 'starter'? Known: big, starter"
    """

    def __init__(self, kind: str, seen: str, known: Iterable[str], where: str = "") -> None:
        seen = cut_text(seen)
        names = sorted(known)
        close = rank_nearest(seen, names, cutoff=0.4)[:MAX_NAMES_LISTED]
        nearest = find_nearest(seen, names)
        hint = f"; did you mean {nearest!r}?" if nearest else "."
        listed = ", ".join(names) or "none"
        if len(names) > 2 * MAX_NAMES_LISTED:
            listed = f"{', '.join(sorted(close or names[:MAX_NAMES_LISTED]))} and others, {len(names)} in all"
        super().__init__(f"{where and f'{where}: '}unknown {kind} {seen!r}{hint} Known: {listed}")


class Unavailable(StewardError):
    """The world failed: network, disk, upstream. Retrying may help."""

    exit_code = 4


class TimedOut(Unavailable):
    """No connection, first byte, next chunk or end in the time that was given for it."""


class Exhausted(StewardError):
    """This machine has run out of something that a request needs; it recovers by itself. Not an upstream's fault."""

    exit_code = 4


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, where more can be said than that: what is kept, and the command that goes on with it.

    Like `KeyboardInterrupt` it is no `Exception`, so that nothing on its way takes it for a failure.
    """


_RESOURCES: Final = {
    errno.EMFILE: "this process has no file descriptors left (ulimit -n)",
    errno.ENFILE: "this machine has no file descriptors left",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
}


def find_exhausted(error: OSError) -> Exhausted | None:
    """What has run out, where that is the cause of `error`.

    >>> str(find_exhausted(OSError(errno.ENOSPC, "No space left on device")))
    'the disk is full'
    """
    reason = _RESOURCES.get(error.errno or 0)
    return Exhausted(reason) if reason is not None else None


def find_full_database(error: BaseException | None) -> Exhausted | None:
    """What has run out, where SQLite says so (SQLITE_FULL, sqlite.org/rescode.html)."""
    return Exhausted(_RESOURCES[errno.ENOSPC]) if "database or disk is full" in str(error) else None


class Blocked(StewardError):
    """A guard stops an answer on its way; its text is the guard's reason, never the answer's."""


class Refused(StewardError):
    """A request is refused. `status`, `type` and `code` are OpenAI's error vocabulary.

    `limit` and `scope` say which limit of whom refused it ("tokens", "key"), for the metrics.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str,
        code: str | None = None,
        param: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        limit: str = "",
        scope: str = "",
    ) -> None:
        super().__init__(message)
        self.limit, self.scope = limit, scope
        self.message, self.status, self.type, self.code, self.param, self.headers = (
            message,
            status,
            type,
            code,
            param,
            headers,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """It may be raised in another process than where it is told."""
        named = {name: getattr(self, name) for name in _REFUSAL_FIELDS}
        return partial(Refused, **named), (self.message,)


_REFUSAL_FIELDS: Final = ("status", "type", "code", "param", "headers", "limit", "scope")


class Contradiction(StewardError):
    """steward found itself in a contradiction, such as a ledger that does not balance."""

    exit_code = 5


def describe_trace(error: BaseException) -> str:
    """What was raised and by which way, for a log: without messages of errors and values, which may repeat content."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    parts = ["".join([*traceback.format_tb(one.__traceback__), type(one).__name__]) for one in reversed(chain)]
    return "\nthen:\n".join(parts)


def describe_origin(error: BaseException) -> str:
    """What was raised and where, such as "ValueError at guard.py:41", without its message: that may repeat content.

    >>> describe_origin(ValueError("a secret"))
    'ValueError'
    """
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    if frames is None:
        return type(error).__name__
    place = frames.tb_frame.f_code.co_filename.rpartition("/")[2]
    return f"{type(error).__name__} at {place}:{frames.tb_lineno}"
