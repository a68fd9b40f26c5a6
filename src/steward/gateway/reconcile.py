"""Compares the ledger's settled rows with a provider's usage export.

Decides which columns of a CSV mean what, which model of the export is which of ours, and which numbers differ by more
than is tolerated. Pure: text and sums in, a record out. It does not know prices: money is compared where the export has
a column of it. The known forms are the exports of OpenAI's usage page (and its usage API's field names), of Anthropic's
console, and any table with a day, a model and tokens, or a request's id and tokens.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from steward.core.errors import InputError
from steward.core.excerpts import cut_text
from steward.core.records import UsageSum

# Column names after `_normalise_column`; where a file has several of one line, the first counts.
DAY: Final = (
    "usage_date_utc", "date", "day", "usage_date", "start_time_iso", "start_time", "starting_at", "timestamp",
    "created_at", "time",
)  # fmt: skip
MODEL: Final = ("model", "model_version", "model_name", "model_id", "snapshot_id")
REQUESTS: Final = ("num_model_requests", "num_requests", "n_requests", "requests", "request_count")
INPUT: Final = ("input_tokens", "prompt_tokens", "n_context_tokens_total", "usage_input_tokens_no_cache",
                "uncached_input_tokens")  # fmt: skip
# Anthropic counts what a cache wrote or read apart from the input; OpenAI's `input_cached_tokens` is part of it.
ADDED_INPUT: Final = (
    "usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write_1h", "usage_input_tokens_cache_read",
    "cache_creation_input_tokens", "cache_read_input_tokens",
)  # fmt: skip
OUTPUT: Final = (
    "output_tokens", "completion_tokens", "usage_output_tokens", "n_generated_tokens_total", "generated_tokens",
)  # fmt: skip
USD: Final = ("cost_usd", "usd", "amount_usd", "cost_in_usd", "amount_value", "cost", "amount")
REQUEST: Final = ("upstream_id", "response_id", "generation_id", "message_id", "request_id", "id")

_DATED: Final = re.compile(r"-(20\d{2}-?\d{2}-?\d{2}|latest)$")  # the day of a model's snapshot


class ExportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an export; None where it has no such column."""

    day: str  # UTC, as 2026-11-25; "" where the file has ids and no days
    model: str
    requests: int | None
    input_tokens: int
    output_tokens: int
    usd: float | None
    request: str | None


class UsageDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One number on which the two disagree."""

    day: str
    model: str
    request: str | None  # the upstream's id, in a comparison by request
    what: Literal["requests", "input_tokens", "output_tokens", "usd"]
    ledger: float  # 0 where the ledger has nothing of it
    provider: float


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """`steward usage reconcile --json`."""

    agrees: bool
    tolerance: float  # share of the larger number
    by: Literal["day and model", "request"]
    compared: int  # days of a model, or requests
    ledger: UsageSum  # all that was compared
    provider: UsageSum
    differences: tuple[UsageDifference, ...]  # beyond the tolerance
    lost: int  # rows of killed processes in the span: they name no model, so no line holds them


# -- reading an export ------------------------------------------------------------------------------


def read_export(text: str, name: str) -> tuple[ExportRow, ...]:
    """The lines of a CSV whose separator is a comma, a semicolon or a tab. `name` stands in errors.

    >>> read_export("day,model,input_tokens,output_tokens\\n2026-11-25,m,7,2\\n", "x.csv")[0].input_tokens
    7

    :raises InputError: no such columns or a value that cannot be read, with its row (1 is the head) and column
    """
    first = text.lstrip("\ufeff").partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=separator, strict=True))
    except csv.Error as error:
        raise InputError(f"{name}: not a CSV file ({error})") from error
    if not lines:
        raise InputError(f"{name}: the file is empty; expected a CSV file with a header row")
    columns = _ExportColumns(lines[0], name)
    rows = tuple(columns.read(number, line) for number, line in enumerate(lines[1:], 2) if any(line))
    if not rows:
        raise InputError(f"{name}: there are no rows below the header; export a period with usage")
    return rows


class _ExportColumns:
    """Where an export has what."""

    def __init__(self, head: Sequence[str], name: str) -> None:
        self._name, self._head = name, head
        self._at = {_normalise_column(column): index for index, column in reversed(list(enumerate(head)))}
        self._request, self._day = self._find(REQUEST), self._find(DAY)
        self._model, self._requests, self._usd = self._find(MODEL), self._find(REQUESTS), self._find(USD)
        self._input, self._output = self._find(INPUT), self._find(OUTPUT)
        self._added = [self._at[column] for column in ADDED_INPUT if column in self._at]
        needed: list[tuple[str, int | None, Sequence[str]]] = [
            ("input tokens", self._input, INPUT),
            ("output tokens", self._output, OUTPUT),
        ]
        if self._request is None:
            needed += [("the day", self._day, DAY), ("the model", self._model, MODEL)]
        for what, column, known in needed:
            if column is None:
                raise InputError(
                    f"{name}: row 1: no column for {what}; expected one of {', '.join(known)}, but the columns are "
                    f"{', '.join(head)}"
                )

    def _find(self, known: Sequence[str]) -> int | None:
        return next((self._at[column] for column in known if column in self._at), None)

    def read(self, number: int, line: Sequence[str]) -> ExportRow:
        assert self._input is not None and self._output is not None
        cells = [self._cell(number, line, at) for at in (self._model, self._request)]
        return ExportRow(
            day=self._day_of(number, line),
            model=cells[0] or "",
            requests=None if self._requests is None else self._count(number, line, self._requests),
            input_tokens=sum(self._count(number, line, at) for at in (self._input, *self._added)),
            output_tokens=self._count(number, line, self._output),
            usd=None if self._usd is None else self._money(number, line, self._usd),
            request=cells[1] or None,
        )

    def _cell(self, number: int, line: Sequence[str], at: int | None) -> str | None:
        if at is None:
            return None
        if at >= len(line):
            raise self._cell_error(number, at, "nothing", f"{len(self._head)} columns, as in the header")
        return line[at].strip()

    def _count(self, number: int, line: Sequence[str], at: int) -> int:
        cell = self._cell(number, line, at) or "0"  # exports leave out zeros
        if not re.fullmatch(r"\d{1,18}|\d{1,3}(,\d{3})+", cell.removesuffix(".0")):
            raise self._cell_error(number, at, repr(cut_text(cell)), "a whole number, 0 or more")
        return int(cell.removesuffix(".0").replace(",", ""))

    def _money(self, number: int, line: Sequence[str], at: int) -> float:
        cell = (self._cell(number, line, at) or "0").removeprefix("$")
        if not re.fullmatch(r"-?\d{1,15}(\.\d*)?([eE]-?\d{1,3})?", cell):
            raise self._cell_error(number, at, repr(cut_text(cell)), "an amount in US dollars")
        return float(cell)

    def _day_of(self, number: int, line: Sequence[str]) -> str:
        cell = self._cell(number, line, self._day)
        if self._day is None or cell is None:
            return ""
        try:
            if re.fullmatch(r"\d{9,11}(\.\d+)?", cell):
                return datetime.fromtimestamp(float(cell), UTC).strftime("%Y-%m-%d")
            read = datetime.fromisoformat(cell.removesuffix(" UTC"))
            return (read.astimezone(UTC) if read.tzinfo else read).strftime("%Y-%m-%d")
        except ValueError:
            expected = "a day such as 2026-11-25, a time in ISO 8601 or seconds since 1970"
            raise self._cell_error(number, self._day, repr(cut_text(cell)), expected) from None

    def _cell_error(self, number: int, at: int, seen: str, expected: str) -> InputError:
        return InputError(f"{self._name}: row {number}, column {self._head[at]!r}: {seen}; expected {expected}")


def _normalise_column(column: str) -> str:
    """A column's name without case, spaces and signs.

    >>> _normalise_column(" Input Tokens (USD)")
    'input_tokens_usd'
    """
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")


# -- comparing --------------------------------------------------------------------------------------


def match_model(seen: str, names: Iterable[str]) -> str:
    """The one of `names` that an export's model is: the same, or the same but for the day of its snapshot.

    >>> match_model("gpt-4o-2024-08-06", ["gpt-4o", "gpt-4o-mini"]), match_model("other", ["gpt-4o"])
    ('gpt-4o', 'other')
    """
    known = list(names)
    return seen if seen in known else next((name for name in known if _DATED.sub("", seen) == name), seen)


def compare_by_day(
    rows: Sequence[ExportRow], sums: Sequence[UsageSum], siblings: Mapping[str, str], tolerance: float, lost: int
) -> Reconciliation:
    """Compare per UTC day and model, over the days that the export spans.

    `sums` hold one line per day and the provider's name of the model. `siblings` gives, per model, the server that it
    is at: of a server that the export names, every model is compared; other models are somebody else's to export.
    """
    names = {item.model for item in sums} | set(siblings)
    theirs: dict[tuple[str, str], list[ExportRow]] = defaultdict(list)
    for row in rows:
        theirs[row.day, match_model(row.model, names)].append(row)
    servers = {siblings[model] for _, model in theirs if model in siblings}
    models = {model for _, model in theirs} | {model for model, server in siblings.items() if server in servers}
    days = {day for day, _ in theirs}
    ours = {
        (item.day, item.model): item for item in sums if item.model in models and min(days) <= item.day <= max(days)
    }
    differences = [
        column
        for day, model in sorted(theirs.keys() | ours.keys())
        for column in _compare_sums(day, model, None, ours.get((day, model)), theirs.get((day, model), []), tolerance)
    ]
    return _build_reconciliation("day and model", ours, theirs, differences, tolerance, lost)


def compare_by_request(
    rows: Sequence[ExportRow], sums: Mapping[str, UsageSum], tolerance: float, lost: int
) -> Reconciliation:
    """Compare per upstream id; `sums` are the ledger's rows of the export's span by that id."""
    theirs: dict[str, list[ExportRow]] = defaultdict(list)
    for row in rows:
        if row.request:
            theirs[row.request].append(row)
    differences: list[UsageDifference] = []
    for name in sorted(theirs.keys() | sums.keys()):
        mine, seen = sums.get(name), theirs.get(name, [])
        day, model = (mine.day, mine.model) if mine is not None else (seen[0].day, seen[0].model)
        differences += _compare_sums(day, model, name, mine, seen, tolerance)
    return _build_reconciliation("request", sums, theirs, differences, tolerance, lost)


def _compare_sums(
    day: str, model: str, request: str | None, ours: UsageSum | None, theirs: Sequence[ExportRow], tolerance: float
) -> Iterator[UsageDifference]:
    mine = ours or UsageSum(day=day, model=model)
    seen = _sum_rows(day, model, theirs, each_is_one=request is not None)
    pairs: list[tuple[Literal["requests", "input_tokens", "output_tokens", "usd"], float, float]] = [
        ("input_tokens", mine.input_tokens, seen.input_tokens),
        ("output_tokens", mine.output_tokens, seen.output_tokens),
    ]
    if not theirs or request is not None or theirs[0].requests is not None:
        pairs.insert(0, ("requests", mine.requests, seen.requests))
    if theirs and theirs[0].usd is not None:
        pairs.append(("usd", mine.usd, seen.usd))
    for what, one, other in pairs:
        if abs(one - other) > tolerance * max(abs(one), abs(other)) + 1e-9:
            yield UsageDifference(day=day, model=model, request=request, what=what, ledger=one, provider=other)


def _sum_rows(day: str, model: str, rows: Sequence[ExportRow], each_is_one: bool = False) -> UsageSum:
    return UsageSum(
        day=day,
        model=model,
        requests=len(rows) if each_is_one else sum(row.requests or 0 for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        usd=sum(row.usd or 0.0 for row in rows),
    )


def _build_reconciliation(
    by: Literal["day and model", "request"],
    ours: Mapping[tuple[str, str], UsageSum] | Mapping[str, UsageSum],
    theirs: Mapping[tuple[str, str], list[ExportRow]] | Mapping[str, list[ExportRow]],
    differences: Sequence[UsageDifference],
    tolerance: float,
    lost: int,
) -> Reconciliation:
    mine = list(ours.values())
    total = UsageSum(
        day="",
        model="",
        requests=sum(item.requests for item in mine),
        input_tokens=sum(item.input_tokens for item in mine),
        output_tokens=sum(item.output_tokens for item in mine),
        usd=sum(item.usd for item in mine),
    )
    listed = [row for rows in theirs.values() for row in rows]
    return Reconciliation(
        agrees=not differences,
        tolerance=tolerance,
        by=by,
        compared=len({*ours, *theirs}),
        ledger=total,
        provider=_sum_rows("", "", listed, each_is_one=by == "request"),
        differences=tuple(differences),
        lost=lost,
    )
