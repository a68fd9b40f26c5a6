"""The rules that FineWeb adds (Penedo et al. 2024, arXiv:2406.17557, section 3.6), as datatrove 0.10 has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steward.data.repetition import count_duplicates
from steward.data.token_table import LINE_ENDS, shared_token_table
from steward.data.violation import Violation, report_missing

LIMITS = {"line_punct_ratio": 0.12, "short_line_ratio": 0.67, "char_dup_ratio": 0.01, "list_ratio": 0.3}
_SHORT_LINE_LENGTH = 30  # characters


def filter_like_datatrove(texts: Sequence[str], limits: dict[str, float]) -> list[Violation | str]:
    """A verdict for each text that breaks a rule, the text itself for the others."""
    limits = LIMITS | limits
    results: list[Violation | str] = [_check_lines(text, limits) or text for text in texts]
    candidates = [index for index, text in enumerate(texts) if results[index] is text and _may_be_list(text, limits)]
    if candidates:
        table = shared_token_table()
        tokenized = table.tokenize([texts[index] for index in candidates])
        words_before = np.append(0, np.cumsum(table.features().words[tokenized.ids], dtype=np.int64))
        for index, words in zip(candidates, np.diff(words_before[tokenized.offsets]).tolist(), strict=True):
            share = texts[index].count("\n") / words
            if share > limits["list_ratio"]:
                results[index] = Violation("list_ratio", share, limits["list_ratio"])
    return results


def _check_lines(text: str, limits: dict[str, float]) -> Violation | None:
    """By all rules but the last."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if not lines:
        return report_missing("empty")
    punctuated = sum(1 for line in lines if line[-1] in LINE_ENDS) / len(lines)
    if punctuated < limits["line_punct_ratio"]:
        return Violation("line_punct_ratio", punctuated, limits["line_punct_ratio"])
    short_share = sum(1 for line in lines if len(line) <= _SHORT_LINE_LENGTH) / len(lines)
    if short_share > limits["short_line_ratio"]:
        return Violation("short_line_ratio", short_share, limits["short_line_ratio"])
    duplicate_share = count_duplicates(lines)[1] / (len(text) - text.count("\n"))
    if duplicate_share > limits["char_dup_ratio"]:
        return Violation("char_dup_ratio", duplicate_share, limits["char_dup_ratio"])
    return None


def _may_be_list(text: str, limits: dict[str, float]) -> bool:
    """A piece has a word at least: words are counted only where that is not enough to tell.

    Splits off no more pieces than it takes to know.
    """
    lines, limit = text.count("\n"), limits["list_ratio"]
    return lines > limit * len(text.split(None, int(lines / limit) + 1 if limit > 0 else -1))
