"""Patterns over answers: those of Python's `re`, within a time."""

from __future__ import annotations

import re

import pytest

from steward.evaluation.answer_filters import PatternFilter, filter_answer
from steward.evaluation.metrics import make_metric
from steward.evaluation.patterns import PatternTooSlow, find_last, search

SLOW, LONG = r"(a|aa)+$", "a" * 60 + "!"  # more ways to divide the letters than can be tried


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"a(?P<n>\d+)", "xa12"),
        (r"^b$", "a\nb\nc"),
        (r"(?i)HELLO", "hello"),
        (r"\bü", "a ü"),
        (r"(?<=a)b(?!c)", "abc ab"),
        ("z", "a"),
    ],
)
def test_a_pattern_means_what_it_means_to_python(pattern: str, text: str) -> None:
    for lines in (False, True):
        theirs, ours = re.search(pattern, text, re.M if lines else 0), search(pattern, text, lines=lines)
        assert (theirs and theirs.span()) == (ours and ours.span())
    every = list(re.finditer(pattern, text, re.M))
    last = find_last(pattern, text)
    assert (last.span() if last else None) == (every[-1].span() if every else None)


def test_case_may_be_left_out() -> None:
    assert search("HELLO", "hello") is None and search("HELLO", "hello", ignore_case=True) is not None


def test_s17_a_pattern_that_never_ends_is_stopped_and_named() -> None:
    with pytest.raises(PatternTooSlow, match="takes over 2 s for an answer of 61 characters; write it without"):
        find_last(SLOW, LONG)


def test_s17_an_answer_that_a_pattern_takes_too_long_for_has_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steward.evaluation.patterns.LONGEST_S", 0.2)
    assert "takes over 0.2 s" in make_metric("regex").screen(LONG, [SLOW])
    assert "takes over 0.2 s" in make_metric("withstood").screen(LONG, [{"pattern": SLOW}])
    assert "takes over 0.2 s" in filter_answer(LONG, [PatternFilter(SLOW)]).why
    assert make_metric("regex").screen("short", [SLOW]) == ""
