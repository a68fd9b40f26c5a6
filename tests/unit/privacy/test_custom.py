"""Detectors of an operator's own: what a pattern may be, and what is found."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.extend import DetectedSpan
from steward.privacy.custom import (
    MOST_LETTERS,
    NO_DETECTORS,
    CustomDetector,
    CustomDetectors,
    DetectorFailed,
    check_pattern,
    check_words,
)
from steward.privacy.scan import choose_entities, scan_text


def find(text: str, *detectors: CustomDetector) -> list[str]:
    return [text[start:end] for start, end, *_ in CustomDetectors(detectors).find(text)]


@pytest.mark.parametrize(
    "pattern",
    [
        r"B-[0-9]{4,6}", r"[A-Z]{2}\d{3}", "(?:foo|bar)-[0-9]{1,3}", r"[^\]a]{3}", "[]x]{2}", "a?b", r"(ab){2,3}c",
        "x{256}", "a{1,256}", r"\bT[0-9]{7}?", r"a\+b", "a?+b", "^a$",
    ],
)  # fmt: skip
def test_patterns_with_bounds_are_taken(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("[0-9]+", r"\+ has no bound"),
        ("a*b", r"\* has no bound"),
        ("a{2,}", "has no bound"),
        ("a++b", "has no bound"),
        ("(a", "not a regular expression"),
        ("a?", "nothing at all"),
        ("a|", "nothing at all"),
        (r"\b", "nothing at all"),
        ("", "nothing at all"),
        (r"(a)\1", "not allowed"),
        ("(?=a)b", r"^\(\?= is not allowed"),
        ("a{0,3}", "nothing at all"),
        ("(?i)a", "not allowed"),
        (r"\Aa", "not allowed"),
        ("a{257}", "too many"),
        ("(ab){129}", "too many"),
        ("a{200}b{57}", "can find 257 characters"),
        ("(a{1,10}){1,10}", "ways"),
        ("a{1,20}a{1,20}a{1,20}", "8,000 ways"),
        ("a{1,25}b{1,21}", "525 ways"),
    ],
)
def test_patterns_that_a_text_could_make_slow_are_refused(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_pattern(pattern)


def test_as_many_ways_as_allowed_are_taken() -> None:
    check_pattern("a{1,25}b{1,20}")  # 25 times 20 are 500
    check_pattern("a{200}b{56}")  # 256 characters
    assert MOST_LETTERS == 256


def test_a_pattern_finds_whole_words() -> None:
    badge = CustomDetector(name="badge", pattern="B-[0-9]{4}")
    assert find("B-1234, xB-1234, B-12345, (B-9999)", badge) == ["B-1234", "B-9999"]


def test_near_words_stand_48_characters_before_or_24_after() -> None:
    badge = CustomDetector(name="badge", pattern="[0-9]{4}", near=("badge", "staff no"))
    assert find("Badge 1234", badge) == ["1234"] and find("1234 is my badge", badge) == ["1234"]
    assert find("badges 1234", badge) == [] and find("year 1234", badge) == []
    assert find("badge" + " " * 43 + "1234", badge) == ["1234"] and find("badge" + " " * 44 + "1234", badge) == []
    assert find("1234" + " " * 19 + "badge", badge) == ["1234"] and find("1234" + " " * 20 + "badge", badge) == []


def test_words_and_phrases_are_found_whatever_their_case() -> None:
    wards = CustomDetector(name="wards", words=("Project Falcon", "project", "Straße 7"))
    assert find("The PROJECT FALCON and projects", wards) == ["PROJECT", "PROJECT FALCON"]
    assert find("in der straße 7, project_x, project", wards) == ["straße 7", "project"]


def test_finds_are_kept_as_steward_keeps_its_own() -> None:
    detectors = CustomDetectors(
        [CustomDetector(name="falcon", words=("falcon",)), CustomDetector(name="b", pattern="x{3}")]
    )
    found = scan_text("falcon xxx", choose_entities("default"), custom=detectors)
    assert [(one.start, one.end, one.entity, one.score, one.detector) for one in found] == [
        (0, 6, "CUSTOM", 0.9, "falcon"),
        (7, 10, "CUSTOM", 0.9, "b"),
    ]
    assert scan_text("falcon", {"EMAIL_ADDRESS"}, custom=detectors) == []
    assert scan_text("falcon", choose_entities("default")) == [] and not NO_DETECTORS


def test_a_disguised_word_is_found_where_it_stands() -> None:
    detectors = CustomDetectors([CustomDetector(name="falcon", words=("falcon",), entity="ORGANIZATION")])
    (one,) = scan_text("a fal\u200bcon", {"ORGANIZATION"}, custom=detectors)
    assert (one.start, one.end, one.entity) == (2, 9, "ORGANIZATION")


@pytest.mark.parametrize("word", ["", " a", "a ", "(a", "a" * 257])
def test_words_begin_and_end_with_letters_or_digits(word: str) -> None:
    with pytest.raises(ValueError):
        check_words(["fine", word])
    check_words(["a" * 256, "a-b c", "7"])


def test_the_worst_pattern_that_is_taken_is_linear() -> None:
    detectors = CustomDetectors([CustomDetector(name="worst", pattern="a{1,25}a{1,20}b")])

    def measure(length: int) -> float:
        began = time.process_time()
        assert not list(detectors.find("a " * length))
        return time.process_time() - began

    assert measure(40_000) < 40 * max(0.001, measure(4_000))


class Fixed:
    """Finds the same spans in every text, after so long; raises where it is told to."""

    def __init__(self, *spans: DetectedSpan, error: Exception | None = None, wait_s: float = 0.0) -> None:
        self._spans, self._error, self._wait_s = spans, error, wait_s

    def detect(self, text: str) -> Iterable[DetectedSpan]:
        time.sleep(self._wait_s)
        if self._error:
            raise self._error
        return self._spans


OWN = CustomDetector(name="own", function="own.py:find")
LENIENT = CustomDetector(name="own", function="own.py:find", on_error="allow")
TEXT = "Ward seven"
WORDS: Any = ("0", 4)


def ask(external: Fixed, plan: CustomDetector = OWN) -> tuple[list[tuple[int, int, str, float, str]], list[str]]:
    detectors = CustomDetectors([plan], {"own": external}).watch()
    return list(detectors.find(TEXT)), detectors.failed


def test_what_a_program_finds_counts_as_it_says_or_as_the_configuration_does() -> None:
    spans = (DetectedSpan(0, 4), DetectedSpan(5, 10, "person", 0.7), DetectedSpan(0, 10, "NRP"))
    plan = CustomDetector(name="own", function="own.py:find", entity="MEDICAL_RECORD", score=0.6)
    assert ask(Fixed(*spans), plan) == (
        [(0, 4, "MEDICAL_RECORD", 0.6, "own"), (5, 10, "PERSON", 0.7, "own"), (0, 10, "MEDICAL_RECORD", 0.6, "own")],
        [],
    )


@pytest.mark.parametrize(
    "span",
    [DetectedSpan(0, 11), DetectedSpan(-1, 4), DetectedSpan(4, 4), DetectedSpan(0, 4, score=1.01),
     DetectedSpan(0, 4, score=-0.1), DetectedSpan(*WORDS)],
)  # fmt: skip
def test_a_find_that_is_none_is_a_failure(span: DetectedSpan) -> None:
    with pytest.raises(DetectorFailed, match="the detector own failed: a find outside the text of 10 characters"):
        ask(Fixed(span))
    assert ask(Fixed(DetectedSpan(0, 10, score=1.0)))[0] and ask(Fixed(DetectedSpan(0, 10, score=0.0)))[0]


def test_a_failure_blocks_and_repeats_no_text_unless_the_configuration_lets_pass() -> None:
    with pytest.raises(DetectorFailed) as caught:
        ask(Fixed(error=ValueError(TEXT)))
    assert "ValueError" in str(caught.value) and "Ward" not in str(caught.value)
    assert ask(Fixed(error=ValueError(TEXT)), LENIENT) == ([], ["own"])


def test_longer_than_its_budget_is_a_failure() -> None:
    with pytest.raises(DetectorFailed, match="may take 1"):
        ask(Fixed(DetectedSpan(0, 4), wait_s=0.01), msgspec.structs.replace(OWN, budget_ms=1.0))
    assert ask(Fixed(DetectedSpan(0, 4), wait_s=0.01), msgspec.structs.replace(LENIENT, budget_ms=1.0)) == ([], ["own"])


def test_a_program_that_was_not_opened_never_looks_like_one_that_finds_nothing() -> None:
    with pytest.raises(InputError, match=r"privacy\.detectors: own was not opened"):
        CustomDetectors([CustomDetector(name="own", url="http://h")])


def test_only_programs_make_others_wait_and_failures_are_of_one_request() -> None:
    plan = CustomDetector(name="own", function="own.py:find", on_error="allow")
    detectors = CustomDetectors([plan], {"own": Fixed(error=ValueError())})
    first = detectors.watch()
    assert list(first.find("a")) == list(first.find("b")) == [] and first.failed == ["own"]
    assert detectors.failed == detectors.watch().failed == []
    assert detectors.waits and bool(detectors) and not CustomDetectors([]).waits


def test_detectors_survive_the_way_to_another_process() -> None:
    assert copy.copy(NO_DETECTORS) is NO_DETECTORS  # by the way that pickle takes, too
    plans = [CustomDetector(name="badge", words=("Falcon",)), CustomDetector(name="f", function="f.py:f")]
    own = CustomDetectors(plans, {"f": Fixed(DetectedSpan(0, 1))})
    assert [find[-1] for find in copy.copy(own).find("on Falcon")] == ["f", "badge"]


def test_a_program_is_asked_for_what_was_written_plainly() -> None:
    plan = CustomDetector(name="own", function="own.py:find")
    finds = scan_text("b\u200bob", {"CUSTOM"}, custom=CustomDetectors([plan], {"own": Fixed(DetectedSpan(0, 3))}))
    assert [(one.start, one.end, one.entity, one.detector) for one in finds] == [(0, 4, "CUSTOM", "own")]
