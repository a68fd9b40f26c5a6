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
from steward.text.lexicons import load_lexicon, load_rows, load_titles
from steward.text.perturbations import match_case, replace_phrases

_WORD: Final = re.compile(r"[^\W\d_]+")


@lru_cache
def swap_kinds() -> tuple[str, ...]:
    """Every swap by its name."""
    origins = [f"origin:{title}" for title in load_titles("names")]
    return ("gender", *origins, *(f"dialect:{title}" for title in load_titles("dialects")))


def swap_text(text: str, kind: str) -> str | None:
    """None where the swap cannot be undone.

    >>> swap_text("Mary lost her key. Give it to her!", "gender")
    'John lost his key. Give it to him!'
    >>> swap_text("Mary called.", "origin:indian")
    'Ananya called.'

    :raises UnknownName: no such swap
    """
    if kind not in swap_kinds():
        raise UnknownName("swap", kind, swap_kinds())
    kind, _, group = kind.partition(":")
    if kind == "gender":
        swapped_text = _swap_gender(text)
        return swapped_text if _swap_gender(swapped_text) == text else None
    if kind == "origin":
        return _WORD.sub(lambda found: _origin_names(group).get(found[0], found[0]), text)
    return replace_phrases(text, dict(load_rows("dialects", group)))[0]  # type: ignore[arg-type]  # all its lines are pairs


def _swap_gender(text: str) -> str:
    def other(match: re.Match[str]) -> str:
        word = match[0].casefold()
        if match[0] in _name_pairs():
            return _name_pairs()[match[0]]
        if word in ("her", "his"):
            owns = _is_possessive(text[match.end() :])
            return match_case(match[0], ("his" if owns else "him") if word == "her" else "her" if owns else "hers")
        return match_case(match[0], _gender_pairs()[word]) if word in _gender_pairs() else match[0]

    return _WORD.sub(other, text)


def _is_possessive(rest: str) -> bool:
    """Whether what follows "her" or "his" is what is owned: a word that is no function word, or "own"."""
    after = re.match(r"\s+([^\W\d_]+)", rest)
    return after is not None and (
        after[1].casefold() == "own" or after[1].casefold() not in load_lexicon("stop_words")[""]
    )


@lru_cache
def _gender_pairs() -> dict[str, str]:
    counterparts = {"him": "her", "hers": "his"}
    for one, other in load_rows("gender"):
        counterparts |= {one.casefold(): other.casefold(), other.casefold(): one.casefold()}
    return counterparts


@lru_cache
def _name_pairs() -> dict[str, str]:
    pairs = [pair for title in load_titles("names") for pair in load_rows("names", title)]
    return {one: other for pair in pairs for one, other in (pair, pair[::-1])}


@lru_cache
def _origin_names(group: str) -> dict[str, str]:
    """Every listed name to the group's name of the same line and gender; the group's own names stay."""
    target_rows = load_rows("names", group)
    replacements = {
        name: target_rows[line][side]
        for title in load_titles("names")
        for line, pair in enumerate(load_rows("names", title))
        for side, name in enumerate(pair)
    }
    return replacements | {name: name for pair in target_rows for name in pair}
