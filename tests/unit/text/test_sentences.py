import pytest

from steward.text.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("He works for Acme Inc. in Rome.", ["He works for Acme Inc. in Rome."]),
        ("J. S. Bach wrote it. I know.", ["J. S. Bach wrote it.", "I know."]),
        ("It was I. He left.", ["It was I.", "He left."]),
        ("Pi is 3.14 or so. 42 is more.", ["Pi is 3.14 or so.", "42 is more."]),
        ("Wait... he said. “Yes.” Then", ["Wait... he said.", "“Yes.”", "Then"]),
        ("你好。世界！", ["你好。", "世界！"]),
        ("no end", ["no end"]),
        ("e.g. this", ["e.g. this"]),
        ("A dot. lower goes on.", ["A dot. lower goes on."]),
        ("", []),
    ],
)
def test_sentences_by_rule(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected
