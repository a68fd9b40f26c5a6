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
        ("Go. \n", ["Go."]),
        ("I met Dr. Roberts today. He waved.", ["I met Dr. Roberts today.", "He waved."]),
        ("Is it no? Yes.", ["Is it no?", "Yes."]),  # only a full stop belongs to an abbreviation
        ("And so on, etc... Then she left.", ["And so on, etc...", "Then she left."]),
        ('He went. "Yes."', ["He went.", '"Yes."']),
        ("He left. (She stayed.) - Why?", ["He left.", "(She stayed.)", "- Why?"]),
        ("It ends. 中文", ["It ends.", "中文"]),
        ("Call func. #3 now", ["Call func. #3 now"]),
    ],
)
def test_sentences_by_rule(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected
