"""Adding to rows of sums and histograms. Histograms do not add up in SQL: their rows are read, merged and written while
the transaction holds them. All keepers take rows in one order, and new rows before old ones, so that two never wait for
each other both ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from steward.adapters.stores.database import make_insert
from steward.core.histogram import decode_buckets, encode_buckets, merge
from steward.core.series import HISTOGRAMS, SUMS, SeriesSums

_NAMES: Final = (*SUMS, *HISTOGRAMS)
_EMPTY: Final[dict[str, Any]] = dict.fromkeys(SUMS, 0.0) | dict.fromkeys(HISTOGRAMS, b"")
_SPAN: Final = 3  # columns of a key that say which span, and whose
_MOST_NAMED: Final = 200  # values by which rows are chosen; with more, the rows of a span are read all


def merge_rows(
    connection: sa.Connection,
    table: sa.Table,
    key: Sequence[str],
    spans: Mapping[tuple[Any, ...], SeriesSums],
    narrow: str,
) -> None:
    """Add `spans`, each by the values of the columns `key`, of which the first three say when and whose. `narrow`: the
    column that tells most rows of a span apart."""
    if not spans:
        return
    insert = make_insert(table, connection.dialect)
    new = [dict(zip(key, row, strict=True)) | _EMPTY for row in sorted(spans)]
    connection.execute(insert.on_conflict_do_nothing(index_elements=list(key)), new)
    place, changed = key.index(narrow), []
    wanted: dict[tuple[Any, ...], set[str]] = {}
    for names in spans:
        wanted.setdefault(names[:_SPAN], set()).add(names[place])
    for span, values in sorted(wanted.items()):
        query = sa.select(table).where(*(table.c[name] == value for name, value in zip(key, span, strict=False)))
        if len(values) <= _MOST_NAMED:
            query = query.where(table.c[narrow].in_(sorted(values)))
        query = query.order_by(*(table.c[name] for name in key[_SPAN:])).with_for_update()
        for row in connection.execute(query).mappings():
            added = spans.get(tuple(row[name] for name in key))
            if added is not None:
                changed.append({f"b_{name}": row[name] for name in key} | _add(dict(row), added))
    where = (table.c[name] == sa.bindparam(f"b_{name}") for name in key)
    connection.execute(sa.update(table).where(*where).values({name: sa.bindparam(name) for name in _NAMES}), changed)


def _add(row: Mapping[str, Any], added: SeriesSums) -> dict[str, Any]:
    sums = {name: row[name] + value for name, value in zip(SUMS, added.sums, strict=True)}
    histograms = {}
    for name, buckets in zip(HISTOGRAMS, added.histograms, strict=True):
        if buckets:
            total = decode_buckets(row[name])
            merge(total, buckets)
            histograms[name] = encode_buckets(total)
        else:
            histograms[name] = row[name]
    return sums | histograms
