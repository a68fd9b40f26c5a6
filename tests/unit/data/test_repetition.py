"""On texts of one-letter words, counted by hand."""

import numpy as np
import pytest

from steward.data.gopher import _split_plain_words
from steward.data.repetition import (
    count_duplicates,
    count_repeated_characters,
    count_repeated_characters_by_skipping,
    count_top_ngram_characters,
    find_longer_repeats,
    find_repeated_bigrams,
)

TEXTS = ["a b a b c", "x y z x y z x", "p q r", "", "m m m m"]


def test_characters_of_the_commonest_bigram() -> None:
    words = _split_plain_words(TEXTS)
    grams = find_repeated_bigrams(words)
    # "a b" twice, "x y" and "y z" and "z x" twice, "p q" once, none, "m m" three times; 3 characters each
    assert count_top_ngram_characters(words, grams, once=True).tolist() == [6, 6, 3, 0, 9]
    assert count_top_ngram_characters(words, grams, once=False).tolist() == [6, 6, 0, 0, 9]


def test_a_text_of_as_many_words_as_an_ngram_is_one() -> None:
    words = _split_plain_words(["ab", "ab cd", "ab cd ef", ""])
    two = find_repeated_bigrams(words)
    assert count_top_ngram_characters(words, two, once=True).tolist() == [0, 5, 5, 0]
    three = find_longer_repeats(words, two)
    assert count_top_ngram_characters(words, three, once=True).tolist() == [0, 0, 8, 0]


def test_characters_inside_repeated_bigrams() -> None:
    words = _split_plain_words(TEXTS)
    grams = find_repeated_bigrams(words)
    assert count_repeated_characters(words, grams, every_copy=True).tolist() == [4, 7, 0, 0, 4]
    assert count_repeated_characters(words, grams, every_copy=False).tolist() == [2, 4, 0, 0, 3]
    # datatrove reads on and jumps over each bigram seen before: "a b"; "x y", "z x"; "m m" at 1, then at 3 nothing
    skipped = [count_repeated_characters_by_skipping(words, grams, text) for text in range(5)]
    assert skipped == [2, 4, 0, 0, 2]


def test_longer_ngrams_grow_from_shorter_ones() -> None:
    words = _split_plain_words(TEXTS)
    grams = find_longer_repeats(words, find_repeated_bigrams(words))
    assert grams.n == 3 and grams.at.tolist() == [5, 6, 8, 9, 15, 16]  # x y z, y z x, twice each; m m m
    assert count_repeated_characters(words, grams, every_copy=False).tolist() == [0, 4, 0, 0, 3]
    four = find_longer_repeats(words, grams)
    assert four.at.tolist() == [5, 8] and count_repeated_characters(words, four, every_copy=True).tolist()[1] == 7


def test_the_last_word_of_a_text_and_the_first_of_the_next_are_no_bigram() -> None:
    words = _split_plain_words(["a b c", "a b", "c a"])
    assert len(find_repeated_bigrams(words).at) == 0


@pytest.mark.parametrize(
    ("parts", "expected"), [([], (0, 0)), (["ab", "c"], (0, 0)), (["ab", "c", "ab", "ab"], (2, 4))]
)
def test_second_and_later_copies(parts: list[str], expected: tuple[int, int]) -> None:
    assert count_duplicates(parts) == expected


def test_places_are_those_of_every_copy() -> None:
    rng = np.random.default_rng(0)
    letters = [[str(n) for n in rng.integers(0, 3, 40)] for _ in range(5)]
    words = _split_plain_words([" ".join(text) for text in letters])
    expected = [
        40 * t + i
        for t, text in enumerate(letters)
        for i in range(39)
        if sum(text[j : j + 2] == text[i : i + 2] for j in range(39)) > 1
    ]
    assert find_repeated_bigrams(words).at.tolist() == expected
