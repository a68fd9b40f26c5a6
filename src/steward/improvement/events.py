"""Requests of a release as its guards see them: one JSON object a line, without a word of content.

`weight` is the share of people who got the candidate when the request's arm was drawn, on lines of both arms. A field
that is missing or null is not known; an unknown field is ignored.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from math import isfinite
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.excerpts import cut_text
from steward.core.records import Arm

EXAMPLE: Final = '{"at": 1764288000.0, "subject": "5f2c", "arm": "candidate", "weight": 0.25, "bad": false}'
MAX_LINE_BYTES: Final = 1 << 20
MOST_USD: Final = 1e6  # of one request
_LATEST: Final = 32503680000.0  # the year 3000: what is beyond it counts something else than seconds
_DIGITS: Final = 9  # of a weight: some logs round them
_FIRST: Final = 2000  # events that tell whose share `weight` is


class ReleaseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One request that has ended. `at`: seconds since the epoch; scores in [-1, 1]; None: not known.

    `refused`: the model declined to answer; `guard_hit`: a guard objected to the answer.
    """

    at: float
    arm: Arm
    weight: float
    subject: str | None = None
    bad: bool | None = None
    slow: bool | None = None
    usd: float | None = None
    score: float | None = None
    judge: float | None = None
    refused: bool | None = None
    guard_hit: bool | None = None


class _Line(msgspec.Struct):
    at: float | str
    arm: Arm
    weight: float
    subject: str | int | None = None
    bad: bool | None = None
    slow: bool | None = None
    usd: float | None = None
    score: float | None = None
    judge: float | None = None
    refused: bool | None = None
    guard_hit: bool | None = None


_decoder: Final = msgspec.json.Decoder(_Line)


def read_release_events(path: Path) -> Iterator[ReleaseEvent]:
    """The events of a file, in its order.

    A release decides about people, so no line is passed over: one that cannot be read ends the reading.
    :raises InputError: no such file, a line that is no event, or one that is earlier than the line before it
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a file with one JSON object a line") from error
    with file:
        before = -1.0
        for number, line in enumerate(file, 1):
            line = line.removeprefix(BOM_UTF8) if number == 1 else line
            if not line or line.isspace():
                continue
            event = parse_release_event(line, f"{path}:{number}")
            if event.at < before:
                raise InputError(f"{path}:{number}: at {event.at:.3f} is before the line above; sort the lines by at")
            before = event.at
            yield event


def parse_release_event(line: bytes, where: str) -> ReleaseEvent:
    """:raises InputError: no event; `where` is its place"""
    if len(line) > MAX_LINE_BYTES:
        raise InputError(f"{where}: a line of {len(line):,} bytes; expected at most {MAX_LINE_BYTES:,}")
    try:
        seen = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{where}: {error}; expected an event such as {EXAMPLE}") from error
    if not 0.0 < seen.weight < 1.0:
        raise InputError(f"{where}: weight {seen.weight:g}; expected the candidate's share, between 0 and 1")
    if seen.usd is not None and not 0.0 <= seen.usd <= MOST_USD:
        raise InputError(f"{where}: usd {seen.usd:g}; expected dollars of one request, from 0 to {MOST_USD:,.0f}")
    for name, value in (("score", seen.score), ("judge", seen.judge)):
        if value is not None and not -1.0 <= value <= 1.0:
            raise InputError(f"{where}: {name} {value:g}; expected a number from -1 to 1")
    return ReleaseEvent(
        at=_read_time(seen.at, where),
        arm=seen.arm,
        weight=seen.weight,
        subject=None if seen.subject in (None, "") else str(seen.subject),
        bad=seen.bad,
        slow=seen.slow,
        usd=seen.usd,
        score=seen.score,
        judge=seen.judge,
        refused=seen.refused,
        guard_hit=seen.guard_hit,
    )


def _read_time(at: float | str, where: str) -> float:
    if isinstance(at, str):
        try:
            read = datetime.fromisoformat(at)
        except ValueError as error:
            raise InputError(
                f"{where}: at {cut_text(at)!r}; expected seconds since 1970 or 2026-11-28T12:00:00Z"
            ) from error
        at = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    if not (isfinite(at) and at >= 0.0):
        raise InputError(f"{where}: at {at:g}; expected seconds since 1970")
    if at >= _LATEST:
        raise InputError(f"{where}: at {at:.0f} is after the year 3000; expected seconds, not milliseconds, since 1970")
    return at


def align_weights(events: Iterator[ReleaseEvent]) -> Iterator[ReleaseEvent]:
    """The same events, `weight` the candidate's share in all of them.

    Some logs hold the probability of the arm that was drawn instead. Then the champion's weights are the complements
    of the candidate's, and no weight but a half stands on lines of both arms, which shares never do.
    """
    first = list(islice(events, _FIRST))
    mine = {round(event.weight, _DIGITS) for event in first if event.arm == "candidate"}
    others = {round(event.weight, _DIGITS) for event in first if event.arm == "champion"}
    complements = {round(1.0 - weight, _DIGITS) for weight in mine}
    if mine and others and mine | others != {0.5} and complements == others and not (mine & others) - {0.5}:
        for event in chain(first, events):
            share = event.weight if event.arm == "candidate" else 1.0 - event.weight
            yield msgspec.structs.replace(event, weight=round(share, 12))
    else:
        yield from chain(first, events)
