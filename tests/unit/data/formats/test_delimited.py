from pathlib import Path
from typing import Any

from steward.data.config import Source
from steward.data.planner import plan_reading
from steward.data.reader import read_shard
from steward.data.stage import Entry


def everything(source: Source) -> tuple[list[dict[str, Any]], list[Entry]]:
    found = plan_reading(source)
    reads = [item for shard in found.shards for item in read_shard(shard, found.shape, source)]
    return [row for item in reads for row in item.batch.to_pylist()], [e for item in reads for e in item.failed]


def test_csv_with_quoted_line_ends_counts_lines_as_an_editor_does(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('text,label\n"two\nlines",x\nbad\n"caf\xe9",y\nend,z\n'.encode("latin-1"))
    rows, failed = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip"))
    assert [(row["text"], row["label"]) for row in rows] == [("two\nlines", "x"), ("end", "z")]
    assert [(entry.rule, entry.id) for entry in failed] == [("wrong_columns", "a.csv:4"), ("invalid_utf8", "a.csv:5")]
