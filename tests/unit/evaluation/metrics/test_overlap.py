"""Overlap metrics in scripts that their reference implementations do not read, and tokenizers that are not there."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError, UnknownName
from steward.evaluation.metrics import make_metric
from steward.evaluation.metrics.overlap import check_tokenizer


def value(name: str, prediction: str, reference: str) -> float:
    metric = make_metric(name)
    return float(metric.combine(metric.table([prediction], [[reference]]))[0])


def test_e07_rouge_of_chinese_counts_characters() -> None:
    """10 and 16 characters, of which the four of 2024 are shared: F = 2 · 4 / 26."""
    pair = ("今天天气很好2024", "苹果公司于2024年发布了新产品")
    assert value("rouge1", *pair) == value("token_f1", *pair) == pytest.approx(8 / 26)
    assert value("rougeL", *pair) == pytest.approx(8 / 26) and value("rouge2", *pair) == pytest.approx(2 * 3 / (9 + 15))


def test_e07_rouge_reads_other_alphabets_by_words() -> None:
    assert value("rouge1", "привет мир", "привет, мир!") == 1.0 and value("rouge1", "привет", "пока") == 0.0


def test_e07_exact_match_is_of_composed_text() -> None:
    assert value("exact_match", "cafe\u0301", "café") == 1.0


@pytest.mark.parametrize("name", ["flores200", "flores101", "spm"])
def test_e10_a_tokenizer_that_downloads_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' downloads a model"):
        make_metric("bleu", {"tokenize": name})


def test_e10_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steward.evaluation.metrics.overlap.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'sacrebleu\[ja\]'"):
        check_tokenizer("ja-mecab")
    with pytest.raises(InputError, match=r"sacrebleu\[ko\]"):
        check_tokenizer("ko-mecab")
    with pytest.raises(UnknownName, match="did you mean 'char'"):
        check_tokenizer("chars")
