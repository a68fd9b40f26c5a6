import pyarrow as pa

from steward.data.read_plan import RowLayout, Shard, find_row, row_location, row_number
from steward.data.row_ids import copied_row_id

SHARDS = (
    Shard(0, "/x/a.jsonl", "a.jsonl", "jsonl", 0, 100, 1),
    Shard(1, "/x/a.jsonl", "a.jsonl", "jsonl", 100, -1, 8),
    Shard(2, "/x/b.jsonl", "b.jsonl", "jsonl"),
)


def test_a_rows_number_holds_its_shard_and_line() -> None:
    assert row_number(SHARDS[1], 10) == 2**32 + 2
    for shard, line, name in ((0, 7, "a.jsonl:7"), (1, 8, "a.jsonl:8"), (2, 1, "b.jsonl:1")):
        number = row_number(SHARDS[shard], line)
        assert row_location(number, SHARDS) == name == row_location(copied_row_id(number, 3), SHARDS)
        assert find_row(name.partition(":")[0], line, SHARDS) == number
    assert find_row("c.jsonl", 1, SHARDS) is None
    assert (SHARDS[2].start, SHARDS[2].end, SHARDS[2].first_line) == (0, -1, 1)  # the whole file


def test_the_columns_of_every_batch() -> None:
    layout = RowLayout("pair", "text", None, (("n", "int64"), ("meta", "json")))
    assert layout.schema().names == ["row", "id", "prompt", "chosen", "rejected", "n", "meta", "more"]
    assert layout.schema().field("meta").metadata == {b"json": b"1"}
    assert layout.schema().field("n").type == pa.int64() and layout.native_schema().names == []
