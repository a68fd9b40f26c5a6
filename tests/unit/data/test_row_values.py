import pyarrow as pa

from steward.data.row_values import iterate_values, list_value_names


def test_text_is_the_content_and_json_what_it_says() -> None:
    schema = pa.schema(
        [("row", pa.int64()), ("id", pa.string()), ("prompt", pa.string()), ("chosen", pa.string()), ("n", pa.int64()),
         pa.field("meta", pa.string(), metadata={"json": "1"}), ("more", pa.string())]
    )  # fmt: skip
    batch = pa.RecordBatch.from_pydict(
        {"row": [0, 1], "id": ["a", "b"], "prompt": ["p", "q"], "chosen": ["c", None], "n": [1, None],
         "meta": ['{"k":1}', None], "more": [None, None]}, schema=schema,
    )  # fmt: skip
    assert list_value_names(batch) == ["chosen", "id", "meta", "n", "prompt", "text"]
    assert list(iterate_values(batch, ["text", "n", "meta"])) == [
        {"text": "p\n\nc", "n": 1, "meta": {"k": 1}}, {"text": "q\n\n", "n": None, "meta": None}
    ]  # fmt: skip
    assert list(iterate_values(batch, [])) == [{}, {}]


def test_a_column_named_text_is_read_as_it_stands() -> None:
    rows = pa.RecordBatch.from_pydict({"row": [0], "id": ["a"], "text": ["its own"], "n": [1]})
    assert list(iterate_values(rows, ["text", "n"])) == [{"text": "its own", "n": 1}]
