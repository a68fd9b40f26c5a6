import json
from pathlib import Path

import pytest

from steward.core.errors import InputError, UnknownName
from steward.data.classifier import load_classifier
from steward.workflows.classify import train_from_files


@pytest.fixture
def rows(tmp_path: Path) -> str:
    lines = []
    for number in range(150):
        lines.append({"text": f"A river carves its valley, case {number}.", "quality": "good"})
        lines.append({"text": f"Click to win offer {number} today!", "quality": "spam"})
    lines += [{"text": "nobody looked at this one", "quality": None}, {"text": "nor at this", "quality": ""}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\nbroken\n")
    return str(path)


def test_labelled_rows_become_a_classifier(rows: str, tmp_path: Path) -> None:
    output = tmp_path / "made" / "good.npz"
    record = train_from_files([rows], label="quality", good=["good"], output=output)
    assert (record.rows, record.skipped, record.failed, record.good) == (300, 2, 1, 150)
    assert record.held_out.accuracy == 1 and record.output == str(output)
    assert load_classifier(str(output)).score(["the valley of a river"])[0] > 0.5


def test_an_unknown_label_or_column_is_named(rows: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--good god: no row has 'god' in column 'quality'; the rows have 'good', 'sp"):
        train_from_files([rows], label="quality", good=["god"], output=tmp_path / "a.npz")
    with pytest.raises(UnknownName, match="did you mean 'quality'"):
        train_from_files([rows], label="qualty", good=["good"], output=tmp_path / "a.npz")
    assert not (tmp_path / "a.npz").exists()


def test_numbers_and_truth_values_are_labels_as_json_writes_them(tmp_path: Path) -> None:
    lines = [
        {"text": f"A river carves valley {n}" if n % 2 else f"win offer {n}", "kept": bool(n % 2)} for n in range(300)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    record = train_from_files([str(tmp_path / "rows.jsonl")], label="kept", good=["true"], output=tmp_path / "a.npz")
    assert record.good == 150
