"""Personal data in a text, of every kind there is, with how sure each find is.

Offsets are code points of the text as it stands, also where it was disguised (full width, zero width characters).
Where finds overlap the surer one wins, of two equally sure ones the longer. What nobody asked for wins over nothing,
but for what it covers and is surer of: a company's name is no person's.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from typing import Final

import msgspec

from steward.core.errors import UnknownName
from steward.privacy.addresses import LONGEST_HOUSE, HouseNumbers
from steward.privacy.cards import find_named_cards, read_cards
from steward.privacy.contacts import (
    CALLED_WORDS,
    NATIONAL_GROUPS,
    OWNED_WORDS,
    OWNER_WORDS,
    PHONE_WORDS,
    SPELLED_WORDS,
    PhoneReader,
    find_emails,
    find_ipv6,
    find_named_phones,
    find_spelled_emails,
    may_begin_phone,
    read_ipv4,
    read_phone_beside,
)
from steward.privacy.custom import NO_DETECTORS, CustomDetectors
from steward.privacy.entities import PROFILES, WRITTEN, find_entity
from steward.privacy.finding import PersonalFinding
from steward.privacy.identifiers import (
    BY_RUN,
    LETTERED_WORDS,
    NUMBER_WORDS,
    NamedShapes,
    choose_named,
    find_identifiers,
    read_identifiers,
    read_lettered,
    read_named,
    read_wallet,
)
from steward.privacy.names import WRITTEN_WORDS, find_written
from steward.privacy.safe_harbor import AGE_WORDS, find_ages, find_postal_codes, find_urls
from steward.privacy.wordlists import CUES
from steward.text.credentials import find_secrets
from steward.text.disguise import undisguise
from steward.text.markup import PlainText, remove_markup

THRESHOLD: Final = 0.5  # a find that is less sure is none
_WRITTEN: Final = frozenset(WRITTEN)
# A word in lower case with six digits at most, such as a field's name: nothing that anybody is called or reached by.
_LONGEST_WORD: Final = 32
_ONE_WORD: Final = re.compile("[a-z_]*[0-9]{0,6}")
_BEYOND: Final = frozenset({"URL", "AGE", "US_ZIP_CODE", "SECRET"})
_NO_DIGITS: Final = bytes(code for code in range(256) if not chr(code).isascii() or not chr(code).isdigit())
_SEPARATORS: Final = bytes(32 if code < 128 and not chr(code).isalnum() else code for code in range(256))
# What a number is that can be personal: so many digits or more, or fewer that others follow (the group).
_LONG_RUN: Final = 7
_NEXT: Final = r"(?=[ \u00a0().:/-]{1,2}([0-9]++))"
_DIGITS: Final = re.compile(rf"[0-9]++(?:{_NEXT})?")
_NONE_NAMED: Final[NamedShapes] = {}
_MAC_JOINTS: Final = 5
_REACHED: Final = frozenset(("PERSON", "EMAIL_ADDRESS"))
_NOTHING: Final = frozenset[str]()
_LEAST_CARD: Final = 12  # digits, in a group or in several of which none but the first has fewer than three
_CARD_WORDS: Final = CUES["cards"]
# All words that some detector looks for: a text's other words are of no concern to any, but for the owners of numbers.
_CUES: Final = PHONE_WORDS | OWNED_WORDS | NUMBER_WORDS | WRITTEN_WORDS | AGE_WORDS | _CARD_WORDS
# Those that tell nothing by themselves, but what to look for where something else is.
_MINOR: Final = (OWNER_WORDS | SPELLED_WORDS | CALLED_WORDS) - _CUES
_TELLING: Final = _CUES | _MINOR


def choose_entities(profile: str = "default", names: Collection[str] = ()) -> frozenset[str]:
    """Those of a profile, or the named ones. :raises UnknownName: no such profile or entity"""
    if profile not in PROFILES:
        raise UnknownName("profile", profile, PROFILES)
    return frozenset(map(find_entity, names) if names else PROFILES[profile])


def scan_text(
    text: str, entities: Collection[str], threshold: float = THRESHOLD, custom: CustomDetectors = NO_DETECTORS
) -> list[PersonalFinding]:
    """From left to right, without overlaps. `custom`: an operator's detectors, beside those that steward has."""
    findings = _scan_letters(text, entities, threshold, custom)
    plain = remove_markup(text)
    return findings if plain is None else _add_hidden(findings, plain, entities, threshold, custom)


def _add_hidden(
    findings: list[PersonalFinding],
    plain: PlainText,
    entities: Collection[str],
    threshold: float,
    custom: CustomDetectors,
) -> list[PersonalFinding]:
    """With what markup splits or spells, once: what it spells is no markup again, so that no text is read for ever."""
    hidden = [
        (*place, one.entity, one.score, one.detector)
        for one in _scan_letters(plain.text, entities, threshold, custom)
        if (place := plain.locate(one.start, one.end))
    ]
    if not hidden:
        return findings
    seen = [(one.start, one.end, one.entity, one.score, one.detector) for one in findings]
    return [PersonalFinding(*one) for one in resolve([*seen, *hidden])]


def _scan_letters(
    text: str, entities: Collection[str], threshold: float, custom: CustomDetectors
) -> list[PersonalFinding]:
    """What its letters say as they stand."""
    if len(text) <= _LONGEST_WORD and custom is NO_DETECTORS and _ONE_WORD.fullmatch(text):
        return []
    disguised = None
    plain = text
    if not text.isascii():
        disguised = undisguise(text)
        plain = _even_joints(text if disguised is None else disguised[0])
    candidates = _look(_open_lines(plain) if "\\" in plain else plain, entities, custom)
    if not candidates:
        return []
    asked = [one for one in candidates if one[2] in entities and one[3] >= threshold]
    if len(asked) < len(candidates):
        asked = _drop_explained(asked, [one for one in candidates if one[3] >= threshold], entities)
    kept = [PersonalFinding(*one) for one in (resolve(asked) if len(asked) > 1 else asked)]
    if disguised is None:
        return kept
    origin = disguised[1]
    return [msgspec.structs.replace(one, start=origin[one.start], end=origin[one.end - 1] + 1) for one in kept]


def _drop_explained(
    asked: list[Candidate], candidates: Sequence[Candidate], entities: Collection[str]
) -> list[Candidate]:
    """Without those that a surer find covers of a kind that nobody asked for, where nothing is surer than that one."""
    others = [one for one in resolve(candidates) if one[2] not in entities] if asked else []
    return [
        one
        for one in asked
        if not any(other[0] <= one[0] and one[1] <= other[1] and other[3] > one[3] for other in others)
    ]


def _open_lines(text: str) -> str:
    """Line ends and tabs that are written as in JSON, `\\n`, read as such; of the same length."""
    return text.replace("\\n", " \n").replace("\\t", " \t").replace("\\r", " \r")


_PAIRS: Final = re.compile(r"[2-9][0-9](?:\.[0-9]{2}){3}")
_JOINTS: Final = (("\u00a0\u202f\u2007\u2009", " "), ("\u2010\u2011\u2012\u2013\u2212", "-"))


def _even_joints(text: str) -> str:
    """Blanks that break no line, and hyphens and dashes, as the ASCII ones; of the same length."""
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
    return set(_split_letters(_lower(text)))


def _lower(text: str) -> bytes:
    return text.lower().encode("utf-8", "surrogatepass")


def _split_letters(letters: bytes) -> list[str]:
    return letters.translate(_SEPARATORS).decode("utf-8", "surrogatepass").split()


Candidate = tuple[int, int, str, float, str]  # start, end, entity, score, detector


def _look(text: str, entities: Collection[str], custom: CustomDetectors) -> list[Candidate]:
    """What each detector finds. One is asked only where the text has what all its finds have."""
    letters = _lower(text)
    telling = _TELLING.intersection(_split_letters(letters))
    words = telling - _MINOR
    if not OWNED_WORDS.isdisjoint(words):
        words |= telling & OWNER_WORDS
    candidates: list[Candidate] = [] if custom is NO_DETECTORS else list(custom.find(text))
    if "@" in text:
        candidates += [(*span, "EMAIL_ADDRESS", 0.99, "email") for span in find_emails(text)]
    if not SPELLED_WORDS.isdisjoint(telling):
        candidates += [(*span, "EMAIL_ADDRESS", 0.9, "spelled_email") for span in find_spelled_emails(text)]
    colons = text.count(":")
    if colons > 1:
        candidates += [(*span, "IP_ADDRESS", 0.9, "ip_address") for span in find_ipv6(text)]
    has_digit = bool(letters.translate(None, _NO_DIGITS))
    houses = HouseNumbers()
    if has_digit:
        phones = PhoneReader(text, not CALLED_WORDS.isdisjoint(telling))
        _look_at_numbers(text, phones, choose_named(words) if words else _NONE_NAMED, candidates, houses)
        if colons >= _MAC_JOINTS or text.count("-") >= _MAC_JOINTS or not LETTERED_WORDS.isdisjoint(words):
            candidates += [(*find, "identifier") for find in find_identifiers(text, words)]
        if words:
            _look_at_named(text, words, candidates)
    if not _BEYOND.isdisjoint(entities):
        candidates += _look_beyond(text, words, entities)
    if not _WRITTEN.isdisjoint(entities):
        dates = "DATE_TIME" in entities
        candidates += [(*find, "written") for find in find_written(text, words, dates, has_digit, houses)]
    if has_digit and candidates:
        candidates += _look_beside(text, candidates)
    return candidates


def _look_at_named(text: str, words: Set[str], candidates: list[Candidate]) -> None:
    """Numbers of any shape that a word names."""
    for span in find_named_phones(text, words):
        # Four pairs of digits with points are an address of a machine, too.
        score = 0.92 if _PAIRS.fullmatch(text, *span) else 0.75
        candidates += [(*span, "PHONE_NUMBER", score, "phone")]
    if not _CARD_WORDS.isdisjoint(words):
        candidates += [(*span, "CREDIT_CARD", 0.9, "payment_card") for span in find_named_cards(text)]


def _look_beside(text: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Numbers that could be anything, but for whose name, e-mail or postal address they stand beside."""
    ends = [one[1] for one in candidates if one[2] in _REACHED]
    phones = [read_phone_beside(text, end) for end in ends]
    return [(*phone, "PHONE_NUMBER", 0.55, "phone") for phone in phones if phone]


def _look_beyond(text: str, words: Set[str], entities: Collection[str]) -> Iterator[Candidate]:
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
        for start, end, kind in find_secrets(text):
            # A password before a host, "bob:hunter22@db.example.com", reads as an e-mail address, too.
            yield start, end, "SECRET", 1.0 if kind == "url_password" else 0.99, "secret"


def _look_at_numbers(
    text: str, phones: PhoneReader, named: NamedShapes, candidates: list[Candidate], houses: HouseNumbers
) -> None:
    """Each row of digits once: as the beginning of what it could begin, or after the letters before it. Within what a
    check digit, a country's code or four octets have proved, nothing else is looked for.
    """
    cards_read, until = 0, 0
    for number in _DIGITS.finditer(text):
        start, end = number.span()
        run, before, after = end - start, text[start - 1] if start else " ", text[end : end + 1]
        is_part = before.isalnum() or before == "_"
        if not is_part and (before == " " or run <= LONGEST_HOUSE):
            houses.add(text, start, before, after, run)
        if start < until:
            continue
        if after.isalpha() and (wallet := read_wallet(text, start)):
            candidates.append((*wallet, "identifier"))
        if is_part:
            if "A" <= before <= "Z":
                for find in read_lettered(text, start, run):
                    until = find[1]
                    candidates.append((*find, "identifier"))
        elif (following := number[1]) or run >= _LONG_RUN:
            second = len(following) if following else 0
            if after == "." and second and run <= 3 >= second and (address := read_ipv4(text, start)):
                until = address[1]
                candidates.append((*address, "IP_ADDRESS", 0.9, "ip_address"))
            if start >= cards_read and before != "+" and (run >= _LEAST_CARD or (run > 3 and second > 2)):
                cards, cards_read = read_cards(text, start)
                for card in cards:
                    until = card[1] if card[0] == start else until
                    candidates.append((*card, "CREDIT_CARD", 0.97, "payment_card"))
            if after in NATIONAL_GROUPS.get((run, second), _NOTHING) or may_begin_phone(text, start):
                for phone in phones.read(start, end, second):
                    is_whole = text[phone[0]] == "+"
                    until = phone[1] if is_whole else until
                    candidates.append((*phone, "PHONE_NUMBER", 0.85 if is_whole else 0.75, "phone"))
            if run in BY_RUN:
                candidates += [(*find, "identifier") for find in read_identifiers(text, start, run, second)]
        if run in named:
            told = [read_named(text, start, shape) for shape in named[run]]
            candidates += [(*one, "identifier") for one in told if one]


def resolve(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those that overlap no surer one, from left to right; of equally sure ones the longest, then the first."""
    in_order = sorted(candidates)
    until = 0
    for one in in_order:
        if one[0] < until:
            break
        until = one[1]
    else:
        return in_order
    taken: list[Candidate] = []  # sorted, without overlaps
    for one in sorted(candidates, key=lambda one: (-one[3], one[0] - one[1], one[0])):
        place = bisect_left(taken, one)
        if (place == 0 or taken[place - 1][1] <= one[0]) and (place == len(taken) or one[1] <= taken[place][0]):
            taken.insert(place, one)
    return taken
