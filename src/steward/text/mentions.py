"""How often the entries of a lexicon occur in a text, as whole words or phrases, whatever their case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from steward.core.file_stamp import file_stamp
from steward.text.lexicons import load_lexicon

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")


def count_mentions(text: str, name: str) -> Counter[str]:
    """Occurrences by group of the lexicon `name`; the longest entry counts where several begin.

    >>> count_mentions("She met the old people; her sister did not.", "groups") == {"women": 3, "old": 1}
    True
    """
    entries, longest = _entries(name, file_stamp(name))
    words = [match.group().casefold() for match in _WORD.finditer(text)]
    counts: Counter[str] = Counter()
    at = 0
    while at < len(words):
        for length in range(longest.get(words[at], 0), 0, -1):
            group = entries.get(" ".join(words[at : at + length]))
            if group is not None:
                counts[group] += 1
                at += length
                break
        else:
            at += 1
    return counts


def count_words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))


@lru_cache
def _entries(name: str, stamp: tuple[int, int]) -> tuple[Mapping[str, str], Mapping[str, int]]:
    """The group of each entry, and the words of the longest entry that begins with a word."""
    groups = {entry: group for group, words in load_lexicon(name).items() for entry in words}
    longest: dict[str, int] = {}
    for entry in groups:
        parts = entry.split()
        longest[parts[0]] = max(longest.get(parts[0], 0), len(parts))
    return groups, longest
