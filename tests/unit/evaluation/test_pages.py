"""Reports as files: whole, escaped, below their size, with what matters first."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import msgspec
import pytest

from steward.evaluation.compare import compare_runs
from steward.evaluation.report import render_comparison_page
from steward.evaluation.run_page import LIMIT_BYTES, render_histogram, render_items_page, render_run_page
from steward.evaluation.spend import TokenPrices
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
        if tag not in ("meta", "line", "circle", "rect", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "circle", "rect"):
            assert self.open.pop() == tag


def read(page: str) -> str:
    """The page's words, after what every page must be."""
    parser = Balance()
    parser.feed(page)
    assert parser.open == [] and "://" not in page and page.count("<script") <= 1
    assert len(page.encode()) < LIMIT_BYTES
    return re.sub(r"<[^>]*>", " ", page.partition("</style>")[2])


def test_a_run_shows_scores_slices_worst_items_and_failures() -> None:
    """Six of eleven answers are right: 0.545; all odd ones, none of the even ones."""
    words = read(render_run_page(folder("zebra-7b", right_when_odd)).html)
    assert "0.545" in words and "zebra-7b on study" in words and "11" in words
    assert words.index("even (5)") < words.index("odd (6)")  # worst first
    assert "5 of 5 that are not perfect" in words and "Question 2?" in words
    assert "item-12" in words and "HTTP 500" in words
    assert "median 0.6" in words and "data sha256: d" in words


def test_a_run_without_an_answer_or_a_mistake_has_a_page_too() -> None:
    assert "no item scored" in read(render_run_page(folder("m", lambda n: None)).html)
    assert "every scored item has a perfect" in read(render_run_page(folder("m", lambda n: f"right {n}")).html)
    assert "12 of 12 that are not perfect" in read(render_run_page(folder("m", lambda n: "wrong")).html)


def test_a_page_stays_small_whatever_stands_in_it() -> None:
    other = folder("o", lambda n: "<" * 3000, 300)
    one = folder("m", lambda n: "&" * 3000 if n % 2 else f"right {n}", 300)
    for page in (render_run_page(one).html, render_comparison_page(compare_runs(one, other), one, other)):
        assert "more characters" in read(page)


def test_a_comparison_shows_the_worst_regressions_side_by_side() -> None:
    one, other = folder("zebra", lambda n: f"right {n}"), folder("quokka", right_when_odd)
    words = read(render_comparison_page(compare_runs(one, other), one, other))
    assert "quokka against zebra" in words and "Worst regressions by exact_match, 5 of 5" in words
    assert "right 2" in words and " wrong" in words and "Greatest gains" not in words
    words = read(render_comparison_page(compare_runs(other, one), other, one))
    assert "Greatest gains by exact_match, 5 of 5" in words and "+0.4545" in words


def test_e16_a_run_says_when_with_what_and_for_how_much_it_was_asked() -> None:
    """12 answers of 1,000 tokens in and 500 out, at 2 and 8 USD a million: 0.024 + 0.048 USD."""
    run = folder("m", lambda n: f"right {n}")
    answers = {
        name: msgspec.structs.replace(each, at=1_767_225_600.0 + n, input_tokens=1000, output_tokens=500)
        for n, (name, each) in enumerate(run.answers.items())
    }
    words = read(render_run_page(msgspec.structs.replace(run, answers=answers), TokenPrices(2.0, 8.0)).html)
    assert "2026-01-01 00:00 UTC" in words and "12,000 in, 6,000 out" in words and "$0.0720" in words
    assert "95 % interval" in words and "95 % low" in words and "the server&#x27;s defaults" in words
    words = read(render_run_page(run).html)
    assert "not recorded" in words and "not reported by the server" in words and "no prices given" in words


def test_e16_every_item_is_on_the_page_or_on_the_one_beside_it() -> None:
    """The mistakes of 174 items are all there, the failed ones first."""
    run = folder("m", lambda n: None if n == 12 else "wrong" if n < 20 else f"right {n}", 174)
    page = render_run_page(run, more="report-items.html")
    assert page.whole and "All items (174)" in page.html and "report-items.html" not in page.html
    assert re.findall(r'data-state="([a-z ]+)"', page.html) == ["failed", *["not perfect"] * 18, *["perfect"] * 155]
    long = folder("m", lambda n: f"{n} " + "long " * 500, 300)
    page = render_run_page(long, more="report-items.html")
    assert not page.whole and "report-items.html" in page.html and len(page.html.encode()) < LIMIT_BYTES
    beside = render_items_page(long)
    assert beside.count("data-state=") == 300 and "more characters" not in beside


def test_e16_a_comparison_marks_the_words_that_changed() -> None:
    one, other = folder("a", lambda n: f"right {n}"), folder("b", lambda n: f"right {n}" if n % 2 else f"left {n}")
    page = render_comparison_page(compare_runs(one, other), one, other)
    assert page.count("<del>right</del><ins>left</ins> 2<") == 2  # among the regressions, and in the list of all
    assert re.findall(r'data-state="([a-z ]+)"', page) == [*["worse"] * 6, *["same answer"] * 6]


def test_e16_the_pages_policy_names_the_script_by_its_digest() -> None:
    page = render_run_page(folder("m", lambda n: "wrong")).html
    code = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "fetch" not in code and "XMLHttp" not in code


@pytest.mark.parametrize("values", [[1.0], [0.5, 0.5], [float("inf"), 1.0, 2.0]])
def test_a_histogram_counts_every_finite_value_once(values: list[float]) -> None:
    cells = [cell.text for cell in ET.fromstring(render_histogram("t", values, "x")).iter("td")]
    assert sum(int(cell or 0) for cell in cells) == len([value for value in values if value != float("inf")])
