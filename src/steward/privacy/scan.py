"""Personal data in a text, of every kind there is, with how sure each find is.

Offsets are code points of the text as it stands, also where it was disguised (full width, zero width characters).
Where finds overlap the surer one wins, of two equally sure ones the longer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from typing import Final

import msgspec

from steward.core.errors import UnknownName
from steward.privacy.detectors import find_personal_data, undisguise
from steward.privacy.entities import ENTITIES, PROFILES
from steward.privacy.identifiers import find_identifiers
from steward.privacy.names import find_written

THRESHOLD: Final = 0.5  # a find that is less sure is none
_OF_KINDS: Final = {
    "email": ("EMAIL_ADDRESS", 0.99),
    "phone": ("PHONE_NUMBER", 0.75),
    "payment_card": ("CREDIT_CARD", 0.97),
    "ip_address": ("IP_ADDRESS", 0.9),
}


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
    for name in names:
        if name not in ENTITIES:
            raise UnknownName("entity", name, ENTITIES)
    return frozenset(names or PROFILES[profile])


def scan_text(text: str, entities: Collection[str], threshold: float = THRESHOLD) -> list[PersonalFinding]:
    """From left to right, without overlaps."""
    disguised = undisguise(text)
    plain = text if disguised is None else disguised[0]
    chosen = _resolve(one for one in _look(plain) if one.score >= threshold)
    kept = [one for one in chosen if one.entity in entities]
    if disguised is None:
        return kept
    origin = disguised[1]
    return [msgspec.structs.replace(one, start=origin[one.start], end=origin[one.end - 1] + 1) for one in kept]


def _look(text: str) -> Iterator[PersonalFinding]:
    for span in find_personal_data(text):
        entity, score = _OF_KINDS[span.kind]
        yield PersonalFinding(span.start, span.end, entity, score, span.kind)
    for start, end, entity, score in find_identifiers(text):
        yield PersonalFinding(start, end, entity, score, "identifier")
    for start, end, entity, score in find_written(text):
        yield PersonalFinding(start, end, entity, score, "written")


def _resolve(findings: Iterable[PersonalFinding]) -> list[PersonalFinding]:
    taken: list[PersonalFinding] = []  # sorted, without overlaps
    for finding in sorted(findings, key=lambda one: (-one.score, one.start - one.end, one.start)):
        place = bisect_left(taken, finding.start, key=lambda one: one.start)
        free_before = place == 0 or taken[place - 1].end <= finding.start
        if free_before and (place == len(taken) or finding.end <= taken[place].start):
            taken.insert(place, finding)
    return taken
