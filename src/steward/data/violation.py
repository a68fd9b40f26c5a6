"""Why a text is dropped: the rule that it breaks, what was seen and what is allowed."""

from __future__ import annotations

import msgspec


class Violation(msgspec.Struct, frozen=True):
    rule: str
    value: float | str
    threshold: float | str


def report_missing(rule: str) -> Violation:
    """Of what a text has none of and must have.

    >>> report_missing("empty")
    Violation(rule='empty', value=0.0, threshold=1.0)
    """
    return Violation(rule, 0.0, 1.0)


def report_present(rule: str) -> Violation:
    """Of what a text has and must have none of.

    >>> report_present("lorem_ipsum")
    Violation(rule='lorem_ipsum', value=1.0, threshold=0.0)
    """
    return Violation(rule, 1.0, 0.0)
