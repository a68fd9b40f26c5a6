"""How numbers and times are written for whoever reads: in their time zone, with their separators. Pure.

The zone comes from a cookie that the script of the layout or the page Display sets, the separators from
`Accept-Language`. Dates name their month, so that nobody takes 03-04 for the wrong one. Ours rather than Babel, which
brings 30 MB of data for the three kinds of separators that are needed here; those are of CLDR 46.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from math import floor, log10
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

ZONE_COOKIE: Final = "steward_zone"
THEME_COOKIE: Final = "steward_theme"
Theme = Literal["", "light", "dark"]  # "": as the reader's system says

_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,32}){0,2}")
# the languages that write 1.234,5 and those that write 1 234,5
_COMMA: Final = re.compile(r"ca|da|de|el|es|gl|hr|id|is|it|nl|pt|ro|sl|tr|vi")
_SPACE: Final = re.compile(r"bg|cs|et|fi|fr|hu|lt|lv|nb|nn|no|pl|ru|sk|sv|uk")
_NARROW_SPACE: Final = "\u202f"
_UNITS: Final = {"T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3}


class Reader(msgspec.Struct, frozen=True):
    """Who reads a page: a zone of the tz database, and the language that decides on separators."""

    zone: str = "UTC"
    language: str = "en"
    theme: Theme = ""
    hours12: bool = False

    def number(self, value: float | None, digits: int = 0) -> str:
        """
        >>> Reader().number(1234567.891, 1), Reader(language="de").number(1234.5, 1), Reader().number(None)
        ('1,234,567.9', '1.234,5', '–')
        """
        if value is None:
            return "–"
        text = f"{value:,.{digits}f}"
        if _COMMA.fullmatch(self.language):
            return text.translate(str.maketrans(",.", ".,"))
        if _SPACE.fullmatch(self.language):
            return text.translate(str.maketrans(",.", f"{_NARROW_SPACE},"))
        return text

    def compact(self, value: float | None) -> str:
        """Three figures at most, above 9,999.

        >>> Reader().compact(9999), Reader().compact(12_345), Reader().compact(1_234_567), Reader().compact(0.25)
        ('9,999', '12.3k', '1.23M', '0.25')
        """
        if value is None:
            return "–"
        if abs(value) < 10_000:
            size = abs(value)
            return self.number(value, 0 if float(value).is_integer() or size >= 100 else 2 if size < 1 else 1)
        unit = next(unit for unit in _UNITS if abs(value) >= _UNITS[unit])
        scaled = value / _UNITS[unit]
        return self.number(scaled, 2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0) + unit

    def share(self, value: float | None, digits: int = 1) -> str:
        """
        >>> Reader().share(0.0123), Reader().share(0.99987, 2), Reader().share(None)
        ('1.2 %', '99.99 %', '–')
        """
        return "–" if value is None else f"{self.number(100 * value, digits)} %"

    def usd(self, value: float | None) -> str:
        """
        >>> Reader().usd(0.00042), Reader().usd(0.08002), Reader().usd(12.5), Reader().usd(12345.6), Reader().usd(0)
        ('$0.00042', '$0.080', '$12.50', '$12,346', '$0')
        """
        if value is None:
            return "–"
        digits = 0 if value == 0 or abs(value) >= 1000 else 2
        if 0 < abs(value) < 0.1:  # two that say something
            digits = min(9, 1 - floor(log10(abs(value))))
        return f"${self.number(value, digits)}"

    def duration(self, seconds: float | None) -> str:
        """
        >>> [Reader().duration(value) for value in (0.0042, 0.25, 2.5, 42, 3720, 200000)]
        ['4.2 ms', '250 ms', '2.5 s', '42 s', '1 h 2 min', '2 d 7 h']
        """
        if seconds is None:
            return "–"
        if seconds < 1:
            value = seconds * 1000
            return f"{self.number(value, 1 if 0 < value < 10 else 0)} ms"
        if seconds < 60:
            return f"{self.number(seconds, 1 if seconds < 10 else 0)} s"
        whole = int(seconds)
        for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
            if whole >= size:
                rest = whole % size // smaller
                return f"{whole // size} {unit} {rest} {name}" if rest else f"{whole // size} {unit}"
        return f"{whole} s"

    def clock(self, at: float | None, seconds: bool = False) -> str:
        """
        >>> Reader(zone="Europe/Berlin").clock(0), Reader(hours12=True).clock(46800)
        ('01:00', '1:00 PM')
        """
        if at is None:
            return "–"
        moment = self._local(at)
        if self.hours12:
            return moment.strftime("%I:%M:%S %p" if seconds else "%I:%M %p").lstrip("0")
        return moment.strftime("%H:%M:%S" if seconds else "%H:%M")

    def day(self, at: float | None) -> str:
        """
        >>> Reader().day(0), Reader(zone="America/New_York").day(0)
        ('1 Jan 1970', '31 Dec 1969')
        """
        if at is None:
            return "–"
        moment = self._local(at)
        return f"{moment.day} {moment:%b %Y}"

    def moment(self, at: float | None, seconds: bool = False) -> str:
        """
        >>> Reader().moment(0)
        '1 Jan 1970, 00:00'
        """
        return "–" if at is None else f"{self.day(at)}, {self.clock(at, seconds)}"

    def short(self, at: float) -> str:
        """Without the year, for long lists of what is new.

        >>> Reader().short(0)
        '1 Jan, 00:00:00'
        """
        moment = self._local(at)
        return f"{moment.day} {moment:%b}, {self.clock(at, seconds=True)}"

    def field(self, at: float) -> str:
        """As a form's field for a date and time has it.

        >>> Reader().field(0)
        '1970-01-01T00:00'
        """
        return f"{self._local(at):%Y-%m-%dT%H:%M}"

    def ago(self, at: float | None, now: float) -> str:
        """
        >>> Reader().ago(0.0, 90.0), Reader().ago(100.0, 90.0), Reader().ago(None, 1.0)
        ('1 min 30 s ago', 'in 10 s', 'never')
        """
        if at is None:
            return "never"
        return f"{self.duration(now - at)} ago" if now >= at else f"in {self.duration(at - now)}"

    def ticks(self, starts: list[int], step_s: int) -> list[str]:
        """Labels of equal steps of a chart: clocks within a day or two, days beyond.

        >>> Reader().ticks([0, 3600], 3600), Reader().ticks([0, 86400], 86400)
        (['00:00', '01:00'], ['1 Jan', '2 Jan'])
        """
        if step_s >= 86400:  # days are UTC's
            return [f"{one.day} {one:%b}" for one in (datetime.fromtimestamp(at, ZoneInfo("UTC")) for at in starts)]
        if starts and starts[-1] - starts[0] > 2 * 86400:
            return [f"{one.day} {one:%b %H:%M}" for one in map(self._local, starts)]
        return [f"{self._local(at):%H:%M}" for at in starts]

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, find_zone(self.zone) or ZoneInfo("UTC"))


@lru_cache
def find_zone(name: str) -> ZoneInfo | None:
    """None: there is no such zone, or this machine does not know it.

    >>> find_zone("../../etc/passwd") is None, find_zone("UTC").key
    (True, 'UTC')
    """
    if not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError; a folder is an OSError
        return None


def find_reader(cookies: Mapping[str, str], languages: str) -> Reader:
    """`languages`: the text of Accept-Language.

    >>> find_reader({"steward_zone": "Europe/Paris"}, "fr-CH, en;q=0.5")
    Reader(zone='Europe/Paris', language='fr', theme='', hours12=False)
    >>> find_reader({"steward_zone": "Nowhere"}, "en-US")
    Reader(zone='UTC', language='en', theme='', hours12=True)
    """
    zone = cookies.get(ZONE_COOKIE, "").replace("%2F", "/")
    first = languages.partition(",")[0].partition(";")[0].strip()
    language = first.partition("-")[0].lower()
    return Reader(
        zone=zone if find_zone(zone) is not None else "UTC",
        language=language if language.isalpha() and len(language) <= 3 else "en",
        theme=find_theme(cookies.get(THEME_COOKIE, "")),
        hours12=first.lower() in ("en-us", "en-ca", "en-au", "en-in"),
    )


def find_theme(text: str) -> Theme:
    """
    >>> find_theme("dark"), find_theme("<x>")
    ('dark', '')
    """
    return "light" if text == "light" else "dark" if text == "dark" else ""
