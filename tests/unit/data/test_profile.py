import json
from pathlib import Path

import pytest

from data_batches import batch
from steward.data.profile import profile
from steward.workflows.curate import profile_files


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
