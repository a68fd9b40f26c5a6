"""Reports as files: whole, escaped, below their size, with what matters first."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from steward.evaluation.compare import compare_runs
from steward.evaluation.report import render_comparison_page
from steward.evaluation.run_page import LIMIT_BYTES, render_histogram, render_run_page
from studies import folder

ALIEN = '<script>alert("&")</script>'


def right_when_odd(n: int) -> str | None:
    return None if n == 12 else f"right {n}" if n % 2 else f"{ALIEN} wrong {n}"


class Balance(HTMLParser):
    """Every tag that opens closes, in order; void elements aside."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "line", "circle", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "circle", "rect"):
            assert self.open.pop() == tag


def read(page: str) -> str:
    """The page's words, after what every page must be."""
    parser = Balance()
    parser.feed(page)
    assert parser.open == [] and "://" not in page and "<script" not in page
    assert len(page.encode()) < LIMIT_BYTES
    return re.sub(r"<[^>]*>", " ", page.partition("</style>")[2])


def test_a_run_shows_scores_slices_worst_items_and_failures() -> None:
    """Six of eleven answers are right: 0.545; all odd ones, none of the even ones."""
    words = read(render_run_page(folder("zebra-7b", right_when_odd)))
    assert "0.545" in words and "zebra-7b on study" in words and "11" in words
    assert words.index("even (5)") < words.index("odd (6)")  # worst first
    assert "5 of 5 that are not perfect" in words and "Question 2?" in words
    assert "item-12" in words and "HTTP 500" in words
    assert "median 0.6" in words and "data sha256: d" in words


def test_a_run_without_an_answer_or_a_mistake_has_a_page_too() -> None:
    assert "no item scored" in read(render_run_page(folder("m", lambda n: None)))
    assert "every scored item has a perfect" in read(render_run_page(folder("m", lambda n: f"right {n}")))
    assert "12 of 12 that are not perfect" in read(render_run_page(folder("m", lambda n: "wrong")))


def test_a_page_stays_small_whatever_stands_in_it() -> None:
    other = folder("o", lambda n: "<" * 3000, 300)
    one = folder("m", lambda n: "&" * 3000 if n % 2 else f"right {n}", 300)
    for page in (render_run_page(one), render_comparison_page(compare_runs(one, other), one, other)):
        assert "more characters" in read(page)


def test_a_comparison_shows_the_worst_regressions_side_by_side() -> None:
    one, other = folder("zebra", lambda n: f"right {n}"), folder("quokka", right_when_odd)
    words = read(render_comparison_page(compare_runs(one, other), one, other))
    assert "quokka against zebra" in words and "Worst regressions by exact_match, 5 of 5" in words
    assert "right 2" in words and "wrong 2" in words and "Greatest gains" not in words
    words = read(render_comparison_page(compare_runs(other, one), other, one))
    assert "Greatest gains by exact_match, 5 of 5" in words and "+0.4545" in words


@pytest.mark.parametrize("values", [[1.0], [0.5, 0.5], [float("inf"), 1.0, 2.0]])
def test_a_histogram_counts_every_finite_value_once(values: list[float]) -> None:
    cells = [cell.text for cell in ET.fromstring(render_histogram("t", values, "x")).iter("td")]
    assert sum(int(cell or 0) for cell in cells) == len([value for value in values if value != float("inf")])
