"""Brings texts into one form: HTML entities, mojibake, Unicode, control characters, white space, in this order.

Mojibake ("schÃ¶n") is repaired by ftfy (Speer 2019, doi:10.5281/zenodo.2591652), which looks only at texts that are not
ASCII; Unicode is composed (NFC, UAX 15). White space keeps its lines and indentation: line ends become LF, blanks at
line ends go, odd blanks become plain ones, and more than two line feeds become two.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Literal

import ftfy
import msgspec
import pyarrow as pa

from steward.data.ledger_entries import rewrite_texts
from steward.data.stage import Entry, Result

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u2060\ufeff\u00ad\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]")
# Thai, Lao, Burmese, Khmer, Tai and Lanna have no spaces; there the zero-width space ends a word (UAX 14, ZW).
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
_WORD_BREAK = re.compile(f"(?<![{_UNSPACED}])\u200b|\u200b(?![{_UNSPACED}])")
_CODE_LINE = (
    r"^[^\n]*[;{}][ \t]*$|^(?:\t|    )[^\n]*$"
    r"|^[ \t]*(?:def|class|import|from|return|#include|var|let|const|function|public|private|static)\b[^\n]*$"
)
_LINE = re.compile(_CODE_LINE, re.MULTILINE)
# An element's end is found apart: of many elements without one, each would be sought to the end of the text.
_CODE = re.compile(
    rf"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`|<(pre|code|script|style)\b|{_CODE_LINE}", re.DOTALL | re.MULTILINE
)
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_ODD_BLANK = re.compile("[\x1f\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_TRAILING = re.compile(r"(?<![ \t])[ \t]++(?=\n|\Z)")  # from the first blank only, or a run is read once for each
_MANY_LINES = re.compile(r"\n{3,}")


Form = Literal["NFC", "NFKC", "NFD", "NFKD"]


class Normalise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each part can be switched off. `unicode` is a normal form of Unicode, or none."""

    html_entities: bool = True
    mojibake: bool = True
    unicode: Form | None = "NFC"
    control_characters: bool = True
    whitespace: bool = True

    def apply(self, batch: pa.RecordBatch) -> Result:
        entries: list[Entry] = []
        for rule, change in self._enabled_rules():
            batch, rule_entries = rewrite_texts(batch, "normalise", rule, change)
            entries += rule_entries
        return Result(batch, tuple(entries))

    def _enabled_rules(self) -> list[tuple[str, Callable[[str], str]]]:
        rules: list[tuple[str, bool, Callable[[str], str]]] = [
            ("html_entities", self.html_entities, decode_entities),
            ("mojibake", self.mojibake, repair_mojibake),
            ("unicode", self.unicode is not None, self._compose_unicode),
            ("control_characters", self.control_characters, remove_control_characters),
            ("whitespace", self.whitespace, normalise_whitespace),
        ]
        return [(rule, change) for rule, enabled, change in rules if enabled]

    def _compose_unicode(self, text: str) -> str:
        return text if text.isascii() else unicodedata.normalize(self.unicode or "NFC", text)


def decode_entities(text: str) -> str:
    """Entities become what they stand for, also those that were escaped twice; in code they stay.

    Code is what stands in fences, backticks and `<pre>`, what is indented by four, and lines that look like it.

    >>> decode_entities("fish &amp;amp; chips &lt;3 AT&T, `&lt;`")
    'fish & chips <3 AT&T, `&lt;`'
    """
    if not _ENTITY.search(text):
        return text
    parts, at = [], 0
    for start, end in _find_code(text):
        parts += [_decode_prose(text[at:start]), text[start:end]]
        at = end
    return "".join([*parts, _decode_prose(text[at:])])


def _find_code(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each piece of code, in order; in time linear in the text. An element without its end is none."""
    endless: set[str] = set()  # elements that do not end any more
    at = 0
    while (found := _CODE.search(text, at)) is not None:
        start, at, element = found.start(), found.end(), found[1]
        if element is not None:
            end = -1 if element in endless else text.find(f"</{element}>", at)
            if end >= 0:
                at = end + len(f"</{element}>")
            else:
                endless.add(element)
                if (line := _LINE.match(text, start)) is None:
                    continue
                at = line.end()
        yield start, at


def _decode_prose(text: str) -> str:
    for _ in range(2):
        text = _ENTITY.sub(lambda found: html.unescape(found.group()), text) if "&" in text else text
    return text


def remove_control_characters(text: str) -> str:
    """Also zero-width spaces, but for those that end a word in scripts without spaces."""
    text = _CONTROL.sub("", text)
    return _WORD_BREAK.sub("", text) if "\u200b" in text else text


def repair_mojibake(text: str) -> str:
    """UTF-8 that was read as something else, read anew.

    >>> repair_mojibake("schÃ¶n, â€œja”")
    'schön, “ja”'
    """
    return text if text.isascii() else str(ftfy.fix_encoding(text))


def normalise_whitespace(text: str) -> str:
    text = _ODD_BLANK.sub(" ", _LINE_END.sub("\n", text))
    return _MANY_LINES.sub("\n\n", _TRAILING.sub("", text)).strip("\n")
