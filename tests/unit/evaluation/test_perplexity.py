"""Windows and units of lm-evaluation-harness; scripts/harness_perplexity.py recorded its numbers in harness.json."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.core.errors import InputError
from steward.evaluation.perplexity import (
    Document,
    Likelihood,
    Perplexity,
    PerplexitySetup,
    compare_perplexity,
    read_documents,
    read_perplexity,
    split_windows,
    sum_likelihood,
    summarise_perplexity,
)

HARNESS: dict[str, Any] = json.loads((Path(__file__).parent / "harness.json").read_text())


def setup(window: int = 8) -> PerplexitySetup:
    return PerplexitySetup(
        window=window,
        stride=window,
        prefix_token=0,
        split="blank",
        tokenizer_sha256=None,
        tokens_sha256="",
        text_sha256="",
    )


@pytest.mark.parametrize("case", HARNESS["windows"], ids=lambda case: f"{case['tokens']}-{case['window']}")
def test_windows_are_those_of_the_harness(case: dict[str, Any]) -> None:
    stride = case["window"] - case["context_len"] + 1
    made = split_windows(range(1, case["tokens"] + 1), 0, case["window"], stride)
    assert [[list(each.context), list(each.tokens)] for each in made] == case["made"]


def test_without_a_prefix_the_first_token_is_context() -> None:
    """As in the transformers documentation on perplexity of fixed-length models."""
    made = list(split_windows([7, 8, 9, 10, 11], None, 3, 2))
    assert [(each.context, each.tokens) for each in made] == [((7,), (8, 9, 10)), ((8, 9, 10), (11,))]
    assert list(split_windows([7], None, 3, 2)) == [] and list(split_windows([], 0, 3, 3)) == []


def test_units_are_ratios_of_sums() -> None:
    """By hand: 6 nats over 3 tokens, 2 words and 3 bytes; `re.split` counts an empty word before the first blank."""
    found = summarise_perplexity("m", "b", [sum_likelihood(Document("1", " é"), [-1.0, -2.0, -3.0])], setup())
    assert (found.tokens, found.words, found.bytes) == (3, 2, 3)
    assert found.token_perplexity is not None and found.token_perplexity.value == pytest.approx(math.exp(2))
    assert found.word_perplexity is not None and found.word_perplexity.value == pytest.approx(math.exp(3))
    assert found.bits_per_byte is not None and found.bits_per_byte.value == pytest.approx(2 / math.log(2))
    assert found.bits_per_byte.low is None  # one document has no interval


def test_the_interval_is_of_documents() -> None:
    """200 documents of 10 tokens, half with 1 nat a token and half with 3: 2 ± 1.96/sqrt(200) nats a token."""
    rows = [Likelihood(str(i), -10.0 if i % 2 else -30.0, 10, 10, 40) for i in range(200)]
    found = summarise_perplexity("m", "b", rows, setup()).token_perplexity
    assert found is not None and found.low is not None and found.high is not None
    assert [math.log(v) for v in (found.value, found.low, found.high)] == pytest.approx([2, 1.861, 2.139], abs=0.01)


def test_what_is_not_measured_enters_no_value() -> None:
    rows = [Likelihood("1", -10.0, 5, 5, 20), Likelihood("2"), Likelihood("3", error="HTTP 503")]
    found = summarise_perplexity("m", "b", rows, setup())
    assert (found.documents, found.unscored, found.errored, found.tokens) == (1, 1, ("3: HTTP 503",), 5)


def test_a_perplexity_beyond_all_numbers_is_none() -> None:
    """A text without a blank is one word, and exp(2000) no float."""
    found = summarise_perplexity("m", "b", [Likelihood(str(n), -2000.0, 600, 1, 1500) for n in range(3)], setup())
    assert found.word_perplexity is None and found.bits_per_byte is not None
    assert found.bits_per_byte.value == pytest.approx(2000 / 1500 / math.log(2))


def test_e12_equal_documents_have_no_interval_and_few_have_students() -> None:
    """Three documents of 1, 2 and 3 nats a token: 2 ± t(2, .975) / sqrt(3) = 2 ± 4.3027 · 0.5774 (Student's)."""
    same = summarise_perplexity("m", "b", [Likelihood(str(n), -20.0, 10, 5, 40) for n in range(3)], setup())
    assert same.bits_per_byte is not None and same.bits_per_byte.low is None
    few = summarise_perplexity("m", "b", [Likelihood(str(n), -10.0 * n, 10, 5, 40) for n in (1, 2, 3)], setup())
    found = few.token_perplexity
    assert found is not None and found.low is not None and found.high is not None
    assert [math.log(found.low), math.log(found.high)] == pytest.approx([2 - 2.484, 2 + 2.484], abs=0.05)


@pytest.mark.parametrize("value", [math.nan, -math.inf, -3.4e38, 0.5])
def test_what_is_no_log_probability_is_named(value: float) -> None:
    assert "of its token 2" in str(sum_likelihood(Document("1", "a b"), [-1.0, value]).error)


def test_documents_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n \nthree\n\n\nfour\n")
    found = {split: [d.text for d in read_documents(tmp_path / "a.txt", split)] for split in ("blank", "line", "file")}
    assert found["blank"] == ["one\ntwo", "three", "four"] and found["line"] == ["one", "two", "three", "four"]
    assert found["file"] == ["one\ntwo\n \nthree\n\n\nfour\n"]
    (tmp_path / "a.jsonl").write_text('{"text": "x\\n\\ny"}\n\n{"text": ""}\n')
    assert [(d.id, d.text) for d in read_documents(tmp_path / "a.jsonl")] == [("1", "x\n\ny"), ("3", "")]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"txt": "x"}', "a.jsonl:2: no field 'text', expected text; found .'txt'."),
        ("a.jsonl", b'{"text": 7}', "a.jsonl:1: 'text' is int"),
        ("a.jsonl", b"[]", "a.jsonl:1: Expected `object`"),
        ("a.txt", b"\xff", "not UTF-8 at byte 0"),
        ("a.txt", b"\n \n", "the file contains no text"),
        ("gone.txt", None, "gone.txt: No such file"),
    ],
)
def test_a_wrong_text_is_named(tmp_path: Path, name: str, data: bytes | None, said: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_documents(tmp_path / name)


def result(nats: list[float], text: str = "t") -> Perplexity:
    rows = [Likelihood(str(n), value, 10, 10, 40) for n, value in enumerate(nats)]
    return summarise_perplexity("m", "b", rows, msgspec.structs.replace(setup(), text_sha256=text))


def test_two_results_are_paired_by_document() -> None:
    """By hand: each document of 40 bytes gains 4 ln 2 nats or 0, in turn: 0.05 bits a byte, ± 1.96 * 0.05 / sqrt(400).

    Unpaired the documents' own spread, 4 bits a byte and more, would hide it.
    """
    before = [-100.0 * (1 + n % 7) for n in range(400)]
    after = [value + (4 * math.log(2) if n % 2 else 0.0) for n, value in enumerate(before)]
    found = compare_perplexity(result(after), result(before))
    assert found.bits_per_byte == pytest.approx(0.05) and found.ratio == pytest.approx(2**-0.05)
    assert (found.low, found.high) == pytest.approx((0.0451, 0.0549), abs=5e-4)
    assert found.documents == 400 and found.missing == 0


def test_results_over_other_texts_are_not_paired(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="different texts"):
        compare_perplexity(result([-1.0]), result([-1.0], "u"))
    (tmp_path / "r.json").write_bytes(msgspec.json.encode(result([-1.0, -2.0])))
    assert read_perplexity(tmp_path / "r.json") == result([-1.0, -2.0])
    (tmp_path / "r.json").write_text("{}")
    with pytest.raises(InputError, match="expected the output of"):
        read_perplexity(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("prefix", "window", "stride", "expected"),
    [
        (None, 10, 10, [((1,), (2, 3, 4))]),
        (None, 2, 2, [((1,), (2, 3)), ((2, 3), (4,))]),
        (0, 10, 10, [((0,), (1, 2, 3, 4))]),
        (0, 3, 1, [((0,), (1, 2, 3)), ((1, 2, 3), (4,))]),
    ],
)
def test_windows_score_each_token_once(prefix: int | None, window: int, stride: int, expected: object) -> None:
    """By hand, as lm-evaluation-harness's get_rolling_token_windows cuts them."""
    assert [(c.context, c.tokens) for c in split_windows([1, 2, 3, 4], prefix, window, stride)] == expected
    assert list(split_windows([7], None, 5, 5)) == []


def test_a_signature_says_how_windows_were_cut() -> None:
    rows = [Likelihood(str(n), -10.0 - n, 5, 5, 20) for n in range(3)]
    rolling = msgspec.structs.replace(setup(), window=8, stride=8)
    assert "|rolling|" in summarise_perplexity("m", "b", rows, rolling).signature
    assert "|strided|" in summarise_perplexity("m", "b", rows, msgspec.structs.replace(rolling, stride=4)).signature


def test_documents_without_tokens_are_unscored_and_failed_ones_are_not() -> None:
    rows = [Likelihood("1", -10.0, 5, 5, 20), Likelihood("2"), Likelihood("3"), Likelihood("4", error="HTTP 503")]
    found = summarise_perplexity("m", "b", rows, setup())
    assert (found.documents, found.unscored, len(found.errored)) == (1, 2, 1)
    none = summarise_perplexity("m", "b", rows[1:], setup())
    assert none.token_perplexity is None and none.documents == 0


def test_documents_that_one_result_lacks_are_counted_as_missing() -> None:
    before, after = result([-1.0, -2.0, -3.0]), result([-1.0, -2.0, -3.0, -4.0])
    found = compare_perplexity(after, before)
    assert (found.documents, found.missing, found.bits_per_byte) == (3, 1, 0.0)
    failed = [msgspec.structs.replace(before.rows[0], nats=0.0, tokens=0, error="HTTP 503"), *before.rows[1:]]
    found = compare_perplexity(after, msgspec.structs.replace(before, rows=tuple(failed)))
    assert (found.documents, found.missing) == (2, 2)


def test_texts_are_told_apart_by_twelve_digits() -> None:
    with pytest.raises(InputError, match=r"text_sha256 b{12} and a{12}\)"):
        compare_perplexity(result([-1.0], "a" * 64), result([-1.0], "b" * 64))


def test_documents_are_numbered_from_1(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    for split in ("blank", "line"):
        assert [document.id for document in read_documents(tmp_path / "a.txt", split)] == ["1", "2"]
    assert [document.id for document in read_documents(tmp_path / "a.txt", "file")] == ["1"]
