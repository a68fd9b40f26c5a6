import pyarrow as pa

from data_batches import batch, chat
from steward.data.stage import filter_rows, get_texts, is_chat, rewrite_strings

PAIR = pa.record_batch({"row": [0], "id": ["p"], "prompt": ["q"], "chosen": ["a"], "rejected": [None]})


def upper(strings: list[str]) -> list[str]:
    return [string.upper() for string in strings]


def test_one_string_a_row_joined_by_blank_lines() -> None:
    assert get_texts(batch("a", "")).to_pylist() == ["a", ""]
    assert get_texts(chat(("user", "a"), ("assistant", "b"))).to_pylist() == ["a\n\nb"]
    assert get_texts(PAIR).to_pylist() == ["q\n\na\n\n"]


def test_a_null_chat_is_an_empty_one() -> None:
    whole = chat(("user", "a"), ("assistant", "b"))
    chats = pa.array([None, *whole["messages"].to_pylist(), []], whole["messages"].type)
    rows = pa.record_batch({"row": [0, 1, 2], "id": ["x", "y", "z"], "messages": chats})
    assert get_texts(rows).to_pylist() == ["", "a\n\nb", ""]
    assert get_texts(rewrite_strings(rows, upper)).to_pylist() == ["", "A\n\nB", ""]
    assert is_chat(rows) and not is_chat(PAIR) and not is_chat(batch("a", messages=["x"]))


def test_every_string_is_rewritten_apart() -> None:
    assert rewrite_strings(PAIR, upper).to_pylist() == [
        {"row": 0, "id": "p", "prompt": "Q", "chosen": "A", "rejected": ""}
    ]
    assert rewrite_strings(batch("a", note=["n"]), upper).to_pylist()[0] == {
        "row": 0, "id": "d0", "text": "A", "note": "n"
    }  # fmt: skip


def test_rows_are_kept_where_it_is_true() -> None:
    assert filter_rows(batch("a", "b"), pa.array([False, True]), ()).batch["text"].to_pylist() == ["b"]
