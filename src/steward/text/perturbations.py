"""Small changes to a text that leave what it asks as it was: for more training rows, and to see whether answers hold.

typos         one letter in about 25 dropped, doubled, or swapped with the next (Wei and Zou 2019, EDA, at the level of
              letters)
case          all lower case, all upper case, or first letters swapped
spacing       a space in ten doubled, tripled or gone round by a line's end, and blanks at the ends (Liang et al. 2022,
              HELM, section 4.7)
contractions  "do not" becomes "don't", or the other way round where there is more to do
synonyms      one listed word in two by another of its line (`lexicons/synonyms.txt`, or a list of the user's)
filler        words that say nothing, before the text or after a comma ("well, ", "you know")
paraphrase    a question or request in another frame ("What is X?", "Could you tell me what X is?"); a text that fits no
              frame stays as it is

All take a generator of random numbers and give the same text for the same one; a text they cannot change comes back as
it is. English, but for typos, case and spacing. Negation, numbers and names are never touched.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from steward.text.lexicons import load_lexicon, load_rows

Change = Callable[[str, random.Random], str]


def add_typos(text: str, rng: random.Random) -> str:
    letters = list(text)
    places = [place for place in range(len(letters) - 1) if letters[place].isalpha() and letters[place + 1].isalpha()]
    for place in rng.sample(places, k=min(len(places), 1 + len(places) // 25)):
        kind = rng.randrange(3)
        if kind == 2:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        else:
            letters[place] *= 2 * kind  # gone, or twice
    return "".join(letters)


def change_case(text: str, rng: random.Random) -> str:
    return rng.choice((str.lower, str.upper, lambda text: re.sub(r"\b\w", lambda m: m[0].swapcase(), text)))(text)


def change_spacing(text: str, rng: random.Random) -> str:
    places = [match.start() for match in re.finditer(" ", text)]
    chosen = set(rng.sample(places, k=min(len(places), 1 + len(places) // 10)))
    wide = "".join(rng.choice(("  ", "   ", " \n")) if at in chosen else c for at, c in enumerate(text))
    return rng.choice(("", " ", "\n")) + wide + rng.choice((" ", "  ", "\n"))


def swap_contractions(text: str, rng: random.Random) -> str:
    """The way that changes more; no random numbers are drawn."""
    short, n_short = replace_phrases(text, {long: short for long, short in load_rows("contractions")})
    long, n_long = replace_phrases(text, {short: long for long, short in load_rows("contractions")})
    return short if n_short >= n_long else long


def replace_synonyms(text: str, rng: random.Random, name: str = "synonyms") -> str:
    """One listed word in two, at least one. `name`: one of our lists, or a file, one line a set of equal words."""
    groups = _synonym_groups(name)
    matches = [phrase for phrase in _phrase_pattern(tuple(groups)).finditer(text)]
    chosen = {phrase.start() for phrase in rng.sample(matches, k=min(len(matches), 1 + len(matches) // 2))}

    def other(match: re.Match[str]) -> str:
        if match.start() not in chosen:
            return match[0]
        word = match[0].casefold()
        return match_case(match[0], rng.choice([synonym for synonym in groups[word] if synonym.casefold() != word]))

    return _phrase_pattern(tuple(groups)).sub(other, text)


_FILLERS: Final = ("well", "so", "actually", "you know", "okay", "um", "like I said", "to be honest")


def insert_filler(text: str, rng: random.Random) -> str:
    word = rng.choice(_FILLERS)
    commas = [match.end() for match in re.finditer(r",(?= )", text)]
    if commas and rng.random() < 0.5:
        at = rng.choice(commas)
        return f"{text[:at]} {word},{text[at:]}"
    first = text.partition(" ")[0]  # "What is" goes on in lower case; "I", "NASA" and "Mary" do not
    lower = first != "I" and first.casefold() in load_lexicon("stop_words")[""]
    rest = text[:1].lower() + text[1:] if lower else text
    return f"{word[:1].upper()}{word[1:]}, {rest}" if text.strip() else text


_REQUEST = r"(?:please\s+|could you\s+|can you\s+)?"
_VERBS = "explain|describe|summari[sz]e|list|write|name|translate|give|compare|find|show|tell"
FRAMES: Final[tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = (
    (
        re.compile(r"(?i)^what (?P<verb>is|are|was|were) (?P<what>[^?\n]+)\?$"),
        ("Could you tell me what {what} {verb}?", "I want to know what {what} {verb}.", "Tell me what {what} {verb}."),
    ),
    (
        re.compile(r"(?i)^how (?:do|can|should) (?:i|you|we) (?P<what>[^?\n]+)\?$"),
        ("What is the way to {what}?", "Please explain how to {what}.", "I want to {what}. How does one do that?"),
    ),
    (
        re.compile(rf"(?i)^{_REQUEST}(?P<verb>{_VERBS}) (?P<what>[^?\n]+?)[.?!]?$"),
        ("Please {verb} {what}.", "Could you {verb} {what}?", "I need you to {verb} {what}."),
    ),
)


def paraphrase(text: str, rng: random.Random) -> str:
    for frame, templates in FRAMES:
        if match := frame.match(text.strip()):
            parts = {name: part.lower() if name == "verb" else part for name, part in match.groupdict().items()}
            return rng.choice(
                [paraphrased for template in templates if (paraphrased := template.format(**parts)) != text] or [text]
            )
    return text


CHANGES: Final[Mapping[str, Change]] = {
    "typos": add_typos,
    "case": change_case,
    "spacing": change_spacing,
    "contractions": swap_contractions,
    "synonyms": replace_synonyms,
    "filler": insert_filler,
    "paraphrase": paraphrase,
}


def match_case(like: str, word: str) -> str:
    """The word in the case of the one it replaces.

    >>> match_case("Big", "large"), match_case("BIG", "large"), match_case("big", "large"), match_case("I", "we")
    ('Large', 'LARGE', 'large', 'We')
    """
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def replace_phrases(text: str, pairs: Mapping[str, str]) -> tuple[str, int]:
    """Whole words and phrases by what stands for them, in the case of what was there; and how many there were."""
    replacements = {_phrase_key(old): new for old, new in pairs.items()}
    return _phrase_pattern(tuple(replacements)).subn(
        lambda found: match_case(found[0], replacements[_phrase_key(found[0])]), text
    )


@lru_cache
def _phrase_pattern(entries: tuple[str, ...]) -> re.Pattern[str]:
    """Whole words and phrases, the longest first, whatever the case and the apostrophe."""
    ordered = sorted(entries, key=len, reverse=True)
    listed = "|".join(re.escape(entry).replace("'", "['’]") for entry in ordered)
    return re.compile(rf"(?<![\w'’-])(?:{listed})(?![\w'’-])", re.I)


def _phrase_key(text: str) -> str:
    return text.casefold().replace("’", "'")


@lru_cache
def _synonym_groups(name: str) -> dict[str, tuple[str, ...]]:
    return {word.casefold(): row for row in load_rows(name) for word in row}
