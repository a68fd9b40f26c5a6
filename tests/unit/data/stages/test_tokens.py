from collections.abc import Sequence

import pyarrow as pa
import pytest

from data_batches import batch
from steward.core.errors import InputError
from steward.data import Pipeline
from steward.data.profile import profile
from steward.data.stages.tokens import Tokens, count_row_tokens


class Words:
    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def test_each_row_has_the_tokens_of_its_content() -> None:
    rows = Tokens(tokenizer="t.json", counter=Words()).apply(batch("one two", "", "three")).batch
    assert rows["tokens"].to_pylist() == [2, 0, 1]
    pairs = pa.record_batch(
        {"row": [0], "id": ["a"], "prompt": ["one two"], "chosen": ["three"], "rejected": ["four five"]}
    )
    assert count_row_tokens(pairs, Words()) == [5]
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    messages = [[{"role": "user", "content": "one two"}, {"role": "assistant", "content": None}], []]
    chats = pa.record_batch({"row": [0, 1], "id": ["a", "b"], "messages": pa.array(messages, kind)})
    assert count_row_tokens(chats, Words()) == [2, 0]
    assert count_row_tokens(chats.slice(1), Words()) == [0]


def test_a_profile_counts_them_where_a_tokenizer_is_given() -> None:
    found = profile([batch("one two", "three"), batch("a b c d")], counter=Words())
    assert (found.tokens, found.median_tokens, found.max_tokens) == (7, 2.0, 4)
    assert profile([batch("one two")]).tokens is None


def test_without_a_counter_the_run_is_refused(tmp_path) -> None:
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(InputError, match="stage 'tokens' has no counter of tokens"):
        Pipeline([{"use": "tokens", "tokenizer": str(tmp_path / "t.json")}]).run([{"text": "a"}], tmp_path / "out")
