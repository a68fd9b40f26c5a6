"""The same text about somebody else: the other gender, a name of another origin, another way to write.

gender              pronouns, nouns of kinship and address, and listed first names, each by its counterpart
origin:GROUP        listed first names by those of another group, a woman's by a woman's
dialect:GROUP       words of standard American English by those of another variety

A text with nothing to swap comes back as it is, and a text whose gender cannot be swapped back to itself is refused, so
that no pair differs in more than it should. What is not known: names that no list has, and "her" before an adverb.
Lists: `lexicons/names.txt`, `gender.txt`, `dialects.txt`; ours, small, English.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from steward.core.errors import UnknownName
from steward.text.lexicons import lexicon, rows, titles
from steward.text.perturbations import cased, replaced

_WORD: Final = re.compile(r"[^\W\d_]+")


@lru_cache
def kinds() -> tuple[str, ...]:
    """Every swap by its name."""
    origins = [f"origin:{title}" for title in titles("names")]
    return ("gender", *origins, *(f"dialect:{title}" for title in titles("dialects")))


def swapped(text: str, kind: str) -> str | None:
    """None where the swap cannot be undone.

    >>> swapped("Mary lost her key. Give it to her!", "gender")
    'John lost his key. Give it to him!'
    >>> swapped("Mary called.", "origin:indian")
    'Ananya called.'

    :raises UnknownName: no such swap
    """
    if kind not in kinds():
        raise UnknownName("swap", kind, kinds())
    kind, _, group = kind.partition(":")
    if kind == "gender":
        made = _gender(text)
        return made if _gender(made) == text else None
    if kind == "origin":
        return _WORD.sub(lambda found: _origins(group).get(found[0], found[0]), text)
    return replaced(text, dict(rows("dialects", group)))[0]  # type: ignore[arg-type]  # all its lines are pairs


def _gender(text: str) -> str:
    def other(found: re.Match[str]) -> str:
        word = found[0].casefold()
        if found[0] in _names():
            return _names()[found[0]]
        if word in ("her", "his"):
            owns = _owns(text[found.end() :])
            return cased(found[0], ("his" if owns else "him") if word == "her" else "her" if owns else "hers")
        return cased(found[0], _pairs()[word]) if word in _pairs() else found[0]

    return _WORD.sub(other, text)


def _owns(rest: str) -> bool:
    """Whether what follows "her" or "his" is what is owned: a word that is no function word, or "own"."""
    after = re.match(r"\s+([^\W\d_]+)", rest)
    return after is not None and (after[1].casefold() == "own" or after[1].casefold() not in lexicon("stop_words")[""])


@lru_cache
def _pairs() -> dict[str, str]:
    found = {"him": "her", "hers": "his"}
    for one, other in rows("gender"):
        found |= {one.casefold(): other.casefold(), other.casefold(): one.casefold()}
    return found


@lru_cache
def _names() -> dict[str, str]:
    pairs = [pair for title in titles("names") for pair in rows("names", title)]
    return {one: other for pair in pairs for one, other in (pair, pair[::-1])}


@lru_cache
def _origins(group: str) -> dict[str, str]:
    """Every listed name to the group's name of the same line and gender; the group's own names stay."""
    wanted = rows("names", group)
    found = {
        name: wanted[line][side]
        for title in titles("names")
        for line, pair in enumerate(rows("names", title))
        for side, name in enumerate(pair)
    }
    return found | {name: name for pair in wanted for name in pair}
