"""Personal data in a text, of every kind there is, with how sure each find is.

Offsets are code points of the text as it stands, also where it was disguised (full width, zero width characters).
Where finds overlap the surer one wins, of two equally sure ones the longer.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final

import msgspec

from steward.core.errors import UnknownName
from steward.privacy.cards import find_named_cards, read_cards
from steward.privacy.contacts import PhoneReader, find_emails, find_ipv6, find_named_phones, read_ipv4
from steward.privacy.custom import NO_DETECTORS, CustomDetectors
from steward.privacy.entities import PROFILES, WRITTEN, find_entity
from steward.privacy.identifiers import (
    BY_RUN,
    NamedShapes,
    choose_named,
    find_identifiers,
    read_identifiers,
    read_lettered,
    read_named,
)
from steward.privacy.names import find_written
from steward.privacy.safe_harbor import find_ages, find_postal_codes, find_urls
from steward.privacy.wordlists import CUES
from steward.text.credentials import find_secrets
from steward.text.disguise import undisguise

THRESHOLD: Final = 0.5  # a find that is less sure is none
_WRITTEN: Final = frozenset(WRITTEN)
# A word in lower case with six digits at most, such as a field's name: nothing that anybody is called or reached by.
_LONGEST_WORD: Final = 32
_ONE_WORD: Final = re.compile("[a-z_]*[0-9]{0,6}")
_BEYOND: Final = frozenset({"URL", "AGE", "US_ZIP_CODE", "SECRET"})
_DIGIT: Final = re.compile("[0-9]")
_SEPARATORS: Final = bytes(32 if code < 128 and not chr(code).isalnum() else code for code in range(256))
# What a number is that can be personal: so many digits or more, or fewer that others follow (the group).
_LONG_RUN: Final = 7
_DIGITS: Final = re.compile(r"[0-9]++(?=([ \u00a0().:/-]{1,2}[0-9])?)")


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


def scan_text(
    text: str, entities: Collection[str], threshold: float = THRESHOLD, custom: CustomDetectors = NO_DETECTORS
) -> list[PersonalFinding]:
    """From left to right, without overlaps. `custom`: an operator's detectors, beside those that steward has."""
    if not custom and len(text) <= _LONGEST_WORD and _ONE_WORD.fullmatch(text):
        return []
    disguised = undisguise(text)
    plain = _even_joints(_open_lines(text if disguised is None else disguised[0]))
    candidates = [one for one in _look(plain, entities, custom) if one[3] >= threshold]
    if len(candidates) > 1:
        candidates = resolve(candidates)
    kept = [PersonalFinding(*one) for one in candidates if one[2] in entities]
    if disguised is None:
        return kept
    origin = disguised[1]
    return [msgspec.structs.replace(one, start=origin[one.start], end=origin[one.end - 1] + 1) for one in kept]


def _open_lines(text: str) -> str:
    """Line ends and tabs that are written as in JSON, `\\n`, read as such; of the same length."""
    if "\\" not in text:
        return text
    return text.replace("\\n", " \n").replace("\\t", " \t").replace("\\r", " \r")


_PAIRS: Final = re.compile(r"[2-9][0-9](?:\.[0-9]{2}){3}")
_JOINTS: Final = (("\u00a0\u202f\u2007\u2009", " "), ("\u2010\u2011\u2012\u2013\u2212", "-"))


def _even_joints(text: str) -> str:
    """Blanks that break no line, and hyphens and dashes, as the ASCII ones; of the same length."""
    if not text.isascii():
        for letters, plain in _JOINTS:
            for letter in letters:
                text = text.replace(letter, plain)
    return text


def split_words(text: str) -> set[str]:
    """The words of a text in lower case; ASCII marks part them.

    >>> sorted(split_words("Write to Zoë_K: 030-1"))
    ['030', '1', 'k', 'to', 'write', 'zoë']
    """
    # As bytes: `str.translate` is forty times slower where one letter of the text is not ASCII.
    letters = text.lower().encode("utf-8", "surrogatepass").translate(_SEPARATORS)
    return set(letters.decode("utf-8", "surrogatepass").split())


Candidate = tuple[int, int, str, float, str]  # start, end, entity, score, detector


def _look(text: str, entities: Collection[str], custom: CustomDetectors) -> list[Candidate]:
    """What each detector finds. One is asked only where the text has what all its finds have."""
    words = split_words(text)
    candidates: list[Candidate] = list(custom.find(text)) if custom else []
    if "@" in text:
        candidates += [(*span, "EMAIL_ADDRESS", 0.99, "email") for span in find_emails(text)]
    has_digit = _DIGIT.search(text) is not None
    if has_digit:
        candidates += _look_at_digits(text, words)
    elif "::" in text:
        candidates += [(*span, "IP_ADDRESS", 0.9, "ip_address") for span in find_ipv6(text)]
    if not _BEYOND.isdisjoint(entities):
        candidates += _look_beyond(text, words, entities)
    if not _WRITTEN.isdisjoint(entities):
        dates = "DATE_TIME" in entities
        candidates += [(*find, "written") for find in find_written(text, words, dates, has_digit)]
    return candidates


def _look_at_digits(text: str, words: set[str]) -> Iterator[Candidate]:
    """Kinds of which each value has a digit."""
    if ":" in text:
        for span in find_ipv6(text):
            yield *span, "IP_ADDRESS", 0.9, "ip_address"
    yield from _look_at_numbers(text, choose_named(words))
    for span in find_named_phones(text, words):
        # Four pairs of digits with points are an address of a machine, too.
        yield *span, "PHONE_NUMBER", 0.92 if _PAIRS.fullmatch(text, *span) else 0.75, "phone"
    if not CUES["cards"].isdisjoint(words):
        for span in find_named_cards(text):
            yield *span, "CREDIT_CARD", 0.9, "payment_card"
    for find in find_identifiers(text, words):
        yield *find, "identifier"


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


def _look_at_numbers(text: str, named: NamedShapes) -> Iterator[Candidate]:
    """Each row of digits once: as the beginning of what it could begin, or after the letters before it. Within what a
    check digit, a country's code or four octets have proved, nothing else is looked for."""
    phones, cards_read, until = PhoneReader(text), 0, 0
    for number in _DIGITS.finditer(text):
        start, end = number.span()
        if start < until:
            continue
        run, before = end - start, text[start - 1] if start else " "
        if before.isalnum() or before == "_":
            if "A" <= before <= "Z":
                for find in read_lettered(text, start, run):
                    until = find[1]
                    yield *find, "identifier"
        elif run >= _LONG_RUN or number[1]:
            if run <= 3 and text.startswith(".", end) and (address := read_ipv4(text, start)):
                until = address[1]
                yield *address, "IP_ADDRESS", 0.9, "ip_address"
            if run >= 4 and start >= cards_read:
                cards, cards_read = read_cards(text, start)
                for card in cards:
                    until = card[1] if card[0] == start else until
                    yield *card, "CREDIT_CARD", 0.97, "payment_card"
            if phones.may_begin(start, run):
                for phone in phones.read(start, end):
                    is_whole = text[phone[0]] == "+"
                    until = phone[1] if is_whole else until
                    yield *phone, "PHONE_NUMBER", 0.85 if is_whole else 0.75, "phone"
            if run in BY_RUN:
                for find in read_identifiers(text, start, run):
                    yield *find, "identifier"
        if run in named:
            for shape in named[run]:
                if one := read_named(text, start, shape):
                    yield *one, "identifier"


def resolve(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those that overlap no surer one, from left to right; of equally sure ones the longest, then the first."""
    in_order = sorted(candidates)
    if all(before[1] <= after[0] for before, after in pairwise(in_order)):
        return in_order
    taken: list[Candidate] = []  # sorted, without overlaps
    for one in sorted(candidates, key=lambda one: (-one[3], one[0] - one[1], one[0])):
        place = bisect_left(taken, one)
        if (place == 0 or taken[place - 1][1] <= one[0]) and (place == len(taken) or one[1] <= taken[place][0]):
            taken.insert(place, one)
    return taken
