import json
import random

import numpy as np
import pyarrow as pa
import pytest

from corpus_stages import batch, cut, ran
from steward.core.errors import InputError
from steward.data.stages.outliers import Outliers, robust_z

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "looked",
    "at",
    "birds",
    "that",
    "sang",
    "in",
    "old",
    "trees",
    "by",
    "the",
    "slow",
    "river",
]
RNG = random.Random(5)
PROSE = [" ".join(RNG.choices(WORDS, k=RNG.randrange(60, 120))).capitalize() + "." for _ in range(200)]


def test_robust_z_is_iglewicz_and_hoaglins() -> None:
    """By hand: median 3, MAD 1, 0.6745 * (100 - 3)."""
    assert robust_z(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))[-1] == pytest.approx(65.4265)
    assert robust_z(np.array([7.0, 7.0, 7.0, 9.0])).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("odd", "rules"),
    [
        (" ".join(WORDS * 4000), {"outlier_length"}),
        ("1234 5678 " * 45, {"outlier_digits", "outlier_perplexity", "outlier_letters", "outlier_embedding"}),
        (PROSE[0].upper(), {"outlier_upper"}),
        (" ".join(RNG.choices(["xqzv", "wkjx", "qqzk", "vzxw"], k=90)), {"outlier_perplexity", "outlier_embedding"}),
    ],
)
def test_what_is_odd_goes_and_the_rule_says_why(odd: str, rules: set[str]) -> None:
    _, entries = ran(Outliers(z=8), [batch([*PROSE, odd])])
    assert [entry.id for entry in entries] == ["r200"]
    assert entries[0].rule in rules and abs(float(entries[0].value)) > 8


def test_plain_prose_has_none_and_a_handful_of_rows_tells_nothing() -> None:
    assert ran(Outliers(z=8), [batch(PROSE)])[1] == []
    assert ran(Outliers(), [batch(["a", "b" * 9999])])[1] == []


def test_any_cut_into_batches_gives_the_same_answer() -> None:
    whole = batch([*PROSE, "9" * 300])
    assert {entry.row for entry in ran(Outliers(), cut(whole, 37))[1]} == {e.row for e in ran(Outliers(), [whole])[1]}


def test_the_users_embedding_is_taken_where_named() -> None:
    rng = np.random.default_rng(1)
    vectors = [*rng.normal(size=(199, 8)).tolist(), [50.0] * 8]
    _, entries = ran(Outliers(embedding="e", measures=("embedding",)), [batch(PROSE, e=vectors)])
    assert [(entry.id, entry.rule) for entry in entries] == [("r199", "outlier_embedding")]
    with pytest.raises(InputError, match="unknown column 'f'"):
        Outliers(embedding="f").survey(batch(["x"]))


def measures(text: str) -> list[float]:
    """Of one text: the logarithm of its length, and the shares of letters, digits, capitals and white space."""
    return Outliers().survey(batch([text])).column("measures")[0].as_py()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "letters", "digits", "upper", "spaces"),
    [
        ("AZaz", 4, 0, 2, 0),
        ("@[`{", 0, 0, 0, 0),  # the neighbours of A, Z, a and z
        ("09", 0, 2, 0, 0),
        ("/:", 0, 0, 0, 0),  # of 0 and 9
        ("\t\n\r ", 0, 0, 0, 4),
        ("\x08\x0e!", 0, 0, 0, 0),
        ("Az 09\t中é²", 4, 2, 1, 2),
        ("\x7f\x80", 0, 0, 0, 0),
    ],
)
def test_shares_of_kinds_of_characters(text: str, letters: int, digits: int, upper: int, spaces: int) -> None:
    size = len(text)
    expected = [np.log1p(size), letters / size, digits / size, upper / size, spaces / size]
    assert measures(text) == pytest.approx(expected)


def test_no_text_has_no_share() -> None:
    assert measures("") == [0.0] * 5


def test_thirty_rows_are_enough_and_29_are_not() -> None:
    odd = " ".join(WORDS * 4000)
    assert [entry.rule for entry in ran(Outliers(), [batch([*PROSE[:29], odd])])[1]] == ["outlier_length"]
    assert ran(Outliers(), [batch([*PROSE[:28], odd])])[1] == []


@pytest.mark.parametrize("odd", [[1.0], None, "no list", [], [1.0, float("inf")]])
def test_d11_a_row_without_an_embedding_like_the_others_fails_alone(odd: object) -> None:
    vectors = [[float(n % 7), 1.0] for n in range(39)]
    rows = batch([f"text {n}" for n in range(40)])
    rows = rows.append_column("e", pa.array([json.dumps(vector) for vector in [*vectors, odd]]))
    _, entries = ran(Outliers(embedding="e", measures=("embedding",)), [rows.slice(0, 20), rows.slice(20)])
    assert [(entry.id, entry.action, entry.rule) for entry in entries] == [("r39", "fail", "no_embedding")]


@pytest.mark.parametrize(("read", "is_judged"), [(30, True), (29, False)])
def test_rows_without_an_embedding_are_not_among_the_thirty(read: int, is_judged: bool) -> None:
    vectors = [[float(n % 7), 1.0] for n in range(read - 1)] + [[1e6, 1.0]]
    rows = batch([f"text {n}" for n in range(read + 2)])
    rows = rows.append_column("e", pa.array([*map(json.dumps, vectors), None, None]))
    _, entries = ran(Outliers(embedding="e", measures=("embedding",)), [rows])
    failed = [("fail", "no_embedding")] * 2
    assert [(one.action, one.rule) for one in entries] == [("drop", "outlier_embedding")] * is_judged + failed


def test_d11_no_embedding_at_all_is_an_error() -> None:
    rows = batch(["a", "b"]).append_column("e", pa.array([None, "no list"], pa.string()))
    with pytest.raises(InputError, match="no row has a list of numbers in column 'e'"):
        ran(Outliers(embedding="e"), [rows])


def test_d09_measures_are_named_rightly() -> None:
    with pytest.raises(InputError, match="did you mean 'length'"):
        Outliers(measures=("lenght",))
    with pytest.raises(InputError, match="measures is empty"):
        Outliers(measures=())


def test_an_embedding_may_be_json() -> None:
    rows = batch(["a", "b"]).append_column("e", pa.array(["[1.0, 2.0]", "[3.0, 4.0]"]))
    assert len(Outliers(embedding="e").survey(rows)) == 2
