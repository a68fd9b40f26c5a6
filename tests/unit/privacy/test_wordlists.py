"""Words that detectors know, without the comments of their files."""

from steward.privacy.wordlists import CUES, read_words


def test_comments_are_no_words() -> None:
    names = read_words("given_names.txt")
    assert {"Anna", "Ahmed", "Maria"} <= names and not {"#", "Common", "languages."} & names
    assert "Monday" in read_words("not_names.txt")


def test_cues_by_their_kind() -> None:
    assert {"Mr", "Frau", "Pani"} <= CUES["titles"] and {"gmbh", "ltd"} <= CUES["companies"]
    assert {"born", "geboren"} <= CUES["births"] and "Straße" in CUES["street_endings"]
