"""Toxic words per thousand, and which groups of people a text mentions, both by word list.

A word list knows words, not meaning: it misses veiled abuse and hits quotation and reclaimed use. It judges nothing
by the group that is named: that is why the two lists are apart (Dixon et al. 2018, doi:10.1145/3278721.3278729, shows
what happens otherwise). Adds the columns `toxicity` (per 1000 words) and `mentions` ("women:2,old:1") for report and
balance.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, ClassVar

import msgspec
import pyarrow as pa

from steward.data.ledger_entries import drop_rows, make_entries, set_column
from steward.data.stage import Result, get_texts
from steward.text.mentions import count_mentions, count_words


class ToxicityStage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`max_per_thousand` toxic words; null only adds the columns. Lexicons: one of ours, or a file."""

    adds: ClassVar = ("toxicity", "mentions")
    files: ClassVar = ("lexicon", "groups")
    max_per_thousand: Annotated[float, msgspec.Meta(ge=0)] | None = 10.0
    lexicon: str = "toxic"
    groups: str = "groups"

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises InputError: a lexicon that does not exist or cannot be read."""
        rates, mention_lists, dropped = [], [], []
        for index, text in enumerate(get_texts(batch).to_pylist()):
            rate = 1000 * count_mentions(text, self.lexicon).total() / max(1, count_words(text))
            rates.append(rate)
            mention_lists.append(_format_mentions(count_mentions(text, self.groups)))
            if self.max_per_thousand is not None and rate > self.max_per_thousand:
                dropped.append((index, "toxic_words_per_thousand", rate, self.max_per_thousand))
        tagged = set_column(batch, "toxicity", pa.array(rates, pa.float64()))
        tagged = set_column(tagged, "mentions", pa.array(mention_lists, pa.string()))
        remaining = drop_rows(tagged, {index for index, *_ in dropped})
        return Result(remaining, tuple(make_entries(batch, "toxicity", "drop", dropped)))


def _format_mentions(counts: Counter[str]) -> str:
    return ",".join(f"{group or 'listed'}:{count}" for group, count in sorted(counts.items()))
