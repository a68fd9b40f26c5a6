"""Sentences of English and its neighbours by rule, without a model or a download.

A sentence ends at . ! ? … (or their CJK forms), with closing quotes and brackets, before white space and something that
can begin one, unless the full stop belongs to an abbreviation, an initial or a number. What it does not know: a full
stop that is both an abbreviation's and the sentence's ("… at 5 p.m. He left."). Why ours: NLTK's punkt and spaCy's
parsers are fetched at run time. Checked against the examples of TensorFlow Datasets' c4_utils_test.py.
"""

from __future__ import annotations

import re

_LETTER = re.compile(r"\S")
_END = re.compile(r"[.!?…]+[\"'”’)\]»]*(?=\s)|[。！？]+[」』”]*")
_ABBREVIATIONS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "rev",
        "hon",
        "st",
        "sr",
        "jr",
        "gen",
        "col",
        "maj",
        "capt",
        "lt",
        "sgt",
        "sen",
        "rep",
        "gov",
        "pres",
        "messrs",
        "vs",
        "etc",
        "e.g",
        "i.e",
        "cf",
        "al",
        "fig",
        "figs",
        "no",
        "nos",
        "vol",
        "pp",
        "ed",
        "eds",
        "approx",
        "dept",
        "est",
        "inc",
        "ltd",
        "co",
        "corp",
        "bros",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "a.m",
        "p.m",
        "u.s",
        "u.k",
        "u.n",
        "ph.d",
        "z.b",
        "d.h",
        "bzw",
        "usw",
        "ca",
    ]
)
_BEGINS = "\"'“‘«¿¡([*-•"


def split_sentences(text: str) -> list[str]:
    """In order, without the white space between them.

    >>> split_sentences('Ask Dr. Roberts! "Really?" He said no... but went.')
    ['Ask Dr. Roberts!', '"Really?"', 'He said no... but went.']
    """
    sentences: list[str] = []
    start = 0
    for end in _END.finditer(text):
        if _is_sentence_end(text, end):
            sentences.append(text[start : end.end()].strip())
            start = end.end()
    rest = text[start:].strip()
    return [sentence for sentence in (*sentences, rest) if sentence]


def _is_sentence_end(text: str, end: re.Match[str]) -> bool:
    if end.group()[0] in "。！？":
        return True
    after = _LETTER.search(text, end.end())
    if after is None or after[0].islower():
        return False
    if end.group().startswith(".") and len(end.group().rstrip("\"'”’)]»")) == 1:
        before = text[max(0, end.start() - 12) : end.start()].split()[-1:] or [""]
        word = before[0].lstrip("(\"'“‘[").lower()
        if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i"):
            return False
    return after[0].isupper() or after[0].isdigit() or after[0] in _BEGINS or not after[0].isascii()
