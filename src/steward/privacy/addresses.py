"""Postal addresses by their street, in eight languages, each only in texts that have a word for one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from typing import Final

from steward.privacy.wordlists import COUNTRIES, CUES, STREET_TYPES, find_beginnings, is_known

UPPER: Final = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪĶĹĽŁŃŇŐŒŔŘŚŞŠŢŤŪŮŰŹŻŽİ"
LOWER: Final = "a-zßà-öø-ÿāăąćčďđēęěğģīķĺľłńňőœŕřśşšţťūůűźżžı"
_NUMBER: Final = r"[0-9]{1,5}[A-Za-z]?(?:[-/][0-9]{1,4}[A-Za-z]?)?"
_FIRST: Final = r"[0-9](?<![\w.-].)[0-9]{0,4}+[A-Za-z]?(?:[-/][0-9]{1,4}[A-Za-z]?)?"  # where a number begins
_WORD: Final = rf"(?:[{UPPER}][{LOWER}'’.-]{{1,30}}+|[{UPPER}]\.?|[0-9]{{1,3}}(?:st|nd|rd|th))"
_STREET_EN: Final = rf"(?:{'|'.join(sorted((word for word in STREET_TYPES if word.istitle()), reverse=True))})"
_UNIT: Final = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|#)\.? ?[0-9A-Za-z-]{1,6})?"
_TOWN: Final = rf"(?:,? [{UPPER}][{LOWER}]{{1,30}}(?: [{UPPER}][{LOWER}]{{1,30}})?)"
_THEN: Final = r"(?:,? |,? ?\n)"  # between a street and what the same or the next line says
_ADDRESS_EN: Final = re.compile(
    rf"({_FIRST} (?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East"
    rf"|West)\.? )?(?:{_WORD} ){{1,3}}{_STREET_EN}(?!\w)\.?"
    rf"{_UNIT}(?:{_TOWN},? (?:[A-Z]{{2}} )?[0-9]{{5}}(?:-[0-9]{{4}})?)?)"
)
_CORNER: Final = re.compile(
    rf"((?:the )?(?:corner|intersection) of (?:{_FIRST} )?(?:[{UPPER}][\w'’.-]{{0,30}}+ ){{1,5}}(?:{_NUMBER} )?"
    rf"(?:and|&) (?:{_NUMBER} )?[{UPPER}][\w'’.-]{{0,30}}+(?: [{UPPER}][\w'’-]{{0,30}}+){{0,3}}"
    rf"(?: {_NUMBER}(?![\w.]\w|\w))?)"
)
_BOX: Final = re.compile(r"(?<!\w)((?:P\.? ?O\.? Box|Postfach|Apartado|Casella postale) [0-9]{1,6})(?!\w)")
# German, Dutch, Nordic and Hungarian streets end alike and come before the number of the house.
_STREET_WORD: Final = re.compile(rf"(?<!\w)[{UPPER}][{LOWER}]{{1,30}}+(?:-[{UPPER}]?[{LOWER}]{{1,30}}+){{0,2}}\.? $")
_STREET_WORDS: Final = re.compile(
    rf"(?<!\w)[{UPPER}][{LOWER}-]{{1,30}}(?:[ -][{UPPER}][{LOWER}]{{1,30}}){{0,2}}[ -]"
    r"(?:Straße|Strasse|Str\.|Weg|Platz|Allee|Ring|utca|út|gade|gata) $"
)
_HOUSE_AND_TOWN: Final = re.compile(rf"{_NUMBER}(?:{_THEN}(?:[A-Z]{{1,2}}-)?[0-9]{{4,5}}(?: [A-Z]{{2}})?{_TOWN})?")
_LOOSE: Final = (
    rf"(?:(?:de|du|des|de la|del|della|dei|do|da|dos|la|le|les|l'|d'|św\.) ?)?[{UPPER}][{LOWER}'’-]{{1,30}}+"
)
_ADDRESS_FR: Final = re.compile(
    rf"({_FIRST},? (?:bis |ter )?(?:rue|avenue|boulevard|place|chemin|allée|impasse|quai|route"
    rf"|cours)(?: {_LOOSE}){{1,4}}"
    rf"(?:{_THEN}[0-9]{{5}}{_TOWN})?)"
)
_ADDRESS_SOUTH: Final = re.compile(
    r"(?<!\w)((?:Calle|C/|Avenida|Avda?\.|Paseo|Plaza|Via|Viale|Piazza|Corso|Vicolo|Rua|Travessa"
    r"|Praça|ul\.|ulica|al\.|pl\.)"
    rf"(?: {_LOOSE}){{1,4}},? (?:n[.º°] ?)?{_NUMBER}"
    rf"(?:{_THEN}(?:[0-9]{{2}}-?[0-9]{{3}}|[0-9]{{4}}-[0-9]{{3}}){_TOWN})?)"
)

# What may follow a street, on the same line or the next ones: a unit, a town, a state, a country, a postal code.
_CAPITAL: Final = rf"(?:[{UPPER}]|\((?![0-9]))[\w'’.()-]{{0,30}}+"
_NAMES: Final = rf"{_CAPITAL}(?: (?:(?:de|la|del|of|di|da|do|den|am|an|der|im) ){{0,2}}{_CAPITAL}){{0,3}}"
_CODE: Final = (
    r"(?:[0-9]{4,6}(?:-[0-9]{3,4})?|[0-9]{2,3}[ -][0-9]{2,3}|[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}"
    r"|[A-Z][0-9][A-Z] [0-9][A-Z][0-9])"
)
_GAP: Final = r"(?:, ?| ?\n{1,2} *,? ?)"
_NEXT_UNIT: Final = (
    r"(?:(?:[,.] ?| ?\n{1,2} *| )(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|#)\.? ?[0-9A-Za-z-]{1,6}(?![\w]))"
)
_NEXT_LINES: Final = re.compile(
    rf"{_NEXT_UNIT}{{0,2}}"
    rf"(?:(?:{_GAP}| (?=[{UPPER}])){_NAMES}(?! ?:)(?:{_GAP}(?:{_NAMES}|nan)(?![\w:]| :)){{0,2}}(?: nan)?)?"
    rf"(?:(?: |{_GAP}){_CODE}(?![\w-]| [0-9(]))?"  # digits in more groups are a telephone's
)
_PARTICLES: Final = r"(?:(?:de|des|du|la|le|del|dos|da|do|di|der|den|van|von|y|e) ){0,2}"
_STREET_LIKE: Final = re.compile(
    rf"[0-9](?<![\w.,-].)[0-9]{{0,4}}+(?: [0-9]{{1,4}})?+ (?:{_PARTICLES}{_CAPITAL} ){{1,4}}[0-9]{{1,4}}[A-Za-z]?"
    r"(?![\w.,]\w|\w)"
)
_MILITARY: Final = re.compile(  # Domestic Mail Manual 602.1.2.4
    rf"(?<!\w)(?:(?:PSC|CMR|UNIT|Unit) [0-9]{{1,5}},? (?:Box|BOX) [0-9]{{1,5}}|US(?:S|NS|CGC|NV) {_CAPITAL})"
    r"(?:, ?|\s{1,3})[ADF]PO A[AEP] [0-9]{5}(?:-[0-9]{4})?(?!\w)"
)
_NUMBERS_BEFORE: Final = re.compile(rf"[0-9](?<![\w.,-].)[0-9]{{0,4}} (?:{_CAPITAL} ){{0,2}}\Z")
_TOLD_BEFORE: Final = re.compile(
    r"(?i)(?<!\w)(?:address(?: (?:is|to|with|as))?:?|live[sd]? (?:at|on|in)|living (?:at|on|in)|located at"
    r"|office is at|reside[sd]? at|moved to|deliver(?:ed)? (?:it )?to|ship(?:ped)? (?:it )?to|sen[dt] (?:it )?to"
    r"|return to|arrived at|meet .{0,16}at|pick .{0,12}up at|wohnt? (?:in|an)|adresse:?|dirección:?|indirizzo:?"
    r"|adres:?)(?: is)? $"
)
_TOLD_CUE: Final = re.compile(_TOLD_BEFORE.pattern.removesuffix("$"))
_TOLD_BEGINNINGS: Final = (  # one of them begins each such phrase
    "address", "live", "living", "located", "office", "reside", "moved", "deliver", "ship", "sen", "return", "arrived",
    "meet", "pick", "wohn", "adres", "dirección", "indirizzo",
)  # fmt: skip
_TOLD_WORDS: Final = CUES["before_addresses"]
_TOLD: Final = re.compile(  # a street and its house, which only what stands before makes an address
    rf"(?:{_NUMBER} )?{_CAPITAL} (?:{_PARTICLES}{_CAPITAL} ){{0,4}}{_NUMBER}(?![\w.]\w|\w)"
)
_CODED: Final = re.compile(rf"(?: |\n){_CODE}$")
_LONGEST_CODE: Final = 13  # characters, with a blank before it and the end of a line after it
_ENDS_OF_LINES: Final = ("", "\n")
_ENDS_OF_SENTENCES: Final = (".", ". ", ".\n", " \n", "? ", "?")
_LAST_OF_COUNTRIES: Final = frozenset(country.rpartition(" ")[2] for country in COUNTRIES)
_HAS_UNIT: Final = re.compile(rf"{_NEXT_UNIT}{{1,2}}")
_PATTERNS: Final = (  # by one of these words; whether a number begins it
    (CUES["street_types"], _ADDRESS_EN, True),
    (CUES["streets_french"], _ADDRESS_FR, True),
    (CUES["streets_southern"], _ADDRESS_SOUTH, False),
    (CUES["boxes"], _BOX, False),
    (frozenset(("corner", "intersection")), _CORNER, False),
)
_WORDS: Final = frozenset().union(*(gate for gate, _, _ in _PATTERNS))
_ENDS_DE: Final = tuple(CUES["street_endings"])
_YEAR: Final = re.compile("(?:19|20)[0-9]{2}(?![0-9])")
_LAST_OF_STREETS: Final = frozenset(ending[-1] for ending in _ENDS_DE)
_NUMBERS: Final = re.compile("[0-9]++")
LONGEST_HOUSE: Final = 5  # digits
# What each pattern begins with that begins with a number: it is looked for once for all of them.
# A word follows, an ordinal (`12 5th Avenue`) or one more number and a word, unlike in numbers of many groups.
_BEGINS: Final = re.compile(rf"{_FIRST},? (?=[^0-9]|[0-9]{{1,4}}(?:[A-Za-z]| [^0-9]))")
ADDRESS_WORDS: Final = _WORDS | _TOLD_WORDS


class HouseNumbers:
    """Where a number may begin a street (`begins`), or follows the ending of one and a blank (`ends`)."""

    __slots__ = ("begins", "ends")

    def __init__(self) -> None:
        self.begins: list[int] = []
        self.ends: list[int] = []

    def add(self, text: str, start: int, before: str, after: str, run: int) -> None:
        """A row of `run` digits at `start`, no part of a word, and the letters beside it."""
        if before == " " and text[start - 2 : start - 1] in _LAST_OF_STREETS and text.endswith(_ENDS_DE, 0, start - 1):
            self.ends.append(start)
        if run <= LONGEST_HOUSE and (after in _AFTER_HOUSE or after.isalpha()) and _BEGINS.match(text, start):
            self.begins.append(start)


_AFTER_HOUSE: Final = frozenset(" ,-/")


def read_houses(text: str) -> HouseNumbers:
    """Those of a whole text."""
    houses = HouseNumbers()
    for number in _NUMBERS.finditer(text):
        start, end = number.span()
        before = text[start - 1] if start else " "
        if not before.isalnum() and before != "_":
            houses.add(text, start, before, text[end : end + 1], end - start)
    return houses


def find_addresses(text: str, words: Set[str], numbers: HouseNumbers | None = None) -> list[tuple[int, int]]:
    """From left to right; of those that begin at one place the longest. `words` are the text's, in lower case."""
    numbers = read_houses(text) if numbers is None else numbers
    houses, begins = numbers.ends, numbers.begins
    alike = _match_each(_STREET_LIKE, text, begins)
    if not houses and not alike and ADDRESS_WORDS.isdisjoint(words) and "PO" not in text:
        return []
    candidates = _find_candidates(text, words, houses, begins, alike)
    if len(candidates) < 2:
        return candidates
    ends: dict[int, int] = {}
    for start, end in candidates:
        ends[start] = max(end, ends.get(start, 0))
    return sorted(ends.items())


def _match_each(pattern: re.Pattern[str], text: str, begins: Sequence[int]) -> list[tuple[int, int]]:
    """What `finditer` of a pattern finds that begins nowhere else."""
    spans: list[tuple[int, int]] = []
    until = 0
    for at in begins:
        if at >= until and (match := pattern.match(text, at)):
            spans.append(match.span())
            until = match.end()
    return spans


def _find_candidates(
    text: str, words: Set[str], houses: Sequence[int], begins: Sequence[int], alike: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """`houses`: where a digit follows the ending of a street and a blank; `begins`: where a number may begin a street;
    `alike`: what only looks like one.
    """
    candidates: list[tuple[int, int]] = []
    for start, end in _find_streets(text, words, houses, begins):
        before = _NUMBERS_BEFORE.search(text, max(0, start - 48), start)
        candidates.append((before.start() if before else start, end + _measure_rest(text, end)))
    if "PO" in text:
        candidates += map(re.Match.span, _MILITARY.finditer(text))
    told = not _TOLD_WORDS.isdisjoint(words)
    for start, end in alike:
        rest = _measure_rest(text, end)
        if rest or (told and _TOLD_BEFORE.search(text, max(0, start - 40), start)):
            candidates.append((start, end + rest))
    if told:
        candidates += _find_told(text)
    return candidates


def _find_told(text: str) -> Iterator[tuple[int, int]]:
    """A street without a word or an ending of its kind, after words that say where somebody is."""
    until = 0
    for at in find_beginnings(text, _TOLD_BEGINNINGS):
        if at >= until and (cue := _TOLD_CUE.match(text, at)):
            until = cue.end()
            if street := _TOLD.match(text, until):
                yield street.start(), street.end() + _measure_rest(text, street.end())


def _measure_rest(text: str, end: int) -> int:
    """How much of what follows a street belongs to the address: all if it ends with a postal code, or is a unit or
    several lines and ends its line; else the unit alone."""
    match = _NEXT_LINES.match(text, end)
    tail = match[0].rstrip(" .") if match else ""
    if not tail:
        return 0
    size = len(tail)
    if not tail[-1:].islower() and _CODED.search(tail, max(0, size - _LONGEST_CODE)):
        return size
    if _ends_with_country(tail):
        return size
    unit, at = _HAS_UNIT.match(tail), end + size
    if (text[at : at + 1] in _ENDS_OF_LINES or text[at : at + 2] in _ENDS_OF_SENTENCES) and (
        unit or "\n" in tail or tail.count(",") > 1
    ):
        return size
    return unit.end() if unit else 0


def _ends_with_country(tail: str) -> bool:
    words = tail.split(" ")
    if words[-1].strip(",\n") not in _LAST_OF_COUNTRIES:
        return False
    return any(" ".join(words[at:]).strip(",\n") in COUNTRIES for at in range(len(words)))


def _has_capital(text: str, words: Set[str]) -> bool:
    """Whether one of the words begins with a capital somewhere."""
    return any(word.capitalize() in text for word in words)


def _find_streets(
    text: str, words: Set[str], houses: Sequence[int], begins: Sequence[int]
) -> Iterator[tuple[int, int]]:
    if not _WORDS.isdisjoint(words):
        for gate, pattern, is_numbered in _PATTERNS:
            if gate.isdisjoint(words):
                continue
            if not is_numbered:
                for match in pattern.finditer(text):
                    yield match.span(1)
            elif pattern is not _ADDRESS_EN or _has_capital(text, gate & words):
                yield from _match_each(pattern, text, begins)
    until = 0  # of the last address: another that follows it is one of its own
    for at in houses:
        if at >= until and not _YEAR.match(text, at):
            begin = max(until, at - 100)
            street = _STREET_WORDS.search(text, begin, at) or _STREET_WORD.search(text, begin, at)
            number = _HOUSE_AND_TOWN.match(text, at)
            name = street[0].rstrip(" ") if street else ""
            if street and number and name not in _ENDS_DE and not is_known(name.rstrip(".").lower()):
                yield street.start(), number.end()
                until = number.end()
