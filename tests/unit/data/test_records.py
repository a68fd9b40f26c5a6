import json
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


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def test_chats_keep_tool_calls_and_refuse_unknown_roles(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    bot = {"role": "bot", "content": "hi"}
    file = jsonl(tmp_path / "a.jsonl", {"messages": [parts, call]}, {"messages": [parts, bot]}, {"messages": []})
    rows, failed = everything(Source(path=str(file), on_error="skip"))
    assert rows[0]["messages"][0] == {"role": "user", "content": "ab", "more": None}
    assert json.loads(rows[0]["messages"][1]["more"]) == {"tool_calls": [{"id": "1"}]}
    assert [(e.rule, e.where) for e in failed] == [
        ("unknown_role", "a.jsonl:2 messages[1].role"),
        ("no_messages", "a.jsonl:3 messages"),
    ]


def test_pairs_and_keys_that_appear_late(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "chosen": "c", "rejected": "r"}] * 300 + [{"chosen": "c", "rejected": "r", "late": 1}]
    found, failed = everything(Source(path=str(jsonl(tmp_path / "a.jsonl", *rows))))
    assert (
        not failed and found[0]["prompt"] == "p" and found[300]["prompt"] == "" and found[300]["more"] == '{"late":1}'
    )
