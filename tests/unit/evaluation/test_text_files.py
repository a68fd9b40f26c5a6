"""Line ends and byte order marks (Unicode 16, sections 5.8 and 23.8) change nothing that is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.evaluation.score import read_predictions, read_references
from steward.evaluation.study import StudyOptions, read_gold
from steward.evaluation.suite import load_suite
from steward.evaluation.text_files import read_text_file

WRITTEN: dict[str, Callable[[str], str]] = {
    "unix": lambda text: text,
    "windows": lambda text: text.replace("\n", "\r\n"),
    "old mac": lambda text: text.replace("\n", "\r"),
    "mixed": lambda text: text.replace("\n", "\r\n", 2),
    "marked": lambda text: "\ufeff" + text.replace("\n", "\r\n"),
}
SUITE = "name: t\ndata: items.{}\nprompt: |\n  Say\n  {{question}}\nreferences: answer\nmetrics: [exact_match]\n"
DATA = {
    "csv": 'id,question,answer\n1,"a\nb","x\ny"\n2,c,z\n',
    "tsv": 'id\tquestion\tanswer\n1\t"a\nb"\t"x\ny"\n2\tc\tz\n',
    "jsonl": '{"id": "1", "question": "a\\nb", "answer": "x\\ny"}\n{"id": "2", "question": "c", "answer": "z"}\n',
    "json": '[{"id": "1", "question": "a\\r\\nb", "answer": "x\\ny"},\n {"id": "2", "question": "c", "answer": "z"}]\n',
}


@pytest.mark.parametrize("write", WRITTEN)
@pytest.mark.parametrize("kind", DATA)
def test_e08_suites_and_data(tmp_path: Path, kind: str, write: str) -> None:
    (tmp_path / "suite.yaml").write_bytes(WRITTEN[write](SUITE.format(kind)).encode())
    (tmp_path / f"items.{kind}").write_bytes(WRITTEN[write](DATA[kind]).encode())
    items = load_suite(tmp_path / "suite.yaml").items
    assert [item.messages[0].content for item in items] == ["Say\na\nb\n", "Say\nc\n"]
    assert [item.references for item in items] == [("x\ny",), ("z",)]


@pytest.mark.parametrize("write", WRITTEN)
def test_e08_predictions_references_and_gold(tmp_path: Path, write: str) -> None:
    rows = {
        "p": '{"id": 1, "prediction": "x\\r\\ny"}\n{"id": 2, "prediction": "z"}\n',
        "r": '{"id": 1, "references": ["x\\ny"]}\n{"id": 2, "references": ["z"]}\n',
        "g": '{"prompt": "q", "better": "a", "worse": "b"}\n{"prompt": "r", "better": "c", "worse": "d"}\n',
    }
    for name, text in rows.items():
        (tmp_path / name).write_bytes(WRITTEN[write](text).encode())
    assert [row.prediction for row in read_predictions(tmp_path / "p")] == ["x\ny", "z"]
    assert read_references(tmp_path / "r") == {"1": ["x\ny"], "2": ["z"]}
    assert len(read_gold(tmp_path / "g", StudyOptions(title="t", mode="pairs"))) == 2


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="not UTF-8 at byte 3"):
        read_text_file(tmp_path / "a.txt", "a text")
