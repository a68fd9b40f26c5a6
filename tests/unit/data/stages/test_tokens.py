import json
from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pytest

from data_batches import batch
from steward.core.errors import InputError
from steward.data import Pipeline
from steward.data.compare import compare_runs
from steward.data.profile import LengthStatistics, measure_lengths, profile
from steward.data.report import write_report
from steward.data.stages.filter import Filter
from steward.data.stages.sample import Sample
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


def test_a_run_has_the_tokens_of_the_rows_that_came_out(tmp_path) -> None:
    """In the summary, on the report's page and in a notebook; the budget and the filter take the same column."""
    lines = [{"text": "one two three"}, {"text": "four"}, {"text": "five six"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    stages = (
        Tokens(tokenizer=str(tmp_path / "a.jsonl"), counter=Words()),
        Filter(where="tokens > 1"),
        Sample(budget=5),
    )
    summary = Pipeline(stages).run(str(tmp_path / "a.jsonl"), str(tmp_path / "out"))
    assert (summary.rows_out, summary.after.tokens, summary.after.token_buckets) == (2, 5, {2: 2})
    assert ", 5 tokens, digest" in summary._repr_html_()
    assert "Tokens out" in write_report(tmp_path / "out").read_text()
    same = compare_runs(summary, msgspec.structs.replace(summary, after=LengthStatistics()))
    assert (same.first_tokens, same.second_tokens) == (5, None)


def test_a_column_of_other_tokens_is_no_count() -> None:
    assert not measure_lengths(batch("a", "b", tokens=["x", "y"])).token_buckets
    assert not measure_lengths(batch("a", tokens=[-1])).token_buckets
    assert measure_lengths(batch("a", "b", tokens=pa.array([7, None]))).token_buckets == {3: 1}


def test_without_a_counter_the_run_is_refused(tmp_path) -> None:
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(InputError, match="stage 'tokens' has no counter of tokens"):
        Pipeline([{"use": "tokens", "tokenizer": str(tmp_path / "t.json")}]).run([{"text": "a"}], tmp_path / "out")


def test_without_a_counter_each_row_has_no_tokens() -> None:
    assert count_row_tokens(batch("one two", "three"), None) == [0, 0]
