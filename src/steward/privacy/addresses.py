"""Postal addresses by their street, in eight languages, each only in texts that have a word for one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Final

from steward.privacy.wordlists import CUES

UPPER: Final = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪĶĹĽŁŃŇŐŒŔŘŚŞŠŢŤŪŮŰŹŻŽİ"
LOWER: Final = "a-zà-öø-ÿāăąćčďđēęěğģīķĺľłńňőœŕřśşšţťūůűźżžı"
_NUMBER: Final = r"[0-9]{1,5}[A-Za-z]?(?:[-/][0-9]{1,4}[A-Za-z]?)?"
_WORD: Final = rf"(?:[{UPPER}][{LOWER}'’.-]{{1,30}}+|[{UPPER}]\.?|[0-9]{{1,3}}(?:st|nd|rd|th))"
_STREET_EN: Final = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Way|Court|Ct|Place|Pl|Square|Sq"
    r"|Terrace|Ter|Trail|Trl"
    r"|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Close|Crescent|Cres|Gardens|Grove|Mews|Row|Alley|Loop|Plaza|Walk|Hill|Ridge)"
)
_UNIT: Final = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|#)\.? ?[0-9A-Za-z-]{1,6})?"
_TOWN: Final = rf"(?:,? [{UPPER}][{LOWER}]{{1,30}}(?: [{UPPER}][{LOWER}]{{1,30}})?)"
_ADDRESS_EN: Final = re.compile(
    rf"(?<![\w.-])({_NUMBER} (?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East"
    rf"|West)\.? )?(?:{_WORD} ){{1,3}}{_STREET_EN}(?!\w)\.?"
    rf"{_UNIT}(?:{_TOWN},? (?:[A-Z]{{2}} )?[0-9]{{5}}(?:-[0-9]{{4}})?)?)"
)
_BOX: Final = re.compile(r"(?<!\w)((?:P\.? ?O\.? Box|Postfach|Apartado|Casella postale) [0-9]{1,6})(?!\w)")
_ADDRESS_DE: Final = re.compile(
    rf"(?<!\w)((?:[{UPPER}][{LOWER}]{{1,30}}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm"
    rf"|ufer|straat|laan|plein|gracht|"
    rf"kade|dijk)"
    rf"|[{UPPER}][{LOWER}-]{{1,30}}(?:[ -][{UPPER}][{LOWER}]{{1,30}}){{0,2}}[ -](?:Straße|Strasse|Str\.|Weg|Platz"
    r"|Allee|Ring))"
    rf" {_NUMBER}(?:,? (?:[A-Z]{{1,2}}-)?[0-9]{{4,5}}(?: [A-Z]{{2}})?{_TOWN})?)"
)
_LOOSE: Final = (
    rf"(?:(?:de|du|des|de la|del|della|dei|do|da|dos|la|le|les|l'|d'|św\.) ?)?[{UPPER}][{LOWER}'’-]{{1,30}}+"
)
_ADDRESS_FR: Final = re.compile(
    rf"(?<!\w)({_NUMBER},? (?:bis |ter )?(?:rue|avenue|boulevard|place|chemin|allée|impasse|quai|route"
    rf"|cours)(?: {_LOOSE}){{1,4}}"
    rf"(?:,? [0-9]{{5}}{_TOWN})?)"
)
_ADDRESS_SOUTH: Final = re.compile(
    r"(?<!\w)((?:Calle|C/|Avenida|Avda?\.|Paseo|Plaza|Via|Viale|Piazza|Corso|Vicolo|Rua|Travessa"
    r"|Praça|ul\.|ulica|al\.|pl\.)"
    rf"(?: {_LOOSE}){{1,4}},? (?:n[.º°] ?)?{_NUMBER}(?:,? [0-9]{{2}}-?[0-9]{{3}}{_TOWN})?)"
)

_WORDS_EN: Final = CUES["streets_english"]
_WORDS_FR: Final = CUES["streets_french"]
_WORDS_SOUTH: Final = CUES["streets_southern"]
_WORDS_BOX: Final = CUES["boxes"]
_ENDS_DE: Final = tuple(CUES["street_endings"])
_HOUSE: Final = re.compile("[0-9](?<= [0-9])")


def find_addresses(text: str, words: Set[str]) -> Iterator[tuple[int, int]]:
    """`words` are those of the text, in lower case."""
    for gate, pattern in (
        (_WORDS_EN, _ADDRESS_EN),
        (_WORDS_FR, _ADDRESS_FR),
        (_WORDS_SOUTH, _ADDRESS_SOUTH),
        (_WORDS_BOX, _BOX),
    ):
        if not gate.isdisjoint(words):
            for match in pattern.finditer(text):
                yield match.span(1)
    until = 0  # of the last address: another that follows it is one of its own
    for house in _HOUSE.finditer(text):
        if house.start() >= until and text.endswith(_ENDS_DE, 0, house.start() - 1):
            address = _ADDRESS_DE.search(text, max(until, house.start() - 100))
            if address is not None:
                yield address.span(1)
                until = address.end(1)
