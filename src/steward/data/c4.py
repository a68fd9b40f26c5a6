"""C4's rules for lines and pages (Raffel et al. 2020, JMLR 21/140, section 2.2), in two variants that disagree.

The reference code (TensorFlow Datasets, text/c4_utils.py) wants 5 words a line, counted without citations, and 3
sentences a page; datatrove 0.10 wants 3 words, counted with them, and 5 sentences, and lets a line end with an
apostrophe. The list of bad words is not here: see the stage `toxicity`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from steward.data.pieces import pieces
from steward.data.verdict import Verdict
from steward.text.sentences import sentences

_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICY = ("terms of use", "privacy policy")
_COOKIES = ("cookie policy", "uses cookies", "use of cookies", "use cookies")
_LONGEST_WORD = 1000


class _Variant(msgspec.Struct, frozen=True):
    ends: tuple[str, ...]
    citations_count: bool  # as words of the line
    limits: dict[str, float]


_DATATROVE = _Variant((".", "?", "!", '"', "'"), True, {"too_few_sentences": 5, "min_words_per_line": 3})
_TFDS = _Variant((".", "?", "!", '"'), False, {"too_few_sentences": 3, "min_words_per_line": 5})


def as_datatrove(texts: Sequence[str], limits: dict[str, float]) -> list[Verdict | str]:
    """A verdict for each text that breaks a rule, what is left of the text for the others."""
    limits = _DATATROVE.limits | limits
    pages = [_lines(text, _DATATROVE, limits) for text in texts]
    enough = limits["too_few_sentences"]
    known = pieces()
    few = [line for lines in pages if isinstance(lines, list) and len(lines) < enough for line in lines]
    numbers = known.numbers(few)
    of_line = dict(zip(few, np.split(numbers.flat, numbers.offsets[1:-1]), strict=False))
    return [_page(lines, enough, lambda line, most: known.sentences(of_line[line], most)) for lines in pages]


def as_tfds(texts: Sequence[str], limits: dict[str, float]) -> list[Verdict | str]:
    limits = _TFDS.limits | limits
    pages = [_lines(text, _TFDS, limits) for text in texts]
    return [_page(lines, limits["too_few_sentences"], lambda line, _: len(sentences(line))) for lines in pages]


def _page(lines: Verdict | list[str], enough: float, count: Callable[[str, int], int]) -> Verdict | str:
    """The lines that are left as one text, if they have sentences enough."""
    if isinstance(lines, Verdict):
        return lines
    found = len(lines)  # each line has a sentence at least
    for line in lines:
        if found >= enough:
            return "\n".join(lines).strip()
        found += count(line, int(enough - found) + 1) - 1
    if found < enough:
        return Verdict("too_few_sentences", float(found), enough)
    return "\n".join(lines).strip()


def _lines(text: str, variant: _Variant, limits: dict[str, float]) -> Verdict | list[str]:
    lowered = text.lower()
    lorem, script = "lorem ipsum" in lowered, "javascript" in lowered
    phrases = (*_POLICY, *_COOKIES) if "cookie" in lowered else _POLICY
    policy = [phrase for phrase in phrases if phrase in lowered]
    cited, brace = "[" in text, "{" in text
    least = limits["min_words_per_line"]
    enough = math.ceil(least)  # splits: no more words of a line need to be told apart
    kept: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        plain = _CITATION.sub("", line) if cited and "[" in line else line
        if not plain.endswith(variant.ends) or plain.endswith("..."):
            continue
        if len(line) > _LONGEST_WORD and max(map(len, line.split())) > _LONGEST_WORD:
            continue
        if len((line if variant.citations_count else plain).split(None, enough)) < least:
            continue
        if lorem or script or policy:
            low = plain.lower()
            if lorem and "lorem ipsum" in low:
                return Verdict("lorem_ipsum", 1.0, 0.0)
            if script and "javascript" in low:
                continue
        if brace and "{" in plain:
            return Verdict("curly_bracket", 1.0, 0.0)
        if policy and any(phrase in low for phrase in policy):
            continue
        kept.append(plain)
    return kept
