"""Personal data in a text, of every kind there is, with how sure each find is.

Offsets are code points of the text as it stands, also where it was disguised (full width, zero width characters).
Where finds overlap the surer one wins, of two equally sure ones the longer.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from typing import Final

import msgspec

from steward.core.errors import UnknownName
from steward.privacy.cards import find_named_cards, read_cards
from steward.privacy.contacts import PHONE_WORDS, PhoneReader, find_emails, find_ipv6, find_named_phones, read_ipv4
from steward.privacy.disguise import undisguise
from steward.privacy.entities import PROFILES, WRITTEN, find_entity
from steward.privacy.identifiers import find_identifiers, read_identifiers
from steward.privacy.names import find_written
from steward.privacy.safe_harbor import find_ages, find_postal_codes, find_urls
from steward.privacy.wordlists import CUES
from steward.text.credentials import find_secrets

THRESHOLD: Final = 0.5  # a find that is less sure is none
_WRITTEN: Final = frozenset(WRITTEN)
_SEPARATORS: Final = str.maketrans(dict.fromkeys((chr(code) for code in range(128) if not chr(code).isalnum()), " "))
# Where a number begins that can be personal: seven digits or more, or fewer that others follow.
_NUMBER: Final = re.compile(r"[0-9](?<!\w[0-9])(?:[0-9]{6,}+|[0-9]{0,5}+(?=[ \u00a0().:/-]{1,2}[0-9]))")


class PersonalFinding(msgspec.Struct, frozen=True, order=True):
    """`text[start:end]`: what it is, how sure that is (0 to 1), and what found it."""

    start: int
    end: int
    entity: str
    score: float
    detector: str


def choose_entities(profile: str = "default", names: Collection[str] = ()) -> frozenset[str]:
    """Those of a profile, or the named ones. :raises UnknownName: no such profile or entity"""
    if profile not in PROFILES:
        raise UnknownName("profile", profile, PROFILES)
    return frozenset(map(find_entity, names) if names else PROFILES[profile])


def scan_text(text: str, entities: Collection[str], threshold: float = THRESHOLD) -> list[PersonalFinding]:
    """From left to right, without overlaps."""
    disguised = undisguise(text)
    plain = _open_lines(text if disguised is None else disguised[0])
    candidates = [one for one in _look(plain, entities) if one[3] >= threshold]
    kept = [PersonalFinding(*one) for one in resolve(candidates) if one[2] in entities] if candidates else []
    if disguised is None:
        return kept
    origin = disguised[1]
    return [msgspec.structs.replace(one, start=origin[one.start], end=origin[one.end - 1] + 1) for one in kept]


def _open_lines(text: str) -> str:
    """Line ends and tabs that are written as in JSON, `\\n`, read as such; of the same length."""
    if "\\" not in text:
        return text
    return text.replace("\\n", " \n").replace("\\t", " \t").replace("\\r", " \r")


Candidate = tuple[int, int, str, float, str]  # start, end, entity, score, detector


def _look(text: str, entities: Collection[str]) -> Iterator[Candidate]:
    words = set(text.lower().translate(_SEPARATORS).split())
    for start, end in find_emails(text):
        yield start, end, "EMAIL_ADDRESS", 0.99, "email"
    for start, end in find_ipv6(text):
        yield start, end, "IP_ADDRESS", 0.9, "ip_address"
    yield from _look_at_numbers(text)
    if not PHONE_WORDS.isdisjoint(words):
        for start, end in find_named_phones(text):
            yield start, end, "PHONE_NUMBER", 0.75, "phone"
    if not CUES["cards"].isdisjoint(words):
        for start, end in find_named_cards(text):
            yield start, end, "CREDIT_CARD", 0.9, "payment_card"
    for find in find_identifiers(text, words):
        yield *find, "identifier"
    yield from _look_beyond(text, words, entities)
    if not _WRITTEN.isdisjoint(entities):
        for find in find_written(text, words, "DATE_TIME" in entities):
            yield *find, "written"


def _look_beyond(text: str, words: set[str], entities: Collection[str]) -> Iterator[Candidate]:
    """Kinds that only some profiles have."""
    if "URL" in entities:
        for start, end in find_urls(text):
            yield start, end, "URL", 0.9, "url"
    if "AGE" in entities:
        for start, end in find_ages(text, words):
            yield start, end, "AGE", 0.8, "age"
    if "US_ZIP_CODE" in entities:
        for start, end in find_postal_codes(text):
            yield start, end, "US_ZIP_CODE", 0.65, "postal_code"
    if "SECRET" in entities:
        for start, end, _ in find_secrets(text):
            yield start, end, "SECRET", 0.99, "secret"


def _look_at_numbers(text: str) -> Iterator[Candidate]:
    phones, cards_read = PhoneReader(text), 0
    for number in _NUMBER.finditer(text):
        start, end = number.span()
        run = end - start
        if run <= 3 and text.startswith(".", end) and (address := read_ipv4(text, start)):
            yield *address, "IP_ADDRESS", 0.9, "ip_address"
        if run >= 4 and start >= cards_read:
            cards, cards_read = read_cards(text, start)
            for card in cards:
                yield *card, "CREDIT_CARD", 0.97, "payment_card"
        for phone in phones.read(start, end):
            yield *phone, "PHONE_NUMBER", 0.85 if text[phone[0]] == "+" else 0.75, "phone"
        for find in read_identifiers(text, start, run):
            yield *find, "identifier"


def resolve(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those that overlap no surer one, from left to right; of equally sure ones the longest, then the first."""
    taken: list[Candidate] = []  # sorted, without overlaps
    for one in sorted(candidates, key=lambda one: (-one[3], one[0] - one[1], one[0])):
        place = bisect_left(taken, one)
        if (place == 0 or taken[place - 1][1] <= one[0]) and (place == len(taken) or one[1] <= taken[place][0]):
            taken.insert(place, one)
    return taken
