"""The rules that FineWeb adds (Penedo et al. 2024, arXiv:2406.17557, section 3.6), as datatrove 0.10 has them."""

from __future__ import annotations

from collections.abc import Sequence

from steward.data.pieces import LINE_ENDS, Pieces, pieces
from steward.data.repetition import repeated
from steward.data.verdict import Verdict

LIMITS = {"line_punct_ratio": 0.12, "short_line_ratio": 0.67, "char_dup_ratio": 0.01, "list_ratio": 0.3}
_SHORT_LINE = 30  # characters


def as_datatrove(texts: Sequence[str], limits: dict[str, float]) -> list[Verdict | str]:
    """A verdict for each text that breaks a rule, the text itself for the others."""
    known = pieces()
    return [_judge(text, LIMITS | limits, known) or text for text in texts]


def _judge(text: str, limits: dict[str, float], known: Pieces) -> Verdict | None:
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if not lines:
        return Verdict("empty", 0.0, 1.0)
    ended = sum(1 for line in lines if line[-1] in LINE_ENDS) / len(lines)
    if ended < limits["line_punct_ratio"]:
        return Verdict("line_punct_ratio", ended, limits["line_punct_ratio"])
    short = sum(1 for line in lines if len(line) <= _SHORT_LINE) / len(lines)
    if short > limits["short_line_ratio"]:
        return Verdict("short_line_ratio", short, limits["short_line_ratio"])
    feeds = text.count("\n")
    copied = repeated(lines)[1] / (len(text) - feeds)
    if copied > limits["char_dup_ratio"]:
        return Verdict("char_dup_ratio", copied, limits["char_dup_ratio"])
    if feeds > limits["list_ratio"] * len(text.split()):  # a piece has a word at least: cut them only where it matters
        numbers = known.numbers(text)
        words = int(known.table()[numbers, 0].sum())
        if feeds / words > limits["list_ratio"]:
            return Verdict("list_ratio", feeds / words, limits["list_ratio"])
    return None
