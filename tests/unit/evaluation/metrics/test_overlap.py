"""Overlap metrics in scripts that their reference implementations do not read, and tokenizers that are not there."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError, UnknownName
from steward.evaluation.metrics import make_metric
from steward.evaluation.metrics.overlap import check_tokenizer, count_common_subsequence


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


@pytest.mark.parametrize(("prediction", "reference"), [("!!!", "word"), ("word", "!!!"), ("!!!", "???"), ("a", "b")])
def test_what_shares_no_word_has_no_rouge(prediction: str, reference: str) -> None:
    """Marks are no words; as rouge-score."""
    assert value("rougeL", prediction, reference) == value("rouge1", prediction, reference) == 0.0


def test_e07_exact_match_is_of_composed_text() -> None:
    assert value("exact_match", "cafe\u0301", "café") == 1.0


@pytest.mark.parametrize("name", ["flores200", "flores101", "spm"])
def test_e10_a_tokenizer_that_downloads_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' downloads a model"):
        make_metric("bleu", {"tokenize": name})


def test_e10_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steward.evaluation.metrics.overlap.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install .*'sacrebleu\[ja\]'"):
        check_tokenizer("ja-mecab")
    with pytest.raises(InputError, match=r"sacrebleu\[ko\]"):
        check_tokenizer("ko-mecab")
    with pytest.raises(UnknownName, match="did you mean 'char'"):
        check_tokenizer("chars")


def scored(name: str, predictions: list[str], references: list[list[str]]) -> tuple[float, str]:
    metric = make_metric(name)
    table = metric.table(predictions, references)
    return float(metric.combine(table.sum(0, keepdims=True))[0]), metric.signature


def test_references_may_vary_in_number_and_the_signature_says_it() -> None:
    """As sacreBLEU's corpus_score with None where an item has fewer references."""
    one = "the cat sat on the mat today"
    value, signature = scored("bleu", [one, one], [[one], ["a dog", one]])
    assert value == pytest.approx(100.0) and "nrefs:var" in signature
    same, signature = scored("bleu", [one, one], [["a dog", one], [one, "a dog"]])
    assert same == pytest.approx(100.0) and "nrefs:2" in signature
    assert "nrefs:1" in make_metric("bleu").signature and "nrefs:1" in scored("chrf", [one], [[one]])[1]


def test_chrf_plus_plus_counts_words_and_pairs() -> None:
    """sacreBLEU 2.6: chrF2++ is chrF with word order 2."""
    assert "|nc:6|nw:2|" in make_metric("chrf++").signature and "|nc:6|nw:0|" in make_metric("chrf").signature


def test_one_text_in_another_script_is_enough_to_read_both_by_words_of_any() -> None:
    assert value("rouge1", "Cafés Zürich", "Zürich мир") == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [
        ("AGGTAB", "GXTXAYB", 4),  # GTAB; the example of most textbooks
        ("ABCBDAB", "BDCABA", 4),  # Cormen et al., Introduction to Algorithms, figure 15.8: BCBA
        ("aaaa", "aa", 2),
        ("abc", "xyz", 0),
        ("", "abc", 0),
        ("ab" * 100, "ba" * 100, 199),  # longer than a machine word
    ],
)
def test_the_longest_common_subsequence_of_textbooks(one: str, other: str, length: int) -> None:
    assert count_common_subsequence(one, other) == count_common_subsequence(other, one) == length


def test_e07_rouge_is_of_composed_text() -> None:
    for kind in ("rouge1", "rougeL"):
        assert make_metric(kind).table(["un cafe\u0301 noir"], [["un café noir"]])[0, 0] == 1
