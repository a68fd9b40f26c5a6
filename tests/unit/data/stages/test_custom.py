import pytest

from data_batches import apply, batch
from steward.core.errors import InputError, UnknownName
from steward.data.stages.custom import Custom


def test_custom_changes_drops_keeps_and_fails_rows(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "def tidy(text):\n    if text == 'boom':\n        raise ValueError(text)\n"
        "    return {'no': False, 'same': True}.get(text, text.upper())\n"
    )
    texts, entries = apply(Custom(function=f"{path}:tidy"), "a", "no", "same", "boom")
    assert texts == ["A", "same"]
    assert sorted(entries) == [("d0", "change", "tidy"), ("d1", "drop", "tidy"), ("d3", "fail", "tidy")]
    with pytest.raises(UnknownName, match="did you mean 'tidy'"):
        Custom(function=f"{path}:tidi").apply(batch("a"))
    with pytest.raises(InputError, match="no file"):
        Custom(function="nowhere.py:tidy").apply(batch("a"))


def test_none_drops_a_row_and_anything_but_a_text_or_a_truth_value_fails_it(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def judge(text):\n    return {'none': None, 'number': 5}[text]\n")
    texts, entries = apply(Custom(function=f"{path}:judge"), "none", "number")
    assert texts == [] and sorted(entries) == [("d0", "drop", "judge"), ("d1", "fail", "judge")]
