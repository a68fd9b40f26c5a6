"""The Gopher rules (Rae et al. 2021, arXiv:2112.11446, appendix A1.1 and table A1), as datatrove 0.10 and as the paper.

What they disagree on: datatrove takes spaCy's words, counts a top n-gram that occurs once, skips n words after a
repeated
n-gram and divides by all characters; the paper speaks of words, of what is inside any repeated n-gram, and of the
characters of words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from steward.data.repetition import (
    WordSequences,
    count_duplicates,
    count_repeated_characters,
    count_repeated_characters_by_skipping,
    count_top_ngram_characters,
    find_longer_repeats,
    find_repeated_bigrams,
    gather_words,
)
from steward.data.token_table import STOP_WORDS, TokenizedTexts, TokenTable, shared_token_table
from steward.data.violation import Violation, report_missing

LIMITS = {
    "dup_para_frac": 0.3, "dup_para_char_frac": 0.2, "dup_line_frac": 0.3, "dup_line_char_frac": 0.2,
    "top_2_gram": 0.2, "top_3_gram": 0.18, "top_4_gram": 0.16,
    "duplicated_5_n_grams": 0.15, "duplicated_6_n_grams": 0.14, "duplicated_7_n_grams": 0.13,
    "duplicated_8_n_grams": 0.12, "duplicated_9_n_grams": 0.11, "duplicated_10_n_grams": 0.10,
    "gopher_short_doc": 50, "gopher_long_doc": 100_000,
    "gopher_below_avg_threshold": 3, "gopher_above_avg_threshold": 10,
    "gopher_too_many_hashes": 0.1, "gopher_too_many_ellipsis": 0.1,
    "gopher_too_many_bullets": 0.9, "gopher_too_many_end_ellipsis": 0.3,
    "gopher_below_alpha_threshold": 0.8, "gopher_enough_stop_words": 2,
}  # fmt: skip
_BULLETS = ("•", "-")
_STOP_WORD_SET = frozenset(STOP_WORDS)


def filter_like_datatrove(texts: Sequence[str], limits: dict[str, float]) -> list[Violation | str]:
    """A verdict for each text that breaks a rule, the text itself for the others."""
    return _filter_texts(texts, LIMITS | limits, shared_token_table(), spacy=True)


def filter_like_paper(texts: Sequence[str], limits: dict[str, float]) -> list[Violation | str]:
    return _filter_texts(texts, LIMITS | limits, shared_token_table(), spacy=False)


def _filter_texts(
    texts: Sequence[str], limits: dict[str, float], table: TokenTable, *, spacy: bool
) -> list[Violation | str]:
    results: list[Violation | str] = [_check_repeated_parts(text, limits) or text for text in texts]
    remaining = [index for index, verdict in enumerate(results) if isinstance(verdict, str)]
    remaining_texts = [texts[index] for index in remaining]
    tokenized = table.tokenize(remaining_texts) if spacy else None
    words = gather_words(tokenized, table) if tokenized is not None else _split_plain_words(remaining_texts)
    characters = np.array([len(text) for text in remaining_texts]) if spacy else np.diff(words.starts[words.offsets])
    word_counts = (
        _count_words(tokenized, table)
        if tokenized is not None
        else [_count_plain_words(text) for text in remaining_texts]
    )
    violations = _check_repeated_ngrams(words, characters, limits, spacy=spacy)
    for position, (index, counts) in enumerate(zip(remaining, word_counts, strict=True)):
        results[index] = violations.get(position) or _check_quality(texts[index], counts, limits) or texts[index]
    return results


def filter_words(
    texts: Sequence[str],
    words: Sequence[list[str]],
    counts: Sequence[WordCounts],
    limits: Sequence[Mapping[str, float]],
) -> list[Violation | str]:
    """As `filter_like_datatrove`, with the words of each text, what they count, and its limits given."""
    sequences = _gather_split_words(words)
    results: list[Violation | str] = []
    for index, text in enumerate(texts):
        own = dict(limits[index])
        low, high = sequences.offsets[index], sequences.offsets[index + 1]
        starts = sequences.starts[low : high + 1] - sequences.starts[low]
        sequence = WordSequences(sequences.hashes[low:high], starts, np.array([0, high - low], np.int64))
        repeated = _check_repeated_parts(text, own)
        if repeated is None:
            repeated = _check_repeated_ngrams(sequence, np.array([len(text)]), own, spacy=True).get(0)
        results.append(repeated or _check_quality(text, counts[index], own) or text)
    return results


def _check_maximum(rule: str, value: float, limits: dict[str, float]) -> Violation | None:
    return Violation(rule, value, limits[rule]) if value > limits[rule] else None


def _check_minimum(rule: str, value: float, limits: dict[str, float]) -> Violation | None:
    return Violation(rule, value, limits[rule]) if value < limits[rule] else None


def _check_repeated_parts(text: str, limits: dict[str, float]) -> Violation | None:
    """Paragraphs part at blank lines, lines at any number of line feeds (datatrove since 0.3)."""
    if not text:
        return report_missing("empty")
    if "\n" not in text:
        return None
    stripped = text.strip()
    lines = [line for line in text.split("\n") if line]
    if len(stripped) == len(text) and len(set(lines)) == len(lines):
        return None  # no line comes twice, so no paragraph does
    parts = stripped.split("\n\n")
    paragraphs = [part for part in (part.lstrip("\n") for part in parts) if part]
    copies, characters = count_duplicates(paragraphs)
    if copies and (
        verdict := _check_maximum("dup_para_frac", copies / len(paragraphs), limits)
        or _check_maximum("dup_para_char_frac", characters / len(text), limits)
    ):
        return verdict
    lines += [""] * ((text[0] == "\n") + (text[-1] == "\n" and text.strip("\n") != ""))
    copies, characters = count_duplicates(lines)
    if not copies:
        return None
    return _check_maximum("dup_line_frac", copies / len(lines), limits) or _check_maximum(
        "dup_line_char_frac", characters / len(text), limits
    )


def _check_repeated_ngrams(
    words: WordSequences, characters: np.ndarray, limits: dict[str, float], *, spacy: bool
) -> dict[int, Violation]:
    """By place of the text; the shortest n-gram over its limit is the reason."""
    violations: dict[int, Violation] = {}
    length = np.maximum(characters, 1)
    grams = find_repeated_bigrams(words)
    for n in range(2, 11):
        rule = f"top_{n}_gram" if n < 5 else f"duplicated_{n}_n_grams"
        shares = (
            count_top_ngram_characters(words, grams, once=spacy)
            if n < 5
            else count_repeated_characters(words, grams, every_copy=not spacy)
        ) / length
        for position in np.flatnonzero(shares > limits[rule]).tolist():
            if position in violations:
                continue
            exact = (
                count_repeated_characters_by_skipping(words, grams, position) / length[position]
                if n > 4 and spacy
                else shares[position]
            )
            if exact > limits[rule]:
                violations[position] = Violation(rule, float(exact), limits[rule])
        grams = find_longer_repeats(words, grams)
    return violations


class WordCounts(msgspec.Struct, frozen=True):
    """Of the words of one text."""

    words: int
    plain: int  # with something else than punctuation
    plain_characters: int
    alphabetic: int  # with a letter
    stop_words: int  # distinct


def _count_words(tokenized: TokenizedTexts, table: TokenTable) -> list[WordCounts]:
    flat, offsets = tokenized
    features = table.features()
    columns = (features.words, features.plain, features.plain_characters, features.alphabetic)
    sums = [_reduce_by_text(np.add, values.take(flat), offsets).tolist() for values in columns]
    bits = _reduce_by_text(np.bitwise_or, features.stop_bits.take(flat), offsets)
    return [WordCounts(*row) for row in zip(*sums, map(int.bit_count, bits.tolist()), strict=True)]


def _reduce_by_text(operation: np.ufunc, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Over the pieces of each text; 0 for a text without any."""
    reduced = operation.reduceat(np.append(values, values.dtype.type(0)), offsets[:-1])
    reduced[offsets[:-1] == offsets[1:]] = 0
    return reduced


def _count_plain_words(text: str) -> WordCounts:
    words = text.split()
    alphabetic = sum(any(map(str.isalpha, word)) for word in words)
    return WordCounts(len(words), len(words), sum(map(len, words)), alphabetic, len(_STOP_WORD_SET.intersection(words)))


def _split_plain_words(texts: Sequence[str]) -> WordSequences:
    return _gather_split_words([text.split() for text in texts])


def _gather_split_words(split: Sequence[list[str]]) -> WordSequences:
    word_ids: dict[str, int] = {}
    ids = [word_ids.setdefault(word, len(word_ids) + 1) for words in split for word in words]
    hashes = np.array(ids, np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
    lengths = np.array([len(word) for words in split for word in words], np.int64)
    offsets = np.concatenate(([0], np.cumsum([len(words) for words in split], dtype=np.int64)))
    return WordSequences(hashes, np.concatenate(([0], np.cumsum(lengths))), offsets)


def _check_quality(text: str, counts: WordCounts, limits: dict[str, float]) -> Violation | None:
    if verdict := _check_minimum("gopher_short_doc", counts.plain, limits) or _check_maximum(
        "gopher_long_doc", counts.plain, limits
    ):
        return verdict
    if not counts.plain:  # only where the limit was set to nothing
        return report_missing("gopher_short_doc")
    mean = counts.plain_characters / counts.plain
    ellipses = text.count("...") + text.count("…")
    bulleted = "-" in text or "•" in text
    lines = text.splitlines() if ellipses or bulleted else [text]
    ends = sum(line.rstrip().endswith(("...", "…")) for line in lines) if ellipses else 0
    bullets = sum(line.lstrip().startswith(_BULLETS) for line in lines) if bulleted else 0
    return (
        _check_minimum("gopher_below_avg_threshold", mean, limits)
        or _check_maximum("gopher_above_avg_threshold", mean, limits)
        or _check_maximum("gopher_too_many_hashes", text.count("#") / counts.words, limits)
        or _check_maximum("gopher_too_many_ellipsis", ellipses / counts.words, limits)
        or _check_maximum("gopher_too_many_bullets", bullets / len(lines), limits)
        or _check_maximum("gopher_too_many_end_ellipsis", ends / len(lines), limits)
        or _check_minimum("gopher_below_alpha_threshold", counts.alphabetic / counts.words, limits)
        or _check_minimum("gopher_enough_stop_words", counts.stop_words, limits)
    )
