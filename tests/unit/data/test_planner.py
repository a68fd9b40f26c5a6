import json
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.planner import plan_reading
from steward.data.reader import read_shard


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("", {}, "without a row"),
        ('{"body": "x"}\n', {}, "no column text, messages, or chosen and rejected; its columns are body"),
        ('{"body": "x"}\n', {"text": "boddy"}, "did you mean 'body'"),
        ('{"text": "x"}\n', {"id": "key"}, "unknown column"),
        ("nonsense\n", {}, "a.jsonl:1: none of the first 200 rows can be read: not JSON"),
    ],
)
def test_what_cannot_be_planned_is_said(tmp_path: Path, content: str, options: Any, expected: str) -> None:
    file = jsonl(tmp_path / "a.jsonl", content)
    with pytest.raises(InputError, match=expected):
        plan_reading(Source(path=str(file), **options))
    with pytest.raises(InputError, match="no file matches"):
        plan_reading(Source(path=str(tmp_path / "*.none")))


def test_an_empty_file_among_others_is_counted(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", {"text": "x"}, "\n", {"text": "y"})
    (tmp_path / "b.jsonl").touch()
    found = plan_reading(Source(path=str(tmp_path / "*.jsonl")))
    assert found.empty_files == 1 and len(found.shards) == 1
    assert sum(item.blank for item in read_shard(found.shards[0], found.shape, Source(path="x"))) == 1
