"""Labelled by hand: what a reader takes for the same question but for one slip, and what for another question."""

import numpy as np
import pytest

from steward.data.content_runs import keep_content_words
from steward.data.shingles import hash_words
from steward.data.short_texts import ShortTexts, differ_by_slip, drop_stop_words, index_short_texts, split_words

ITEMS = [
    "Who wrote the Iliad poem?",
    "What is 12 plus 7?",
    "What is the capital of France?",
    "Name three rivers that flow through Germany and Austria",
    "Which planet of the solar system has the largest moons?",
    "How many legs does a spider have?",
    "Simplify 3*x + 4*x - 2",
    "In what year was the treaty of Westphalia signed?",
    "Welche Farbe hat der Himmel am Abend?",
    "中国的首都是哪个城市",
    "How long is seven minutes in seconds?",
    "Is 7 a prime number?",
    "Which organ of the human body produces insulin hormone?",
    "What does the word ephemeral mean?",
]
SAME = [
    ("who wrote the iliad poem", 0),
    ("Who wrote the Illiad poem?", 0),  # a letter twice
    ("Who wrote the Ilad poem?", 0),  # a letter missing
    ("Who wrtoe the Iliad poem?", 0),  # two swapped
    ("Who wrote the Iliad-poem!", 0),
    ("WHO WROTE: THE ILIAD POEM!!!", 0),
    ("Who wrote teh Iliad poem?", 0),  # a stop word
    ("What is the captial of France?", 2),
    ("What is teh capital of France?", 2),
    ("Name three rivers flowing that flow through Germany and Austria", 3),  # a word more
    ("Name three rivers, that flow through Austria and Germany.", 3),  # another order
    ("Which planet of the solar system has largest moons", 4),
    ("How many legs does a spyder have?", 5),
    ("In what year was the treaty of Westphalia singed?", 7),
    ("Welche Farbe hat der Himel am Abend?", 8),
    ("中国首都是哪个城市", 9),  # a word less
    ("How long is seven minuets in seconds?", 10),
    ("Which organ of the human body produces hormone insulin?", 12),
    ("Which organ of the human body produces insulin?", 12),
    ("Which organ in the humane body produces insulin hormone?", 12),
    ("What does the word ephemereal mean", 13),
]  # fmt: skip
OTHER = [
    "What is 99 plus 3?",
    "What is 12 plus 8?",
    "What is 7 plus 12?",
    "What is 12 minus 7?",
    "What is twelve plus seven?",
    "What is the capital of Iran?",
    "What is the capital of Freance and Spain?",
    "What is the currency of France?",
    "Name four rivers that flow through Germany and Austria",
    "Simplify 3*x + 4*y - 2",
    "Simplify 4*x + 3*x - 2",
    "Simplify 3*x - 4*x - 2",
    "How long is eleven minutes in seconds?",
    "Is 11 a prime number?",
    "Who painted the Iliad poem?",
    "How many wings does a spider have?",
    "中国的首都是哪个省份",
    "In what year was the peace of Westphalia signed?",
    "Which organ of the human body produces bile hormone?",
    "Who wrote poem?",
    "iliad",
    "",
]


def find(index: ShortTexts, strings: list[str], max_words: int = 16) -> list[tuple[int, int]]:
    words = hash_words(strings, keep_numbers=True)
    return list(index.find(strings, words, keep_content_words(words), max_words))


@pytest.fixture(scope="module")
def found() -> dict[str, int]:
    index = index_short_texts(ITEMS, np.arange(len(ITEMS)))
    strings = [text for text, _ in SAME] + OTHER
    return {strings[place]: owner for place, owner in find(index, strings)}


@pytest.mark.parametrize(("text", "item"), SAME)
def test_d01_one_slip_hides_no_short_item(found: dict[str, int], text: str, item: int) -> None:
    assert found.get(text) == item


@pytest.mark.parametrize("text", OTHER)
def test_d01_another_question_is_not_taken_for_a_slip(found: dict[str, int], text: str) -> None:
    assert text not in found


def test_every_item_is_found_by_itself_and_by_no_other() -> None:
    index = index_short_texts(ITEMS, np.arange(len(ITEMS)))
    assert find(index, ITEMS) == [(number, number) for number in range(len(ITEMS))]
    assert find(index, ITEMS, 2) == []


def test_without_items_nothing_is_found() -> None:
    assert find(index_short_texts(["a b", ""], np.arange(2)), ITEMS) == []


def test_a_word_that_the_items_use_is_no_slip() -> None:
    index = index_short_texts(["Is the claim casual or strong?", "Is the claim causal or strong?"], np.arange(2))
    rows = ["is the claim casual or strong", "is the claim causal or strong", "is the claim causla or strong"]
    assert find(index, rows) == [(0, 0), (1, 1), (2, 1)]


@pytest.mark.parametrize(("words", "found"), [(6, True), (5, False)])
def test_one_of_six_words_may_be_left_out_and_one_of_five_may_not(words: int, found: bool) -> None:
    text = ("river", "bridge", "castle", "garden", "window", "mirror")[:words]
    assert differ_by_slip(text, text[1:]) is found and differ_by_slip(text[:-1], text) is found


@pytest.mark.parametrize(("words", "found"), [(6, True), (5, False)])
def test_six_words_may_stand_in_another_order_and_five_may_not(words: int, found: bool) -> None:
    text = ("river", "bridge", "castle", "garden", "window", "mirror")[:words]
    assert differ_by_slip(text, text[::-1]) is found


def test_words_are_those_that_are_hashed() -> None:
    """By hand, from the classes of `shingles.py`."""
    assert split_words("It's 1,234.5 km/h; ÉTÉ 東京2") == (
        "it", "s", "1", "234", "5", "km", "/", "h", "ete", "東", "京", "2",
    )  # fmt: skip
    assert drop_stop_words(split_words("Who is the king of Spain?")) == ("king", "spain")
