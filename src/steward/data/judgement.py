"""What a model is asked about a row, and what score its answer holds."""

from __future__ import annotations

import re

from steward.core.errors import InputError

PLACE = "{{ text }}"
_PLACES = re.compile(r"\{\{\s*text\s*\}\}")
_SCORE = re.compile(r"(?i)\bscore\W{1,10}(-?[0-9]+(?:\.[0-9]+)?)")
_ALONE = re.compile(r"[\s*_\"'(]*(-?[0-9]+(?:\.[0-9]+)?)[\s*_\"').]*")


def make_question(template: str, text: str) -> str:
    """The template with the text where it says `{{ text }}`. :raises InputError: it does not"""
    if not _PLACES.search(template):
        raise InputError(f"the question has no {PLACE}; expected it where the row's text belongs")
    return _PLACES.sub(lambda _: text, template)


def read_score(answer: str, lowest: float, highest: float) -> float | None:
    """The last number behind the word score, or the only thing in the answer; None where there is none in the bounds.

    >>> read_score("Clear and correct. Score: 4", 0, 5), read_score("4", 0, 5), read_score("Between 3 and 4", 0, 5)
    (4.0, 4.0, None)
    """
    named = _SCORE.findall(answer)
    alone = _ALONE.fullmatch(answer)
    number = float(named[-1]) if named else float(alone.group(1)) if alone else None
    return number if number is not None and lowest <= number <= highest else None
