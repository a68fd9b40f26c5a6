"""People and organisations by what stands around them; how sure each signal is."""

from __future__ import annotations

from typing import Any

import pytest

from steward.privacy.names import find_people, find_written
from steward.privacy.scan import split_words
from steward.privacy.wordlists import CUES, is_known, read_words


def people(text: str) -> list[tuple[str, float]]:
    return [
        (text[start:end], score)
        for start, end, entity, score in find_people(text, split_words(text))
        if entity == "PERSON"
    ]


def written(text: str, dates: bool = True) -> list[tuple[str, str, float]]:
    words = set("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())
    finds = find_written(text, words, dates)
    return [(text[start:end], entity, score) for start, end, entity, score in finds if entity != "PERSON"]


@pytest.mark.parametrize(
    ("text", "name", "score"),
    [
        ("Dr. Zora Quill", "Zora Quill", 0.85),
        ("Mrs Quill came", "Quill", 0.85),
        ("Sig.ra Quill", "Quill", 0.85),
        ("Prof. Dr. Z. Quill", "Z. Quill", 0.85),
        ("Dear Mrs. Quill,\nhello", "Quill", 0.75),
        ("Dear Zora,\nhello", "Zora", 0.75),
        ("\n  Hallo Zora!", "Zora", 0.75),
        ("Sehr geehrte Frau Quill,", "Quill", 0.75),
        ("this is Zora Quill speaking", "Zora Quill", 0.8),
        ("my name is Zora", "Zora", 0.8),
        ("ich heiße Zora.", "Zora", 0.8),
        ('{"name": "Zora Quill"}', "Zora Quill", 0.85),
        ("first name: Zora", "Zora", 0.85),
        ("Name=Quill, Zora", "Quill, Zora", 0.85),
        ("Best regards,\nZora Quill\n", "Zora Quill", 0.75),
        ("thanks\n\nZora", "Zora", 0.75),
        ("then Maria Quill said", "Maria Quill", 0.8),
    ],
)
def test_each_signal_has_its_score(text: str, name: str, score: float) -> None:
    assert people(text) == [(name, score)]


@pytest.mark.parametrize(
    "text",
    [
        "this is Zora", "I say: Dear Zora, hello", "regards Zora", "The Quick Brown Fox",
        "my name is Error", "Dr. Li", "user@Maria Quill", "Best regards,\nThe Error\n",
    ],
)  # fmt: skip
def test_a_capital_letter_alone_says_nothing(text: str) -> None:
    assert people(text) == []


def test_a_name_ends_before_the_first_word_that_is_none() -> None:
    assert people("my name is Zora Quill Monday") == [("Zora Quill", 0.8)]


def test_who_is_named_once_is_named_everywhere() -> None:
    text = "my name is Grace Early. I told them: Grace Early is right, Grace itself is not."
    assert people(text) == [("Grace Early", 0.8), ("Grace Early", 0.75)]
    assert people("my name is Zora. Zora it is") == [("Zora", 0.8), ("Zora", 0.55)]
    assert people("my name is Zora. Zora.run() it is") == [("Zora", 0.8)]  # code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dear Maria Quill, thanks. Quill signs tomorrow.", [("Maria Quill", 0.75), ("Quill", 0.55)]),
        ("Kuonila Satouro came. We like early Satouro.", [("Kuonila Satouro", 0.6)]),  # not sure enough to go by
        ("I told Maria Early so. Early on.", [("Maria Early", 0.8)]),  # an ordinary word
    ],
)
def test_a_part_of_a_sure_name_names_the_same_person(text: str, expected: list[tuple[str, float]]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("we met Maria Quill and Kuonila there", [("Maria Quill", 0.8), ("Kuonila", 0.55)]),
        ("it was Satouro, Kuonila and Maria Quill", [("Satouro, Kuonila", 0.55), ("Maria Quill", 0.8)]),
        ("we met Maria Quill and Error there", [("Maria Quill", 0.8)]),
    ],
)
def test_who_is_named_in_one_breath_with_somebody(text: str, expected: list[tuple[str, float]]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize(
    ("text", "name", "score"),
    [
        ("Maria said so", "Maria", 0.55),
        ("Kuonila lives here", "Kuonila", 0.55),
        ("Why is Kuonila so loud?", "Kuonila", 0.55),
        ("here is Kuonila's address", "Kuonila", 0.55),
        ("the letter of Maria.", "Maria", 0.6),
        ("we like Maria very much", "Maria", 0.5),
        ("we like Maria.", "Maria", 0.5),
        ("then Maria McQuill said", "Maria McQuill", 0.8),
    ],
)
def test_one_name_alone_counts_by_the_words_beside_it(text: str, name: str, score: float) -> None:
    assert people(text) == [(name, score)]


@pytest.mark.parametrize(
    "text",
    ["Kuonila runs fast", "in Maria, Texas", "here is Kuonila's engine", "is Kuonila so", "Maria",
     "Kuonila Satouro Mews", "Maria Quill Avenue"],
)  # fmt: skip
def test_one_name_alone_is_none_without_them(text: str) -> None:
    assert people(text) == []


def test_the_surer_signal_counts() -> None:
    assert people("name: Maria Quill") == [("Maria Quill", 0.85)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sold by Quill & Sons Ltd today", [("Quill & Sons Ltd", "ORGANIZATION", 0.75)]),
        ("die Zorawerke GmbH", [("Zorawerke GmbH", "ORGANIZATION", 0.75)]),
        ("The Company", []),
        ("zora gmbh", []),
        ("at 12 Main Street", [("12 Main Street", "STREET_ADDRESS", 0.8)]),
        ("DOB: 03/12/1985", [("03/12/1985", "DATE_OF_BIRTH", 0.9)]),
        ("released on 2024-05-01", [("2024-05-01", "DATE_TIME", 0.6)]),
    ],
)
def test_what_else_is_written(text: str, expected: list[tuple[str, str, float]]) -> None:
    assert written(text) == expected


def test_without_dates_only_those_of_birth_are_looked_for() -> None:
    assert written("released on 2024-05-01", dates=False) == []
    assert written("DOB: 03/12/1985", dates=False) == [("03/12/1985", "DATE_OF_BIRTH", 0.9)]


def people_here(text: str) -> list[tuple[str, float]]:
    return [(text[start:end], score) for start, end, _, score in find_people(text, split_words(text))]


@pytest.mark.parametrize(
    ("text", "name", "score"),
    [
        ("Mr. Zora Quill", "Zora Quill", 0.85),
        ("name: Zora Quill", "Zora Quill", 0.85),
        ("My name is Zora Quill", "Zora Quill", 0.8),
        ("yesterday Maria Quill said", "Maria Quill", 0.8),
        ("Dear Zora,", "Zora", 0.75),
        ("Regards,\nZora\n", "Zora", 0.75),
        ("we saw Kuonila Satouro there", "Kuonila Satouro", 0.6),  # words that nothing knows
        ("I told Philip that", "Philip", 0.6),  # a given name after a word that stands before people_here
        ("she asked Kuonila again", "Kuonila", 0.55),
        ('Kuonila: "Who are you?"', "Kuonila", 0.55),
        ("Wit B. Satouro lives here", "Wit B. Satouro", 0.6),  # an initial, and a last word that nothing knows
    ],
)
def test_each_signal_has_its_score_too(text: str, name: str, score: float) -> None:
    assert people_here(text) == [(name, score)]


@pytest.mark.parametrize(
    "text",
    [
        "Connection Reset by Peer", "Getting Started Guide", "name=None", "name: Union[str, int]",
        "Internal Server Error", "The Quick Brown Fox", "in Kuonila", "Philip", "Title Case Heading", "New York",
    ],
)  # fmt: skip
def test_capitals_alone_say_nothing(text: str) -> None:
    assert people_here(text) == []


def test_a_name_ends_at_a_possessive_and_before_what_is_none() -> None:
    assert people_here("Maria Quill's Cautionary Tales") == [("Maria Quill", 0.8)]
    assert people_here("Mrs. Maria Quill Apt. 189") == [("Maria Quill", 0.85)]


def test_organisations_by_their_form() -> None:
    text = "in Town, Zorawerke GmbH; Quill & Sons Ltd., too"
    finds = [
        text[start:end] for start, end, entity, _ in find_written(text, {"gmbh", "ltd"}) if entity == "ORGANIZATION"
    ]
    assert finds == ["Zorawerke GmbH", "Quill & Sons Ltd."]


def test_known_words_and_lists() -> None:
    assert is_known("connection") and is_known("connections") and not is_known("kuonila")
    assert "Maria" in read_words("given_names.txt") and "#" not in read_words("given_names.txt")
    assert "gmbh" in CUES["companies"]


@pytest.mark.parametrize(
    "name", ["Winter J. Kowalzcyk", "Winter J. P. Kowalzcyk", "Winter J van Kowalzcyk", "Winter J Kowalzcyk"]
)
def test_an_ordinary_word_begins_a_name_only_before_an_initial(name: str) -> None:
    assert is_known("winter") and people(f"{name} wrote.") == [(name, 0.6)]
    assert people("Winter Kowalzcyk wrote.") == [("Kowalzcyk", 0.55)]


class CountedText(str):
    """Counts how often it is searched from one end to the other."""

    searches = 0

    def count(self, *arguments: Any) -> int:
        CountedText.searches += 1
        return str.count(self, *arguments)


@pytest.mark.parametrize(
    "names",
    [["Maria"], [f"Maria {a}{b}{c}" for a in "BDFKLMNRSTVZ" for b in ("arto", "elvi", "undo") for c in "klmnrst"]],
)
def test_a_text_full_of_names_is_searched_a_few_times(names: list[str]) -> None:
    """Once for each name would take a minute for a megabyte."""
    CountedText.searches = 0
    text = CountedText("".join(f"I am {name}. " for name in names * (2000 // len(names))))
    assert len(find_people(text, split_words(text))) >= 1000 and CountedText.searches <= 40
