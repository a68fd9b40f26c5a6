"""Brings texts into one form: HTML entities, mojibake, Unicode, control characters, white space, in this order.

Mojibake ("schÃ¶n") is repaired by ftfy (Speer 2019, doi:10.5281/zenodo.2591652), which looks only at texts that are not
ASCII; Unicode is composed (NFC, UAX 15). White space keeps its lines and indentation: line ends become LF, blanks at
line ends go, odd blanks become plain ones, and more than two line feeds become two.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from typing import Literal

import ftfy
import msgspec
import pyarrow as pa

from steward.data.ledger_entries import rewrite_texts
from steward.data.stage import Entry, Result

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\u00ad\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]"
)
_LINE_END = re.compile("\r\n?|[\x0c\x85\u2028\u2029]")
_ODD_BLANK = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_TRAILING = re.compile(r"[ \t]+(?=\n|\Z)")
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
            ("control_characters", self.control_characters, lambda text: _CONTROL.sub("", text)),
            ("whitespace", self.whitespace, normalise_whitespace),
        ]
        return [(rule, change) for rule, enabled, change in rules if enabled]

    def _compose_unicode(self, text: str) -> str:
        return text if text.isascii() else unicodedata.normalize(self.unicode or "NFC", text)


def decode_entities(text: str) -> str:
    """Entities become what they stand for, also those that were escaped twice.

    >>> decode_entities("fish &amp;amp; chips &lt;3 AT&T")
    'fish & chips <3 AT&T'
    """
    for _ in range(2):
        text = _ENTITY.sub(lambda found: html.unescape(found.group()), text) if "&" in text else text
    return text


def repair_mojibake(text: str) -> str:
    """UTF-8 that was read as something else, read anew.

    >>> repair_mojibake("schÃ¶n, â€œja”")
    'schön, “ja”'
    """
    return text if text.isascii() else str(ftfy.fix_encoding(text))


def normalise_whitespace(text: str) -> str:
    text = _ODD_BLANK.sub(" ", _LINE_END.sub("\n", text))
    return _MANY_LINES.sub("\n\n", _TRAILING.sub("", text)).strip("\n")
