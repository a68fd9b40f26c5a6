import pyarrow as pa

from data_batches import batch
from steward.data.ledger_entries import drop_rows, make_entries, rewrite_texts, set_column


def test_one_entry_for_each_row_that_changed() -> None:
    after, entries = rewrite_texts(batch("a", "B"), "s", "upper", str.upper)
    assert after["text"].to_pylist() == ["A", "B"]
    assert [(e.id, e.row, e.stage, e.action, e.rule) for e in entries] == [("d0", 0, "s", "change", "upper")]


def test_entries_are_those_of_the_rows_at_the_indexes() -> None:
    [entry] = make_entries(batch("a", "b", "c"), "s", "drop", [(2, "r", 1.0, 0.5)])
    assert (entry.id, entry.row, entry.value, entry.threshold) == ("d2", 2, 1.0, 0.5)


def test_rows_go_by_index_and_columns_are_set_in_place() -> None:
    rows = batch("a", "b", "c")
    assert drop_rows(rows, {0, 2})["text"].to_pylist() == ["b"]
    assert set_column(rows, "n", pa.array([1, 2, 3])).schema.names == ["row", "id", "text", "n"]
    assert set_column(rows, "row", pa.array([4, 5, 6])).to_pydict()["row"] == [4, 5, 6]
    assert set_column(rows, "row", pa.array([4, 5, 6])).schema.names == ["row", "id", "text"]
    assert set_column(rows, "id", pa.array(["x", "y", "z"])).schema.names == ["row", "id", "text"]
