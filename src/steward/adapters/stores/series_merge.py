"""Adding to rows of sums and histograms. Histograms do not add up in SQL: their rows are read, merged and written while
the transaction holds them. All keepers take rows in one order, and new rows before old ones, so that two never wait for
each other both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, groupby
from operator import add, itemgetter
from typing import Any, Final

import sqlalchemy as sa

from steward.adapters.stores.database import compile_for_driver, encode_list, has_one_of, insert_rows
from steward.core.histogram import add_to_encoded
from steward.core.series import HISTOGRAMS, SUMS, SeriesSums

_NAMES: Final = (*SUMS, *HISTOGRAMS)
_EMPTY: Final[dict[str, Any]] = dict.fromkeys(SUMS, 0.0) | dict.fromkeys(HISTOGRAMS, b"")
_PART: Final = 200  # rows that one question asks for


def merge_rows(
    connection: sa.Connection,
    table: sa.Table,
    key: Sequence[str],
    spans: Mapping[tuple[Any, ...], SeriesSums],
    seek: Sequence[str],
) -> None:
    """Add `spans`, each by the values of the columns `key`, the first of which is the resolution. `seek`: the columns
    by which the rows that are there are looked for."""
    if not spans:
        return
    ordered = sorted(spans)
    insert_rows(connection, table, [dict(zip(key, row, strict=True)) | _EMPTY for row in ordered])
    changed = []
    dialect = connection.dialect
    question, names = _compile_select(table, tuple(key), tuple(seek), dialect)
    for part in _split(ordered):
        wanted = {name: encode_list(dialect, sorted({row[key.index(name)] for row in part})) for name in names}
        asked = set(part)
        for row in connection.exec_driver_sql(question, tuple(wanted[name] for name in names)):
            place = tuple(row[: len(key)])
            if place in asked:
                changed.append((*place, *_add(row[len(key) :], spans[place])))
    if changed:
        text, order = _compile_update(table, tuple(key), dialect)
        connection.exec_driver_sql(text, list(map(order, changed)))


@lru_cache(maxsize=8)
def _compile_select(
    table: sa.Table, key: tuple[str, ...], seek: tuple[str, ...], dialect: sa.Dialect
) -> tuple[str, tuple[str, ...]]:
    """Rows by lists of values, held; made once, since to make it takes longer than to run it."""
    chosen = (has_one_of(dialect, table.c[name], name) for name in (key[0], *seek))
    columns = (table.c[name] for name in (*key, *_NAMES))
    question = sa.select(*columns).where(*chosen).order_by(*(table.c[name] for name in key)).with_for_update()
    return compile_for_driver(question, dialect)


@lru_cache(maxsize=8)
def _compile_update(
    table: sa.Table, key: tuple[str, ...], dialect: sa.Dialect
) -> tuple[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]]:
    """The statement with the driver's own marks for values, and what orders a row of `_select` for them."""
    where = (table.c[name] == sa.bindparam(f"b_{name}") for name in key)
    update = sa.update(table).where(*where).values({name: sa.bindparam(name) for name in _NAMES})
    text, names = compile_for_driver(update, dialect)
    given = (*(f"b_{name}" for name in key), *_NAMES)
    return text, itemgetter(*map(given.index, names))


def _split(ordered: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Runs of one resolution, each short enough for one question."""
    for _, same in groupby(ordered, key=itemgetter(0)):
        rows = list(same)
        yield from (rows[begin : begin + _PART] for begin in range(0, len(rows), _PART))


def _add(values: Sequence[Any], added: SeriesSums) -> Iterator[Any]:
    """Of the columns `_NAMES`."""
    return chain(map(add, values, added.sums), map(add_to_encoded, values[len(SUMS) :], added.histograms))
