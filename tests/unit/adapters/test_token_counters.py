from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

import steward
from steward.adapters.engines.gguf import read_gguf_head
from steward.adapters.token_counters import FileTokenCounter, make_token_counter
from steward.core.errors import InputError
from steward.workflows.curate import run_pipeline
from steward.workflows.data_review import profile_files


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    made = Tokenizer(WordLevel({"[UNK]": 0, "a": 1}, "[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.enable_truncation(2)
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_every_token_counts_whatever_the_file_cuts_off(tokenizer: Path) -> None:
    counter = FileTokenCounter(str(tokenizer))
    assert counter.count(["a b c d", "", "a"] * 200) == [4, 0, 1] * 200
    assert repr(counter) == f"FileTokenCounter(path={str(tokenizer)!r})"  # part of the key of a run


def test_what_is_no_tokenizer_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{}")
    for name in ("t.json", "none.json"):
        with pytest.raises(InputError, match=r"expected a model's tokenizer\.json"):
            FileTokenCounter(str(tmp_path / name)).count(["a"])


def test_a_pipeline_keeps_to_a_budget_of_tokens_and_divides_what_is_left(tokenizer: Path) -> None:
    folder = tokenizer.parent
    (folder / "in.jsonl").write_text("".join(f'{{"text": "a b c {number}"}}\n' for number in range(50)))
    (folder / "pipeline.yaml").write_text(
        "input: {path: in.jsonl}\n"
        "stages:\n"
        "  - {use: tokens, tokenizer: tokenizer.json}\n"
        "  - {use: filter, where: tokens == 4}\n"
        "  - {use: sample, budget: 100}\n"
        "  - {use: split, parts: {train: 0.8, test: 0.2}}\n"
        "output: {path: out, folders: split, format: jsonl}\n"
    )
    summary = run_pipeline(folder / "pipeline.yaml", workers=1)
    assert (summary.rows_in, summary.rows_out) == (50, 25)
    assert [part.name for part in summary.parts] == ["test/part-00000.jsonl", "train/part-00000.jsonl"]
    assert run_pipeline(folder / "pipeline.yaml", workers=1).shards_redone == 0
    assert profile_files([str(folder / "in.jsonl")], None, tokenizer).tokens == 200


def test_a_gguf_file_counts_by_its_own_tokenizer() -> None:
    model = Path(steward.__file__).parent / "starter" / "starter.gguf"
    counter = make_token_counter(str(model))
    tokens = read_gguf_head(model)
    assert tokens.tokenizer_sha256
    counts = counter.count(["Hello world", "", "Hello world Hello world"])
    assert counts[1] == 0 and 1 <= counts[0] <= 11 and counts[2] >= 2 * counts[0] - 1
    assert repr(counter) == f"GgufTokenCounter(path={str(model)!r})"


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"x" * 64)
    with pytest.raises(InputError, match="not a GGUF file"):
        make_token_counter(str(tmp_path / "m.gguf"))
    assert make_token_counter("tokenizer.json") == FileTokenCounter("tokenizer.json")
