import pytest

from steward.core.errors import InputError
from steward.data.judgement import make_question, read_score


def test_the_text_stands_where_the_question_says() -> None:
    assert make_question("Rate {{text}} or {{  text }}.", r"a\1") == r"Rate a\1 or a\1."
    with pytest.raises(InputError, match=r"has no \{\{ text \}\}"):
        make_question("Rate this.", "a")


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("Score: 4", 4.0), ("score is 2, then SCORE = 3.5", 3.5), ("**Score:** 0", 0.0), ("5", 5.0),
        (" 4.5. ", 4.5),
        ("Score: 6", None), ("-1", None), ("I give it 4", None), ("", None), ("scores vary", None),
        ("Score: five", None),
    ],
)  # fmt: skip
def test_a_score_is_named_or_stands_alone(answer: str, score: float | None) -> None:
    assert read_score(answer, 0, 5) == score
