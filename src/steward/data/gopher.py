"""The Gopher rules (Rae et al. 2021, arXiv:2112.11446, appendix A1.1 and table A1), as datatrove 0.10 and as the paper.

What they disagree on: datatrove takes spaCy's words, counts a top n-gram that occurs once, skips n words after a
repeated
n-gram and divides by all characters; the paper speaks of words, of what is inside any repeated n-gram, and of the
characters of words.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from steward.data.pieces import STOP_WORDS, Numbers, Pieces, pieces
from steward.data.repetition import Words, covered, longer, pairs, repeated, skipping, top, words_of
from steward.data.verdict import Verdict

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
_STOPS = frozenset(STOP_WORDS)


def as_datatrove(texts: Sequence[str], limits: dict[str, float]) -> list[Verdict | str]:
    """A verdict for each text that breaks a rule, the text itself for the others."""
    return _judge(texts, LIMITS | limits, pieces(), spacy=True)


def as_paper(texts: Sequence[str], limits: dict[str, float]) -> list[Verdict | str]:
    return _judge(texts, LIMITS | limits, pieces(), spacy=False)


def _judge(texts: Sequence[str], limits: dict[str, float], known: Pieces, *, spacy: bool) -> list[Verdict | str]:
    found: list[Verdict | str] = [_repeated_parts(text, limits) or text for text in texts]
    alive = [index for index, verdict in enumerate(found) if isinstance(verdict, str)]
    standing = [texts[index] for index in alive]
    numbers = known.numbers(standing) if spacy else None
    words = words_of(numbers, known) if numbers is not None else _plain_words(standing)
    characters = np.array([len(text) for text in standing]) if spacy else np.diff(words.starts[words.offsets])
    facts = _facts(numbers, known) if numbers is not None else [_plain_facts(text) for text in standing]
    broken = _repeated_words(words, characters, limits, spacy=spacy)
    for place, (index, fact) in enumerate(zip(alive, facts, strict=True)):
        found[index] = broken.get(place) or _quality(texts[index], fact, limits) or texts[index]
    return found


def _over(rule: str, value: float, limits: dict[str, float]) -> Verdict | None:
    return Verdict(rule, value, limits[rule]) if value > limits[rule] else None


def _under(rule: str, value: float, limits: dict[str, float]) -> Verdict | None:
    return Verdict(rule, value, limits[rule]) if value < limits[rule] else None


def _repeated_parts(text: str, limits: dict[str, float]) -> Verdict | None:
    """Paragraphs part at blank lines, lines at any number of line feeds (datatrove since 0.3)."""
    if not text:
        return Verdict("empty", 0.0, 1.0)
    if "\n" not in text:
        return None
    parts = text.strip().split("\n\n")
    paragraphs = [part for part in (part.lstrip("\n") for part in parts) if part]
    copies, characters = repeated(paragraphs)
    if copies and (
        verdict := _over("dup_para_frac", copies / len(paragraphs), limits)
        or _over("dup_para_char_frac", characters / len(text), limits)
    ):
        return verdict
    lines = [line for line in text.split("\n") if line]
    lines += [""] * ((text[0] == "\n") + (text[-1] == "\n" and text.strip("\n") != ""))
    copies, characters = repeated(lines)
    if not copies:
        return None
    return _over("dup_line_frac", copies / len(lines), limits) or _over(
        "dup_line_char_frac", characters / len(text), limits
    )


def _repeated_words(
    words: Words, characters: np.ndarray, limits: dict[str, float], *, spacy: bool
) -> dict[int, Verdict]:
    """By place of the text; the shortest n-gram over its limit is the reason."""
    broken: dict[int, Verdict] = {}
    length = np.maximum(characters, 1)
    grams = pairs(words)
    for n in range(2, 11):
        rule = f"top_{n}_gram" if n < 5 else f"duplicated_{n}_n_grams"
        shares = (top(words, grams, once=spacy) if n < 5 else covered(words, grams, every_copy=not spacy)) / length
        for place in np.flatnonzero(shares > limits[rule]).tolist():
            if place in broken:
                continue
            exact = skipping(words, grams, place) / length[place] if n > 4 and spacy else shares[place]
            if exact > limits[rule]:
                broken[place] = Verdict(rule, float(exact), limits[rule])
        grams = longer(words, grams)
    return broken


class _Facts(msgspec.Struct, frozen=True):
    """Of the words of one text."""

    words: int
    plain: int  # with something else than punctuation
    plain_characters: int
    alphabetic: int  # with a letter
    stop_words: int  # distinct


def _facts(numbers: Numbers, known: Pieces) -> list[_Facts]:
    flat, offsets = numbers
    facts = known.facts()
    columns = (facts.words, facts.plain, facts.plain_characters, facts.alphabetic)
    sums = [_reduced(np.add, values.take(flat), offsets).tolist() for values in columns]
    bits = _reduced(np.bitwise_or, facts.stop_bits.take(flat), offsets)
    return [_Facts(*row) for row in zip(*sums, map(int.bit_count, bits.tolist()), strict=True)]


def _reduced(operation: np.ufunc, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Over the pieces of each text; 0 for a text without any."""
    found = operation.reduceat(np.append(values, values.dtype.type(0)), offsets[:-1])
    found[offsets[:-1] == offsets[1:]] = 0
    return found


def _plain_facts(text: str) -> _Facts:
    words = text.split()
    alphabetic = sum(any(map(str.isalpha, word)) for word in words)
    return _Facts(len(words), len(words), sum(map(len, words)), alphabetic, len(_STOPS.intersection(words)))


def _plain_words(texts: Sequence[str]) -> Words:
    split = [text.split() for text in texts]
    numbered: dict[str, int] = {}
    ids = [numbered.setdefault(word, len(numbered) + 1) for words in split for word in words]
    hashes = np.array(ids, np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
    lengths = np.array([len(word) for words in split for word in words], np.int64)
    offsets = np.concatenate(([0], np.cumsum([len(words) for words in split], dtype=np.int64)))
    return Words(hashes, np.concatenate(([0], np.cumsum(lengths))), offsets)


def _quality(text: str, facts: _Facts, limits: dict[str, float]) -> Verdict | None:
    if verdict := _under("gopher_short_doc", facts.plain, limits) or _over("gopher_long_doc", facts.plain, limits):
        return verdict
    if not facts.plain:  # only where the limit was set to nothing
        return Verdict("gopher_short_doc", 0.0, 1.0)
    mean = facts.plain_characters / facts.plain
    ellipses = text.count("...") + text.count("…")
    bulleted = "-" in text or "•" in text
    lines = text.splitlines() if ellipses or bulleted else [text]
    ends = sum(line.rstrip().endswith(("...", "…")) for line in lines) if ellipses else 0
    bullets = sum(line.lstrip().startswith(_BULLETS) for line in lines) if bulleted else 0
    return (
        _under("gopher_below_avg_threshold", mean, limits)
        or _over("gopher_above_avg_threshold", mean, limits)
        or _over("gopher_too_many_hashes", text.count("#") / facts.words, limits)
        or _over("gopher_too_many_ellipsis", ellipses / facts.words, limits)
        or _over("gopher_too_many_bullets", bullets / len(lines), limits)
        or _over("gopher_too_many_end_ellipsis", ends / len(lines), limits)
        or _under("gopher_below_alpha_threshold", facts.alphabetic / facts.words, limits)
        or _under("gopher_enough_stop_words", facts.stop_words, limits)
    )
