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

from steward.data.token_table import shared_token_table
from steward.data.violation import Violation, report_present
from steward.text.sentences import split_sentences

_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICY = ("terms of use", "privacy policy")
_COOKIES = ("cookie policy", "uses cookies", "use of cookies", "use cookies")
_MAX_WORD_LENGTH = 1000


class _Variant(msgspec.Struct, frozen=True):
    ends: tuple[str, ...]
    citations_count: bool  # as words of the line
    limits: dict[str, float]


_DATATROVE = _Variant((".", "?", "!", '"', "'"), True, {"too_few_sentences": 5, "min_words_per_line": 3})
_TFDS = _Variant((".", "?", "!", '"'), False, {"too_few_sentences": 3, "min_words_per_line": 5})


LIMITS = _DATATROVE.limits  # the names of the limits; c4@tfds has the same with other values


def filter_like_datatrove(texts: Sequence[str], limits: dict[str, float]) -> list[Violation | str]:
    """A verdict for each text that breaks a rule, what is left of the text for the others."""
    limits = _DATATROVE.limits | limits
    pages = [_filter_lines(text, _DATATROVE, limits) for text in texts]
    min_sentences = limits["too_few_sentences"]
    table = shared_token_table()
    short_lines = [line for lines in pages if isinstance(lines, list) and len(lines) < min_sentences for line in lines]
    tokenized = table.tokenize(short_lines)
    ids_by_line = dict(zip(short_lines, np.split(tokenized.ids, tokenized.offsets[1:-1]), strict=False))
    return [
        _filter_page(lines, min_sentences, lambda line, most: table.count_sentences(ids_by_line[line], most))
        for lines in pages
    ]


def filter_like_tfds(texts: Sequence[str], limits: dict[str, float]) -> list[Violation | str]:
    limits = _TFDS.limits | limits
    pages = [_filter_lines(text, _TFDS, limits) for text in texts]
    return [
        _filter_page(lines, limits["too_few_sentences"], lambda line, _: len(split_sentences(line))) for lines in pages
    ]


def _filter_page(
    lines: Violation | list[str], min_sentences: float, count: Callable[[str, int], int]
) -> Violation | str:
    """The lines that are left as one text, if they have sentences enough."""
    if isinstance(lines, Violation):
        return lines
    sentence_count = len(lines)  # each line has a sentence at least
    for line in lines:
        if sentence_count >= min_sentences:
            return "\n".join(lines).strip()
        sentence_count += count(line, int(min_sentences - sentence_count) + 1) - 1
    if sentence_count < min_sentences:
        return Violation("too_few_sentences", float(sentence_count), min_sentences)
    return "\n".join(lines).strip()


def _filter_lines(text: str, variant: _Variant, limits: dict[str, float]) -> Violation | list[str]:
    lowered = text.lower()
    has_lorem, has_script = "lorem ipsum" in lowered, "javascript" in lowered
    phrases = (*_POLICY, *_COOKIES) if "cookie" in lowered else _POLICY
    policy_phrases = [phrase for phrase in phrases if phrase in lowered]
    has_bracket, has_brace = "[" in text, "{" in text
    min_words = limits["min_words_per_line"]
    max_splits = math.ceil(min_words)  # splits: no more words of a line need to be told apart
    kept_lines: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        plain = _CITATION.sub("", line) if has_bracket and "[" in line else line
        if not plain.endswith(variant.ends) or plain.endswith("..."):
            continue
        if len(line) > _MAX_WORD_LENGTH and max(map(len, line.split())) > _MAX_WORD_LENGTH:
            continue
        if len((line if variant.citations_count else plain).split(None, max_splits)) < min_words:
            continue
        if has_lorem or has_script or policy_phrases:
            low = plain.lower()
            if has_lorem and "lorem ipsum" in low:
                return report_present("lorem_ipsum")
            if has_script and "javascript" in low:
                continue
        if has_brace and "{" in plain:
            return report_present("curly_bracket")
        if policy_phrases and any(phrase in low for phrase in policy_phrases):
            continue
        kept_lines.append(plain)
    return kept_lines
