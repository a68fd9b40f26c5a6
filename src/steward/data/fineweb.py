"""The rules that FineWeb adds (Penedo et al. 2024, arXiv:2406.17557, section 3.6), as datatrove 0.10 has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steward.data.pieces import LINE_ENDS, pieces
from steward.data.repetition import repeated
from steward.data.verdict import Verdict

LIMITS = {"line_punct_ratio": 0.12, "short_line_ratio": 0.67, "char_dup_ratio": 0.01, "list_ratio": 0.3}
_SHORT_LINE = 30  # characters


def as_datatrove(texts: Sequence[str], limits: dict[str, float]) -> list[Verdict | str]:
    """A verdict for each text that breaks a rule, the text itself for the others."""
    limits = LIMITS | limits
    found: list[Verdict | str] = [_judge(text, limits) or text for text in texts]
    listed = [index for index, text in enumerate(texts) if found[index] is text and _may_be_list(text, limits)]
    if listed:
        known = pieces()
        numbers = known.numbers([texts[index] for index in listed])
        before = np.append(0, np.cumsum(known.facts().words[numbers.flat], dtype=np.int64))
        for index, words in zip(listed, np.diff(before[numbers.offsets]).tolist(), strict=True):
            share = texts[index].count("\n") / words
            if share > limits["list_ratio"]:
                found[index] = Verdict("list_ratio", share, limits["list_ratio"])
    return found


def _judge(text: str, limits: dict[str, float]) -> Verdict | None:
    """By all rules but the last."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if not lines:
        return Verdict("empty", 0.0, 1.0)
    ended = sum(1 for line in lines if line[-1] in LINE_ENDS) / len(lines)
    if ended < limits["line_punct_ratio"]:
        return Verdict("line_punct_ratio", ended, limits["line_punct_ratio"])
    short = sum(1 for line in lines if len(line) <= _SHORT_LINE) / len(lines)
    if short > limits["short_line_ratio"]:
        return Verdict("short_line_ratio", short, limits["short_line_ratio"])
    copied = repeated(lines)[1] / (len(text) - text.count("\n"))
    if copied > limits["char_dup_ratio"]:
        return Verdict("char_dup_ratio", copied, limits["char_dup_ratio"])
    return None


def _may_be_list(text: str, limits: dict[str, float]) -> bool:
    """A piece has a word at least: words are counted only where that is not enough to tell.

    Splits off no more pieces than it takes to know.
    """
    lines, limit = text.count("\n"), limits["list_ratio"]
    return lines > limit * len(text.split(None, int(lines / limit) + 1 if limit > 0 else -1))
