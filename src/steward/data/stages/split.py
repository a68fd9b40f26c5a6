"""Divides rows into parts such as train, validation and test, and adds the column `split`.

The part is decided by a hash of `by` (a column; default the row's id) and `seed`, so that rows of one group never stand
in two parts, and a row stays in its part when others come or go. Shares are therefore met only on average: of n groups,
a part of share p has p·n with a standard deviation of √(n·p·(1 − p)).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import isclose
from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa

from steward.core.errors import InputError, UnknownName
from steward.data.draws import hash_share
from steward.data.ledger_entries import set_column
from steward.data.row_values import iterate_values, list_value_names
from steward.data.stage import Result

_SHARES = {"train": 0.9, "validation": 0.05, "test": 0.05}


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`parts` are names and shares that add up to 1; `by` is a column whose equal values stay together."""

    adds: ClassVar = ("split",)
    parts: dict[str, float] = msgspec.field(default_factory=lambda: dict(_SHARES))
    by: str = "id"
    seed: int = 0

    def __post_init__(self) -> None:
        """:raises InputError: shares that do not add up to 1"""
        if not self.parts or min(self.parts.values()) < 0 or not isclose(sum(self.parts.values()), 1):
            shares = ", ".join(f"{name} {share:g}" for name, share in self.parts.items())
            raise InputError(f"split: shares {shares or 'none'}; expected shares from 0 that add up to 1")

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises UnknownName: a column that the rows do not have"""
        if self.by not in (names := list_value_names(batch)):
            raise UnknownName("column", self.by, names, "stage split, by")
        keys = [_make_key(values[self.by]) for values in iterate_values(batch, [self.by])]
        places = np.array([hash_share(key, self.seed, "split ") for key in keys])
        bounds = np.cumsum(list(self.parts.values()))[:-1]
        names = list(self.parts)
        chosen = [names[at] for at in np.searchsorted(bounds, places, side="right").tolist()]
        noted = {_note_part(name): rows for name, rows in sorted(Counter(chosen).items())}
        return Result(set_column(batch, "split", pa.array(chosen, pa.string())), noted=noted)

    def review(self, rows: int, noted: Mapping[str, int]) -> Iterator[str]:
        """What to warn of after a run of so many rows: parts that got none."""
        groups = "rows" if self.by == "id" else f"values of {self.by!r}"
        for name, share in self.parts.items():
            if share and rows and _note_part(name) not in noted:
                yield (
                    f"the part {name!r} of share {share:g} got none of {rows:,} rows; each row is drawn by itself, so "
                    f"give it a larger share, or more {groups}"
                )


def _note_part(name: str) -> str:
    return f"part {name}"


def _make_key(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
