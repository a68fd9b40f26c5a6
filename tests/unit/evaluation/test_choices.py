"""Chosen letters, on a labelled set of answer shapes in eleven languages, written for this test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steward.evaluation.choices import extract_letter

ROWS = [json.loads(line) for line in (Path(__file__).parent / "choice_answers.jsonl").read_text().splitlines()]


def test_e05_precision_and_recall_on_the_labelled_set() -> None:
    found = [(extract_letter(row["answer"]), row["letter"]) for row in ROWS]
    given = [(letter, right) for letter, right in found if letter]
    due = [(letter, right) for letter, right in found if right]
    assert len(ROWS) >= 300 and len({row["lang"] for row in ROWS}) >= 11
    assert sum(letter == right for letter, right in given) / len(given) >= 0.99
    assert sum(letter == right for letter, right in due) / len(due) >= 0.97


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        (r"\boxed{B}", "B"),
        ("Antwort: C", "C"),
        ("答案：B", "B"),
        ("Ответ: В", "B"),  # a Cyrillic letter
        ("Ｂ", "B"),
        ("b", "B"),
        ('{"answer": "C"}', "C"),
        ("My final answer is $B$.", "B"),
        ("A) is incorrect. B) is incorrect. C) is correct.", "C"),
        ("The answer is A. Wait: the answer is D.", "D"),
        ("The answer is A, not B.", "A"),
        ("A. one\nB. two", ""),
        ("Both (A) and (B)", ""),
        ("The answer is a dog", ""),
        ("The answer is I don't know", ""),
        ("I, for one, do not know", ""),
        ("A, as far as I know", ""),
    ],
)
def test_e05_shapes(answer: str, letter: str) -> None:
    assert extract_letter(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("The answer is a", "A"), ("The answer is a)", "A"), ("The answer is a) dog", "A"), ("The answer is b.", "B"),
        ("The answer is A dog", ""), ("The answer is B dog", "B"), ("I choose A dog", ""), ("I choose B", "B"),
    ],
)  # fmt: skip
def test_e05_articles_are_no_letters_and_marked_letters_are(answer: str, letter: str) -> None:
    assert extract_letter(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [  # written for this test, in further languages and wrappings
        ("Đáp án đúng là B", "B"), ("Jawaban yang benar adalah B", "B"), ("คำตอบคือ B", "B"),
        ("Правильна відповідь: B", "B"),
        ("Η σωστή απάντηση είναι Β", "B"), ("התשובה הנכונה היא B", "B"), ("Răspunsul corect este C", "C"),
        ("A helyes válasz: B", "B"), ("Oikea vastaus on C", "C"), ("Riktig svar er B", "B"),
        ("Det rigtige svar er C", "C"),
        ("پاسخ صحیح گزینه B است", "B"), ("উত্তর: B", "B"), (r"\boxed{B. Paris}", "B"), (r"\fbox{B}", "B"),
        (r"$\boxed{\textbf{(B) }12}$", "B"), ("{'answer': 'C'}", "C"), ("<final>C</final>", "C"),
        ("<b>C</b> is wrong", ""),
        ("A is wrong, B is wrong, so C.", "C"), ("Therefore, A.", "A"), ("Eliminating A and B leaves C", "C"),
        ("Among the options A, B, C and D, the right one is D", "D"), ("Options A and B look alike", ""),
        ("So I went home", ""), ("Therefore a dog", ""),
    ],
)  # fmt: skip
def test_e05_further_languages_and_wrappings(answer: str, letter: str) -> None:
    assert extract_letter(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("Answer: A, C", ""), ("The answer is A/B", ""), ("Answer: B or C", ""), ("Answer: C & D", ""), ("A, B", ""),
        ("The answer is B, C is wrong", "B"), ("The answer is B. Both A and C are wrong.", "B"),
    ],
)  # fmt: skip
def test_e05_several_letters_choose_none(answer: str, letter: str) -> None:
    assert extract_letter(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("Option A costs less. Option B costs more.", ""), ("Let me see. Option A... Therefore, C", "C"),
        ("A: no. B: no. C: yes", ""), ("(B) and (C) are wrong, so (A)", "A"), ("Option A is correct", "A"),
        ("Option B is wrong", ""), ("So the answer is not A but B", "B"), ("Nicht A, sondern C", "C"),
    ],
)  # fmt: skip
def test_e05_a_letter_that_is_only_named_is_not_chosen(answer: str, letter: str) -> None:
    assert extract_letter(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("Letter: C", "C"), ("Ans. C", "C"), ("1. B", "B"), ("Question 1: B", "B"), ("1. A\n2. B", ""),
        ("Q: A or C?\nA: B", "B"), ("Only B.", "B"), ("The correct answer is the letter E", "E"), ("B选项正确", "B"),
        ("Elijo la C", "C"), ("저는 B를 선택하겠습니다", "B"), ("\U0001f171\ufe0f", "B"), ("option b", "B"),
    ],
)  # fmt: skip
def test_e05_numbered_and_named_letters(answer: str, letter: str) -> None:
    assert extract_letter(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("The choice is clear: B", "B"), ("The answer is quite obvious: (B).", "B"), ("La réponse est claire : C", "C"),
        ("The answer is unclear: B has merits", ""), ("The answer is not clear: A or B", ""),
        ("(B) is false and (C) is true", "C"), ("(A) and (C) are wrong, (B) is right.", "B"),
        ("(A) ist falsch und (B) ist richtig", "B"), ("(A) est fausse et (C) est vraie", "C"),
        ("(A) is true, (B) isn't true.", "A"), ("(A) false. (B) true. (C) false.", "B"),
        ("(A) True (B) False", ""), ("(B) False", "B"), ("(B) is true and (C) is true", ""),
    ],
)  # fmt: skip
def test_e05_a_letter_that_is_judged_right_where_others_are_judged_wrong(answer: str, letter: str) -> None:
    """Our own sentences: a reader takes the one that is called right; two that are right choose nothing."""
    assert extract_letter(answer) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [("Out of these, C fits best.", "C"), ("Option B describes it best.", "B"), ("Which one? D works best.", "D"),
     ("A dog fits best in a small flat.", "")],
)  # fmt: skip
def test_e05_what_fits_best_is_chosen(answer: str, letter: str) -> None:
    assert extract_letter(answer) == letter
