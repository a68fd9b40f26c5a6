"""Credentials that strayed into texts, as `steward.text.credentials` finds them: masked, or reason to drop the row."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

import msgspec
import pyarrow as pa

from steward.data.ledger_entries import drop_rows, make_entries
from steward.data.row_strings import get_all_texts, rewrite_all_texts
from steward.data.stage import Result
from steward.text.credentials import Span, find_secrets


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`mode` says whether the secret is masked or the row dropped. `entropy` in bits a character; 0 switches it off.

    Every text of the row is read: content, tool calls, reasoning and the other columns; not its id, and not the
    columns that `skip` names. Numbers, bytes and the names of columns are no texts and are not read.
    """

    mode: Literal["mask", "drop"] = "mask"
    entropy: Annotated[float, msgspec.Meta(ge=0)] = 4.3
    skip: tuple[str, ...] = ()

    def apply(self, batch: pa.RecordBatch) -> Result:
        secrets_by_text: dict[str, list[Span]] = {}  # most rows are one text, which is then read once

        def find(text: str) -> list[Span]:
            if text not in secrets_by_text:
                secrets_by_text[text] = find_secrets(text, self.entropy)
            return secrets_by_text[text]

        kinds = [Counter(kind for _, _, kind in find(text)) for text in get_all_texts(batch, self.skip)]
        rules = [(index, kind, float(n), 0.0) for index, row in enumerate(kinds) for kind, n in sorted(row.items())]
        if self.mode == "mask":
            after = rewrite_all_texts(
                batch, lambda strings: [replace_spans(string, find(string)) for string in strings], self.skip
            )
            return Result(after, tuple(make_entries(batch, "secrets", "change", rules)))
        first = {rule[0]: rule for rule in reversed(rules)}
        dropped = tuple(make_entries(batch, "secrets", "drop", [first[index] for index in sorted(first)]))
        return Result(drop_rows(batch, set(first)), dropped)


def replace_spans(text: str, spans: list[Span]) -> str:
    """The text with each span, in order and without overlaps, replaced by its kind.

    >>> text = "export KEY=AKIAIOSFODNN7EXAMPLE"
    >>> replace_spans(text, find_secrets(text, 4.3))
    'export KEY=[AWS_ACCESS_KEY]'
    """
    for start, end, kind in reversed(spans):
        text = f"{text[:start]}[{kind.upper()}]{text[end:]}"
    return text
