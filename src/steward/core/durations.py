"""Durations that people write: one grammar for every command."""

from __future__ import annotations

import re
from typing import Final

from steward.core.errors import InputError
from steward.core.excerpts import cut_text

DAY_S: Final = 86400.0  # without leap seconds, as POSIX counts
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SPANS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_S, "w": 604800.0}
_DURATION: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z]*)\s*")


def parse_duration_s(text: str, name: str = "duration") -> float:
    """Seconds of a number with its unit: `500ms`, `60s`, `5m`, `1h`. `name` is what the error calls it.

    :raises InputError: not a number, or no unit, which would leave open whether seconds or milliseconds are meant

    >>> parse_duration_s("1.5m")
    90.0
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InputError(f"{name} {text!r}: expected a number with ms, s, m or h, such as 60s")
    number, unit = match[1], match[2]
    if unit not in _SECONDS:
        seen = f"the unit {unit!r}" if unit else "no unit"
        raise InputError(f"{name} {text!r} has {seen}: expected ms, s, m or h, such as {number}s or {number}ms")
    return float(number) * _SECONDS[unit]


def parse_span_s(text: str, name: str = "span") -> float:
    """Seconds of a span that may last days or weeks: `90s`, `15m`, `24h`, `30d`, `2w`. :raises InputError: another form

    >>> parse_span_s("24h")
    86400.0
    """
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _SPANS:
        raise InputError(f"{name} {cut_text(text)!r}: expected a number and a unit, such as 90s, 15m, 24h, 30d or 2w")
    return float(match[1]) * _SPANS[match[2]]
