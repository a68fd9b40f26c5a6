"""Words that detectors know, without the comments of their files."""

import pytest

from steward.privacy.wordlists import CUES, is_known, read_words


def test_comments_are_no_words() -> None:
    names = read_words("given_names.txt")
    assert {"Anna", "Ahmed", "Maria"} <= names and not {"#", "Common", "languages."} & names
    assert "Monday" in read_words("not_names.txt")


def test_cues_by_their_kind() -> None:
    assert {"Mr", "Frau", "Pani"} <= CUES["titles"] and {"gmbh", "ltd"} <= CUES["companies"]
    assert {"born", "geboren"} <= CUES["births"] and "Straße" in CUES["street_endings"]


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("card", True),
        ("cards", True),
        ("umbrellas", True),
        ("umbrellass", False),
        ("cardx", False),
        ("kowalczyks", False),
        ("kowalczyk", False),
        ("", False),
    ],
)
def test_ordinary_words_and_their_plurals_are_no_names(word: str, known: bool) -> None:
    assert is_known(word) is known
