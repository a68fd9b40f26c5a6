"""Lists of items: what fits, what is cut and what changed."""

from __future__ import annotations

import sys

import pytest

from steward.evaluation.item_list import ListedItem, render_changes, render_item, render_item_list, shorten_text


def item(name: str, state: str = "perfect", words: str = "words") -> ListedItem:
    return ListedItem(id=name, state=state, note="note", texts=(("asked", words),))


def test_a_list_with_room_is_whole() -> None:
    found = render_item_list([item("a"), item("b", "failed")], sys.maxsize)
    assert found.whole and "To keep this page small" not in found.html
    assert '<option value="failed">' in found.html and "All items (2)" in found.html
    assert 'class="filter" hidden' in found.html  # nothing to see without scripts


def test_texts_are_cut_before_items_are_left_out() -> None:
    items = [item(str(n), words="x" * 1000) for n in range(10)]
    size = len(render_item_list(items, sys.maxsize).html)
    cut = render_item_list(items, size // 2, more="all.html")
    assert not cut.whole and cut.html.count("<details") == 10 and '<a href="all.html">' in cut.html
    few = render_item_list(items, 900)
    assert few.html.count("<details") == 4 and "the first 4 are listed and texts end after 40 characters" in few.html


def test_nothing_fits() -> None:
    assert render_item_list([item("a")], 0).html.count("<details") == 0


@pytest.mark.parametrize(("length", "shown"), [(5, "words"), (4, "word… (1 more characters)")])
def test_shortened_at_its_length(length: int, shown: str) -> None:
    assert shorten_text("words", length) == shown


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("same", "same", "same"),
        ("", "new", "<ins>new</ins>"),
        ("old", "", "<del>old</del>"),
        ("a <b>", "a <i>", "a &lt;<del>b</del><ins>i</ins>&gt;"),
        ("It costs 5 EUR.", "It costs 7 EUR.", "It costs <del>5</del><ins>7</ins> EUR."),
        ("The answer is 4", "I do not know", "<del>The answer is 4</del><ins>I do not know</ins>"),
        ("a b c", "a x c", "a <del>b</del><ins>x</ins> c"),
        ("x" * 4001, "y", "y"),  # too long to compare
    ],
)
def test_e16_changes_are_marked_word_by_word(before: str, after: str, shown: str) -> None:
    assert render_changes(before, after) == shown


def test_e16_only_the_last_text_is_compared() -> None:
    row = ListedItem(
        id="a", state="worse", note="", texts=(("asked", "q"), ("one", "yes"), ("other", "no")), compared=1
    )
    html = render_item_list([row], sys.maxsize).html
    assert "<del>yes</del><ins>no</ins>" in html and '<p class="words">q</p>' in html and "a · worse</summary>" in html


@pytest.mark.parametrize("length", [1_200, 600, 300, 160, 80, 40])
def test_texts_are_cut_to_the_longest_length_that_fits(length: int) -> None:
    one = item("a", words="x" * 5000)
    size = len(render_item(one, length).encode())
    assert f"texts end after {length:,} characters" in render_item_list([one], size).html
    if length > 40:
        assert f"texts end after {length:,} characters" not in render_item_list([one], size - 1).html


def test_texts_of_4000_characters_are_compared() -> None:
    assert render_changes("x" * 4000, "y") == f"<del>{'x' * 4000}</del><ins>y</ins>"
