"""Perturbations change something, never what is asked, and the same way for the same seed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steward.text.perturbations import (
    CHANGES,
    FRAMES,
    add_typos,
    change_spacing,
    insert_filler,
    match_case,
    paraphrase,
    replace_synonyms,
    swap_contractions,
)

TEXT = "Mary, I do not have 3 big parcels for you, and I cannot start the car. What is wrong?"


@pytest.mark.parametrize("kind", [kind for kind in CHANGES if kind != "paraphrase"])
def test_each_changes_this_text_and_keeps_its_numbers(kind: str) -> None:
    made = {CHANGES[kind](TEXT, random.Random(seed)) for seed in range(20)}
    assert all(text != TEXT and "3" in text for text in made)
    assert len(made) == 1 if kind == "contractions" else len(made) > 2


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60), st.sampled_from(sorted(CHANGES)), st.integers(0, 99))
def test_any_text_is_taken_and_a_seed_decides(text: str, kind: str, seed: int) -> None:
    assert CHANGES[kind](text, random.Random(seed)) == CHANGES[kind](text, random.Random(seed))


def test_words_stay_where_only_spaces_change() -> None:
    assert all(change_spacing(TEXT, random.Random(seed)).split() == TEXT.split() for seed in range(20))


def test_contractions_go_both_ways() -> None:
    long, short = "We do not know. I am sure it is not DO NOT.", "We don't know. I'm sure it isn't DON'T."
    assert swap_contractions(long, random.Random(0)) == short and swap_contractions(short, random.Random(0)) == long
    assert swap_contractions("Mary’s isn’t", random.Random(0)) == "Mary’s is not"


def test_synonyms_are_whole_words_of_one_line() -> None:
    made = {replace_synonyms("Big cars, bigger carts.", random.Random(seed)) for seed in range(20)}
    assert made == {"Large cars, bigger carts."}


def test_filler_lowers_only_function_words() -> None:
    assert insert_filler("What now?", random.Random(0)).endswith(", what now?")
    assert insert_filler("Mary is here.", random.Random(0)).endswith(", Mary is here.")
    assert insert_filler("I am here.", random.Random(0)).endswith(", I am here.")


def test_a_list_of_the_users(tmp_path: object) -> None:
    path = f"{tmp_path}/mine.txt"
    with open(path, "w") as file:
        file.write("ship, send off\n")
    assert replace_synonyms("Ship it.", random.Random(0), path) == "Send off it."


@pytest.mark.parametrize("text", ["What are clouds?", "How do I bake bread?", "please list three rivers."])
def test_a_frame_keeps_what_is_asked(text: str) -> None:
    what = next(match["what"] for frame, _ in FRAMES if (match := frame.match(text)))
    assert all(what in (made := paraphrase(text, random.Random(seed))) and made != text for seed in range(9))
    assert paraphrase("Nothing of the kind", random.Random(0)) == "Nothing of the kind"


def testtypos_change_about_one_letter_in_twenty_five() -> None:
    text = "abcdefghij" * 50
    made = add_typos(text, random.Random(1))
    assert made != text and abs(len(made) - len(text)) <= 20


class Dictated(random.Random):
    """Takes the first of what is sampled, notes how many were asked for, and says the rest as it is told."""

    def __init__(self, number: int = 0, fraction: float = 0.0) -> None:
        super().__init__(0)
        self.asked, self._number, self._fraction = -1, number, fraction

    def sample(self, population, k, *, counts=None):  # type: ignore[no-untyped-def]
        self.asked = k
        return list(population)[:1]

    def randrange(self, *bounds: int) -> int:  # type: ignore[override]
        return self._number

    def random(self) -> float:
        return self._fraction


@pytest.mark.parametrize(("kind", "made"), [(0, "bcd"), (1, "aabcd"), (2, "bacd")])
def test_a_typo_drops_doubles_or_swaps_a_letter(kind: int, made: str) -> None:
    assert add_typos("abcd", Dictated(kind)) == made
    assert add_typos("1 abcd", Dictated(kind)) == f"1 {made}"


def test_typos_are_within_words_only() -> None:
    assert all(add_typos("1a2 b3.c_4", random.Random(seed)) == "1a2 b3.c_4" for seed in range(20))


@pytest.mark.parametrize(("pairs", "typos"), [(0, 0), (1, 1), (24, 1), (25, 2), (49, 2), (50, 3)])
def test_one_letter_in_twenty_five_is_mistyped(pairs: int, typos: int) -> None:
    rng = Dictated()
    add_typos("a" * (pairs + 1), rng)
    assert rng.asked == typos


@pytest.mark.parametrize(("spaces", "changed"), [(0, 0), (1, 1), (9, 1), (10, 2), (20, 3)])
def test_one_space_in_ten_is_changed(spaces: int, changed: int) -> None:
    rng = Dictated()
    change_spacing("x" + " x" * spaces, rng)
    assert rng.asked == changed


@pytest.mark.parametrize(("words", "changed"), [(1, 1), (2, 2), (3, 2), (4, 3)])
def test_one_synonym_in_two_is_taken(words: int, changed: int) -> None:
    rng = Dictated()
    replace_synonyms(" ".join(["big"] * words), rng)
    assert rng.asked == changed


def test_where_both_ways_change_as_much_contractions_are_made() -> None:
    assert swap_contractions("I don't, I do not.", random.Random(0)) == "I don't, I don't."


FILLERS = {"Well", "So", "Actually", "You know", "Okay", "Um", "Like I said", "To be honest"}


def test_a_filler_begins_with_a_capital() -> None:
    assert {insert_filler("Mary is here.", random.Random(seed)) for seed in range(99)} == {
        f"{filler}, Mary is here." for filler in FILLERS
    }


@pytest.mark.parametrize(("fraction", "begins"), [(0.49, False), (0.5, True)])
def test_a_filler_follows_a_comma_half_of_the_time(fraction: float, begins: bool) -> None:
    made = insert_filler("Mary, come.", Dictated(fraction=fraction))
    assert made.endswith("Mary, come.") is begins and made.startswith("Mary, ") is not begins


@pytest.mark.parametrize(
    ("like", "word", "made"),
    [("Big", "large", "Large"), ("BIG", "large", "LARGE"), ("big", "large", "large"), ("I", "we", "We"),
     ("OK", "fine", "FINE"), ("iOS", "phone", "phone")],
)  # fmt: skip
def test_a_word_takes_the_case_of_the_one_it_replaces(like: str, word: str, made: str) -> None:
    assert match_case(like, word) == made


def test_a_verb_in_capitals_is_not_shouted_in_a_paraphrase() -> None:
    made = {paraphrase("WHAT IS Paris?", random.Random(seed)) for seed in range(30)}
    assert made == {"Could you tell me what Paris is?", "I want to know what Paris is.", "Tell me what Paris is."}
