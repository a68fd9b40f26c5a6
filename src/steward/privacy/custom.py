"""Detectors that an operator names in steward.yaml: a pattern, a list of words, a function or a service.

A pattern may be tried in so many ways at each letter and no more (`check_pattern`), so that no text makes it slow. What
it finds is a whole word, or several.
"""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from steward.core.errors import InputError, StewardError, Unavailable, UnknownName, describe_origin
from steward.core.extend import DetectedSpan, Detector
from steward.privacy.cards import is_word
from steward.privacy.entities import find_entity

log = logging.getLogger(__name__)

MOST_WAYS: Final = 500  # in which a pattern can be tried at one letter
MOST_LETTERS: Final = 256  # of what a pattern finds
BEFORE: Final = 48  # characters before a find that are looked at for the words of `near`; half as many after it

_COUNT: Final = re.compile(r"\{([0-9]{1,4})(?:,([0-9]{0,4}))?\}|[?*+]")
_ESCAPES: Final = frozenset("dDwWsSbBnt")
_WORD: Final = re.compile(r"\w+")

CustomFind = tuple[int, int, str, float, str]  # start, end, entity, score, detector


class CustomDetector(msgspec.Struct, frozen=True, kw_only=True):
    """One of `privacy.detectors`: `pattern` or `words`, words one of which must stand near a find; or a `function`,
    the `url` of a service or the name of a `spacy` model, with how long it may take and what happens when it fails."""

    name: str
    entity: str = "CUSTOM"
    pattern: str = ""
    words: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    score: float = 0.9
    function: str = ""
    url: str = ""
    spacy: str = ""
    language: str = "en"
    budget_ms: float = 2000.0
    on_error: Literal["block", "allow"] = "block"

    @property
    def is_external(self) -> bool:
        """Whether somebody else's program finds."""
        return bool(self.function or self.url or self.spacy)


class DetectorFailed(Unavailable):
    """An operator's detector raised, took too long, or returned what is no find."""


class _Size(msgspec.Struct, frozen=True):
    """In how many ways a part of a pattern can be tried, and how many letters it has at least and at most."""

    ways: int = 1
    least: int = 0
    most: int = 0


def check_pattern(pattern: str) -> None:
    """:raises ValueError: it is none, can find nothing at all, or can be tried in too many ways"""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    reader = _Reader(pattern)
    size = reader.read_alternatives()
    if size.least == 0:
        raise ValueError("it would find nothing at all, everywhere; expected one letter or more")
    if size.most > MOST_LETTERS:
        raise ValueError(f"it can find {size.most} characters; expected {MOST_LETTERS} at most: lower its counts")
    if size.ways > MOST_WAYS:
        raise ValueError(f"it can be tried in {size.ways:,} ways; expected {MOST_WAYS} at most: narrow its counts")


class _Reader:
    """Reads a pattern that `re` accepts from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern, self._at = pattern, 0

    def read_alternatives(self) -> _Size:
        sizes = [self._read_row()]
        while self._pattern.startswith("|", self._at):
            self._at += 1
            sizes.append(self._read_row())
        ways = sum(size.ways for size in sizes)
        return _Size(ways, min(size.least for size in sizes), max(size.most for size in sizes))

    def _read_row(self) -> _Size:
        row = _Size()
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            part = self._read_counted()
            row = _Size(min(row.ways * part.ways, 10**9), row.least + part.least, row.most + part.most)
        return row

    def _read_counted(self) -> _Size:
        part = self._read_part()
        count = _COUNT.match(self._pattern, self._at)
        if count is None:
            return part
        self._at = count.end()
        if self._pattern[self._at : self._at + 1] in ("?", "+"):  # lazy, possessive
            self._at += 1
        if count[0] in "*+" or count[2] == "":
            raise ValueError(f"{count[0]} has no bound; say how many at most, such as {{1,20}}")
        if count[0] == "?":
            return _Size(1 + part.ways, 0, part.most)
        least = int(count[1])
        most = int(count[2]) if count[2] else least
        if part.most * most > MOST_LETTERS or most > MOST_LETTERS:
            raise ValueError(f"{count[0]} is too many; expected {MOST_LETTERS} characters at most")
        ways = sum(min(part.ways**times, 10**9) for times in range(least, most + 1))
        return _Size(min(ways, 10**9), part.least * least, part.most * most)

    def _read_part(self) -> _Size:
        pattern, start = self._pattern, self._at
        letter = pattern[start]
        if letter == "(":
            if pattern.startswith("(?", start) and not pattern.startswith("(?:", start):
                raise ValueError(f"{pattern[start : start + 3]} is not allowed; groups are ( ) or (?: )")
            self._at += 3 if pattern.startswith("(?:", start) else 1
            size = self.read_alternatives()
            self._at += 1
            return size
        if letter == "[":
            self._at = _end_class(pattern, start)
        elif letter == "\\":
            name = pattern[start + 1]
            if name.isalnum() and name not in _ESCAPES:
                raise ValueError(f"\\{name} is not allowed; of those with a backslash, \\d \\w \\s \\b and marks are")
            self._at += 2
            if name in "bB":
                return _Size()
        else:
            self._at += 1
            if letter in "^$":
                return _Size()
        return _Size(1, 1, 1)


def _end_class(pattern: str, start: int) -> int:
    at = start + (2 if pattern.startswith("[^", start) else 1)
    at += pattern.startswith("]", at)
    while pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def check_words(words: Sequence[str]) -> None:
    """:raises ValueError: one is empty or too long, or begins or ends with something else than a letter or digit"""
    for word in words:
        if len(word) > MOST_LETTERS:
            raise ValueError(f"one has {len(word):,} characters; expected {MOST_LETTERS} at most")
        if not word or not (word[0].isalnum() and word[-1].isalnum()):
            raise ValueError(f"{word!r} does not begin and end with a letter or digit; write the word alone")


class CustomDetectors:
    """All of an operator's detectors, made ready once. `external`: those by function and service, by their names.

    :raises InputError: one that is external was not opened
    """

    def __init__(self, detectors: Sequence[CustomDetector], external: Mapping[str, Detector] = {}) -> None:
        unopened = [one.name for one in detectors if one.is_external and one.name not in external]
        if unopened:
            raise InputError(
                f"privacy.detectors: {unopened[0]} was not opened, so that nothing would look for its finds"
            )
        self._plans, self._opened = tuple(detectors), dict(external)
        self._external = [(one, external[one.name]) for one in detectors if one.is_external]
        self.failed: list[str] = []  # names of detectors that failed and let pass
        self._patterns = [
            (re.compile(rf"(?<!\w)(?:{one.pattern})(?!\w)"), one, _near(one)) for one in detectors if one.pattern
        ]
        self._words = _index_words(detectors)
        self._lengths = {first: sorted(map(len, entries)) for first, entries in self._words.items()}

    def __bool__(self) -> bool:
        return bool(self._patterns or self._words or self._external)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """In another process, too, no detectors are `NO_DETECTORS`."""
        return "NO_DETECTORS" if self is NO_DETECTORS else (CustomDetectors, (self._plans, self._opened))

    @property
    def waits(self) -> bool:
        """Whether finding waits for other programs, so that it is no work for an event loop."""
        return bool(self._external)

    def watch(self) -> CustomDetectors:
        """The same, for one request: `failed` is its own."""
        if not self._external:
            return self
        watched = CustomDetectors.__new__(CustomDetectors)  # what is ready stays ready
        watched.__dict__.update(self.__dict__)
        watched.failed = []
        return watched

    def find(self, text: str) -> Iterator[CustomFind]:
        """:raises DetectorFailed: one failed, and its configuration does not let pass"""
        for detector, external in self._external:
            yield from self._ask(detector, external, text)
        for pattern, detector, near in self._patterns:
            for match in pattern.finditer(text):
                if _is_near(near, text, *match.span()):
                    yield *match.span(), detector.entity, detector.score, detector.name
        if self._words:
            yield from self._find_words(text)

    def _ask(self, detector: CustomDetector, external: Detector, text: str) -> list[CustomFind]:
        began = time.perf_counter()
        try:
            finds = [_read_span(detector, span, len(text)) for span in external.detect(text)]
            took_ms = (time.perf_counter() - began) * 1e3
            if took_ms > detector.budget_ms:
                raise DetectorFailed(f"it took {took_ms:.0f} ms, and may take {detector.budget_ms:.0f}")
        except Exception as error:  # the operator's code: whatever it raises is a failure of this detector
            if detector.on_error == "block":
                raise DetectorFailed(f"the detector {detector.name} failed: {_describe(error)}") from error
            log.warning("detector %s failed (%s); on_error: allow", detector.name, _describe(error))
            if detector.name not in self.failed:
                self.failed.append(detector.name)
            return []
        return finds

    def _find_words(self, text: str) -> Iterator[CustomFind]:
        for match in _WORD.finditer(text):
            first, start = match[0].lower(), match.start()
            for length in dict.fromkeys(self._lengths.get(first, ())):
                end = start + length
                entry = self._words[first].get(text[start:end].lower()) if end <= len(text) else None
                if entry and not is_word(text, end) and _is_near(entry[1], text, start, end):
                    yield start, end, entry[0].entity, entry[0].score, entry[0].name


def _describe(error: Exception) -> str:
    """Steward's own messages repeat no text; of others their kind and place."""
    return str(error) if isinstance(error, StewardError) else describe_origin(error)


def _read_span(detector: CustomDetector, span: DetectedSpan, size: int) -> CustomFind:
    """:raises DetectorFailed: it is no part of a text of `size` characters, or its score is none"""
    score = detector.score if span.score is None else span.score
    numbers = isinstance(span.start, int) and isinstance(span.end, int) and isinstance(score, int | float)
    if not numbers or not 0 <= span.start < span.end <= size or not 0 <= score <= 1:
        raise DetectorFailed(f"a find outside the text of {size} characters, or with a score that is not from 0 to 1")
    try:
        entity = find_entity(span.entity) if span.entity else detector.entity
    except UnknownName:
        entity = detector.entity
    return span.start, span.end, entity, float(score), detector.name


_Entries = dict[str, tuple[CustomDetector, re.Pattern[str] | None]]


def _index_words(detectors: Sequence[CustomDetector]) -> Mapping[str, _Entries]:
    """By the first word of each entry, in lower case; the first detector that has an entry finds it."""
    index: defaultdict[str, _Entries] = defaultdict(dict)
    for detector in detectors:
        near = _near(detector)
        for word in detector.words:
            lowered = word.lower()
            first = _WORD.match(lowered)
            index[first[0] if first else lowered].setdefault(lowered, (detector, near))
    return dict(index)


def _near(detector: CustomDetector) -> re.Pattern[str] | None:
    if not detector.near:
        return None
    return re.compile(rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, detector.near))})(?!\w)")


def _is_near(near: re.Pattern[str] | None, text: str, start: int, end: int) -> bool:
    if near is None:
        return True
    return bool(near.search(text, max(0, start - BEFORE), start) or near.search(text, end, end + BEFORE // 2))


NO_DETECTORS: Final = CustomDetectors(())
