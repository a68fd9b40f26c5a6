import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data_batches import batch
from steward.data.profile import LengthStatistics, measure_lengths, profile
from steward.workflows.data_review import profile_files


def test_profile_counts_what_is_there(tmp_path: Path) -> None:
    english = "The weather is fine today and the children play outside."
    texts = [
        english,
        english.upper(),
        "hi",
        "Das Wetter ist heute schön und wir gehen in den Garten.",
        f"{english} a@b.org",
    ]
    rows = [{"text": text, "label": "x" if n else "y", "score": 0.5} for n, text in enumerate(texts)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "nonsense\n")
    found = profile_files([str(tmp_path / "a.jsonl")])
    assert (found.rows, found.failed, found.exact_duplicates) == (5, 1, 1)
    assert found.characters == sum(map(len, texts)) and found.lengths == {2: 1, 6: 3, 7: 1}  # 2^5 to 2^6 - 1
    assert found.languages == {"en": 3, "short": 1, "de": 1} and found.personal_data == {"email": 1}
    assert found.median_characters == 56  # D23: the third of 2, 55, 56, 56 and 64 characters
    assert found.columns == {"label": {"x": 4, "y": 1}}


@pytest.mark.parametrize(
    ("lengths", "median"), [([103] * 9, 103.0), ([1, 2, 1000], 2.0), ([64, 127], 95.5), ([0], 0.0)]
)
def test_d23_the_median_length_is_the_median(lengths: list[int], median: float) -> None:
    assert profile([batch(*["x" * length for length in lengths])]).median_characters == median


def test_two_profiles_add_up() -> None:
    one = LengthStatistics(2, 30, {4: 2}, {"en": 1}, {"image": 1})
    other = LengthStatistics(3, 12, {0: 1, 4: 2}, {"de": 2, "en": 1}, {"image": 2, "audio": 1})
    assert (
        one.merge(other)
        == LengthStatistics(5, 42, {0: 1, 4: 4}, {"en": 2, "de": 2}, {"image": 3, "audio": 1})
        == other.merge(one)
    )


@pytest.mark.parametrize(
    ("length", "bucket"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (1023, 10), (1024, 11)]
)
def test_a_bucket_holds_up_to_twice_as_long_texts(length: int, bucket: int) -> None:
    assert measure_lengths(batch("x" * length)).buckets == {bucket: 1}


@pytest.mark.parametrize(("rows", "sample"), [(1, 1), (64, 64), (65, 64), (129, 64)])
def test_the_language_of_sixty_four_rows_at_most_is_asked_for(rows: int, sample: int) -> None:
    assert sum(measure_lengths(batch(*["hi"] * rows)).languages.values()) == sample


def test_the_sample_of_a_part_of_the_rows_keeps_those_that_were_asked_for_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[set[str]] = []
    monkeypatch.setattr("steward.data.profile._guess_sample", lambda text: asked[-1].add(text) or "en")
    whole = batch(*[f"text {index}" for index in range(500)])
    for part in (whole, whole.slice(100)):
        asked.append(set())
        measure_lengths(part)
    before, after = asked
    still_there = {text for text in before if int(text.split()[1]) >= 100}
    assert len(before) == len(after) == 64 and still_there <= after and 30 < len(still_there) < 64


def with_labels(count: int) -> pa.RecordBatch:
    return batch(*["x"] * count).append_column("label", pa.array([str(n) for n in range(count)]))


@pytest.mark.parametrize(("values", "is_label"), [(50, True), (51, False)])
def test_a_column_of_more_than_fifty_values_is_no_label(values: int, is_label: bool) -> None:
    found = profile([with_labels(values), with_labels(1)]).columns
    assert ("label" in found) == is_label
    if is_label:
        assert found["label"]["0"] == 2 and len(found["label"]) == 50


def test_numbers_with_fractions_are_no_labels_and_tokens_are_counted_where_they_can_be() -> None:
    scored = batch("a b", "c").append_column("score", pa.array(np.array([0.5, 0.5])))
    found = profile([scored])
    assert found.columns == {} and (found.tokens, found.median_tokens, found.max_tokens) == (None, None, None)
    assert profile([]).rows == 0 and profile([]).median_characters == 0.0


def test_texts_are_duplicates_whatever_their_case_and_spacing() -> None:
    found = profile([batch("Hello  there", "hello there"), batch("HELLO\tTHERE", "bye")], failed=3)
    assert (found.rows, found.exact_duplicates, found.failed) == (4, 2, 3)


def test_rows_that_hold_a_kind_of_personal_data_are_counted_once() -> None:
    found = profile([batch("aa", "b", "a")], detector=lambda text: [(0, 1, "letter a")] * text.count("a"))
    assert found.personal_data == {"letter a": 2}
