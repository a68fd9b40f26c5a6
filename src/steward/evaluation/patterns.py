"""Regular expressions that a suite's author wrote, over answers that a model wrote: as Python's `re`, within a time.

`re` cannot be stopped, and a repetition within a repetition takes twice as long for each further letter. The library
`regex` reads the same patterns and has a limit of time. An answer that a pattern takes too long for has no value, which
is told with the reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

Result = TypeVar("Result")
LONGEST_S: Final = 2.0  # of one search


class PatternTooSlow(Exception):
    """A pattern took too long for an answer."""

    def __init__(self, pattern: str, text: str) -> None:
        super().__init__(
            f"the pattern {pattern!r} takes over {LONGEST_S:g} s for an answer of {len(text):,} characters; write it "
            "without a repetition within a repetition, such as (a+)+"
        )


def search(pattern: str, text: str, ignore_case: bool = False, lines: bool = False) -> Any:
    """The first match, or None. `lines`: ^ and $ match at every line. :raises PatternTooSlow:"""
    import regex

    flags = (regex.IGNORECASE if ignore_case else 0) | (regex.MULTILINE if lines else 0)
    return _within_time(pattern, text, lambda: regex.search(pattern, text, flags, timeout=LONGEST_S))


def find_last(pattern: str, text: str) -> Any:
    """The last match, or None; ^ and $ match at every line. :raises PatternTooSlow:"""
    import regex

    def find() -> Any:
        found = deque(regex.finditer(pattern, text, regex.MULTILINE, timeout=LONGEST_S), maxlen=1)
        return found[0] if found else None

    return _within_time(pattern, text, find)


def _within_time(pattern: str, text: str, find: Callable[[], Result]) -> Result:
    try:
        return find()
    except TimeoutError:
        raise PatternTooSlow(pattern, text) from None
