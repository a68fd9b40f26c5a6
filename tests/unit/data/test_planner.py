import json
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.planner import find_files, plan_reading
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


def names(path: Path, *patterns: str, **more: Any) -> list[str]:
    found = find_files(Source(path=[str(path / pattern) for pattern in patterns], **more))
    return [str(file.relative_to(path)) for file in found]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.jsonl", "sub/b.csv", "sub/notes.pdf", ".hidden/c.jsonl", "_parts/d.jsonl", ".e.jsonl", "_f.jsonl",
                 "run/rows/part-00000.jsonl", "run/rows/_SUCCESS",
                 "run/summary.json", "run/ledger/g.jsonl", "run/other.jsonl"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    return tmp_path


def test_a_folder_is_its_data_files_and_of_a_run_its_rows(tree: Path) -> None:
    assert names(tree, "") == ["a.jsonl", "run/rows/part-00000.jsonl", "sub/b.csv"]
    assert names(tree, "sub", format="txt") == ["sub/b.csv", "sub/notes.pdf"]


def test_a_pattern_takes_files_and_no_folders(tree: Path) -> None:
    assert names(tree, "*", "sub") == ["_f.jsonl", "a.jsonl", "sub/b.csv"]  # what a shell's star takes


def bounds(file: Path, shard_mb: float, **more: Any) -> list[tuple[int, int, int, int]]:
    plan = plan_reading(Source(path=str(file), shard_mb=shard_mb, **more))
    return [(shard.index, shard.start, shard.end, shard.first_line) for shard in plan.shards]


def test_shards_begin_at_line_ends(tmp_path: Path) -> None:
    """Lines of 16 bytes; 0.00002 MiB are 20 bytes, so that a shard takes two."""
    file = jsonl(tmp_path / "a.jsonl", *[{"text": "xxx"} for _ in range(5)])
    assert file.stat().st_size == 5 * 16
    assert bounds(file, 0.00002) == [(0, 0, 32, 1), (1, 32, 64, 3), (2, 64, -1, 5)]
    assert bounds(file, 0.00001) == [(n, 16 * n, 16 * n + 16 if n < 4 else -1, n + 1) for n in range(5)]
    assert bounds(file, 16) == [(0, 0, -1, 1)]


def test_only_jsonl_in_utf_8_is_split_by_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n" + "x\n" * 50)
    assert bounds(tmp_path / "a.csv", 0.00001) == [(0, 0, -1, 1)]
    file = tmp_path / "a.jsonl"
    file.write_bytes("".join('{"text": "x"}\n' for _ in range(9)).encode("latin-1"))
    assert len(bounds(file, 0.00001)) == 9 and bounds(file, 0.00001, encoding="latin-1") == [(0, 0, -1, 1)]
