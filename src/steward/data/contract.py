"""A data contract: what a data set must hold before anything is trained on it.

    schema: {text: string, label: string}         # columns that must be there
    required: [label]                             # never null
    ranges: {score: [0, 1]}                       # both ends allowed; null: no bound
    allowed: {label: [good, bad]}
    unique: [id]
    rows: {min: 1000}
    text_length: {min: 1, max: 100000}            # characters
    max_rates: {failed: 0, duplicates: 0.01, personal_data: 0, toxicity: 0.01, unknown_language: 0.05}
    languages: [en, de]                           # the others are unknown
    freshness: {column: date, max_days: 30}
    balance: {label: {min_share: 0.1}}            # the smallest of its values

A pass gives a digest over the contract and the files; training asks for it. A rule that cannot be decided, such as
toxicity where no measure of it is installed, fails: a failure never looks like a pass. Examples name rows, never words.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import xxhash
from pydantic import Field

from steward.core.errors import InputError
from steward.core.marked import read
from steward.data.config import Source
from steward.data.marked import Section, checked
from steward.data.profile import Detector, content_hash, language_of
from steward.data.sources import place_of, plan
from steward.data.sources import read as read_shard
from steward.data.stage import texts
from steward.data.stages import STAGES

EXAMPLES = 5
Column = Literal["string", "int64", "double", "bool", "json", "text", "messages"]


class Bounds(Section):
    """Both ends belong to it."""

    min: float | None = None
    max: float | None = None


class Rates(Section):
    """Shares of rows, 0 to 1, that may be so at most."""

    failed: float = Field(0.0, ge=0, le=1)
    duplicates: float | None = Field(None, ge=0, le=1)
    personal_data: float | None = Field(None, ge=0, le=1)
    toxicity: float | None = Field(None, ge=0, le=1)
    unknown_language: float | None = Field(None, ge=0, le=1)


class Freshness(Section):
    """The newest row's date (ISO 8601) is at most so old."""

    column: str
    max_days: float = Field(gt=0)


class Share(Section):
    """The rarest value's share of the rows."""

    min_share: float = Field(gt=0, le=1)


class Contract(Section):
    """contract.yaml, whole. Every rule is optional."""

    columns: dict[str, Literal["string", "int64", "double", "bool", "json", "text", "messages"]] = Field(
        {}, alias="schema"
    )
    required: list[str] = Field([])
    ranges: dict[str, tuple[float | None, float | None]] = Field({})
    allowed: dict[str, list[str | int | float | bool]] = Field({})
    unique: list[str] = Field([])
    rows: Bounds = Bounds()
    text_length: Bounds = Bounds()
    max_rates: Rates = Rates()
    languages: list[str] = Field([])
    freshness: Freshness | None = None
    balance: dict[str, Share] = Field({})


class Finding(msgspec.Struct, frozen=True):
    """One rule: what was seen, what was expected, and the first rows that break it."""

    rule: str
    passed: bool
    seen: str
    expected: str
    failing_rows: int = 0
    examples: tuple[str, ...] = ()  # file and line


class Verdict(msgspec.Struct, frozen=True):
    """What `steward data check` prints. `digest` only of a pass."""

    passed: bool
    rows: int
    findings: tuple[Finding, ...]
    digest: str | None = None


def load_contract(file: Path) -> Contract:
    """:raises InputError: with file, line and the nearest name"""
    tree, lines = read(file)
    return checked(Contract, tree, file, lines)


class _Tally:
    """Failing rows of each rule, the first few by place."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def add(self, rule: str, place: str) -> None:
        self.counts[rule] += 1
        if len(self.examples.setdefault(rule, [])) < EXAMPLES:
            self.examples[rule].append(place)

    def finding(self, rule: str, passed: bool, seen: str, expected: str) -> Finding:
        return Finding(rule, passed, seen, expected, self.counts[rule], tuple(self.examples.get(rule, ())))


def check(
    contract: Contract,
    files: list[str],
    detector: Detector | None = None,
    now: datetime.datetime | None = None,
) -> Verdict:
    """Hold the files against the contract; keeps 8 bytes a row and unique column.

    :raises InputError: files that cannot be opened, a rule on a column that the files do not have
    """
    source = Source(path=files, on_error="skip")
    found = plan(source)
    shape = dict(found.shape.columns)
    has = {"id": "string", found.shape.kind: found.shape.kind, **shape} if found.shape.kind != "pair" else {
        "id": "string", "prompt": "text", "chosen": "text", "rejected": "text", **shape
    }  # fmt: skip
    used = [*contract.required, *contract.ranges, *contract.allowed, *contract.unique, *contract.balance]
    used += [contract.freshness.column] if contract.freshness else []
    for name in used:
        if name not in has and name not in contract.columns:
            raise InputError(f"contract: column {name!r} is not in the files; they have {', '.join(sorted(has))}")
    findings = [
        Finding(
            f"schema.{name}",
            has.get(name) in (kind, *(("text",) if kind == "string" else ())),
            has.get(name, "missing"),
            kind,
        )
        for name, kind in contract.columns.items()
    ]
    if any(not finding.passed for finding in findings):
        return Verdict(False, 0, tuple(findings))
    tally, seen = _Tally(), _Seen()
    toxic = _toxicity() if contract.max_rates.toxicity is not None else None
    for shard in found.shards:
        for item in read_shard(shard, found.shape, source):
            for entry in item.failed:
                tally.add("max_rates.failed", str(entry.where))
            places = [place_of(row, found.shards) for row in item.batch["row"].to_pylist()]
            _look(contract, item.batch, places, tally, seen, detector, toxic)
    findings += _judge(contract, tally, seen, detector, toxic, now or datetime.datetime.now(datetime.UTC))
    passed = all(finding.passed for finding in findings)
    parts = [contract.model_dump(mode="json"), found.inputs]
    digest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest() if passed else None
    return Verdict(passed, seen.rows, tuple(findings), digest)


def _same(seen: str | None, asked: str) -> bool:
    return seen == asked or (seen == "text" and asked == "string")


class _Seen:
    """What the rules need of all rows together."""

    def __init__(self) -> None:
        self.rows = 0
        self.contents: set[int] = set()
        self.keys: dict[str, set[int]] = {}
        self.values: dict[str, Counter[str]] = {}
        self.newest: datetime.datetime | None = None


def _look(
    contract: Contract,
    batch: pa.RecordBatch,
    places: list[str],
    tally: _Tally,
    seen: _Seen,
    detector: Detector | None,
    toxic: Any,
) -> None:
    seen.rows += batch.num_rows
    columns = {name: batch[name].to_pylist() for name in batch.schema.names if name != "messages"}
    rates = contract.max_rates
    if toxic is not None:
        place_of_row = dict(zip(columns["row"], places, strict=True))
        for row in dict.fromkeys(entry.row for entry in toxic.apply(batch).entries if entry.action == "drop"):
            tally.add("max_rates.toxicity", place_of_row[row])
    for index, text in enumerate(texts(batch).to_pylist()):
        place = places[index]
        if rates.duplicates is not None:
            hashed = content_hash(text)
            if hashed in seen.contents:
                tally.add("max_rates.duplicates", place)
            seen.contents.add(hashed)
        if rates.personal_data is not None and detector is not None and detector(text):
            tally.add("max_rates.personal_data", place)
        if rates.unknown_language is not None and _unknown(text, contract.languages):
            tally.add("max_rates.unknown_language", place)
        if not _inside(len(text), contract.text_length.min, contract.text_length.max):
            tally.add("text_length", place)
        for name in contract.required:
            if columns[name][index] is None:
                tally.add(f"required.{name}", place)
        for name, (low, high) in contract.ranges.items():
            value = columns[name][index]
            if value is not None and (not isinstance(value, int | float) or not _inside(value, low, high)):
                tally.add(f"ranges.{name}", place)
        for name, allowed in contract.allowed.items():
            if columns[name][index] is not None and columns[name][index] not in allowed:
                tally.add(f"allowed.{name}", place)
        for name in contract.unique:
            hashed = xxhash.xxh3_64_intdigest(str(columns[name][index]).encode())
            if hashed in seen.keys.setdefault(name, set()):
                tally.add(f"unique.{name}", place)
            seen.keys[name].add(hashed)
    for name in contract.balance:
        seen.values.setdefault(name, Counter()).update(map(str, columns[name]))
    if contract.freshness:
        for index, value in enumerate(columns[contract.freshness.column]):
            if (when := _date(value)) is None:
                tally.add("freshness", places[index])
            elif seen.newest is None or when > seen.newest:
                seen.newest = when


def _judge(
    contract: Contract, tally: _Tally, seen: _Seen, detector: Detector | None, toxic: Any, now: datetime.datetime
) -> Iterator[Finding]:
    low, high = contract.rows.min, contract.rows.max
    yield tally.finding(
        "rows", _inside(seen.rows, low, high) and seen.rows > 0, f"{seen.rows:,} rows", _bounds(low or 1, high)
    )
    never = [f"required.{name}" for name in contract.required] + [f"unique.{name}" for name in contract.unique]
    never += [f"ranges.{name}" for name in contract.ranges] + [f"allowed.{name}" for name in contract.allowed]
    never += ["text_length"] if contract.text_length != Bounds() else []
    for rule in never:
        yield tally.finding(rule, not tally.counts[rule], f"{tally.counts[rule]:,} rows break it", "none")
    undecided = {"personal_data": detector is None, "toxicity": toxic is None}
    for name, most in contract.max_rates.model_dump().items():
        if most is None:
            continue
        rule = f"max_rates.{name}"
        total = seen.rows + (tally.counts[rule] if name == "failed" else 0)
        rate = tally.counts[rule] / total if total else 0.0
        decided = not undecided.get(name, False)
        shown = f"{rate:.2%} of the rows" if decided else "cannot be measured here"
        yield tally.finding(rule, decided and rate <= most, shown, f"at most {most:.2%}")
    for name, share in contract.balance.items():
        value, count = min(seen.values.get(name, Counter({"none": 0})).items(), key=lambda pair: pair[1])
        rate = count / seen.rows if seen.rows else 0.0
        expected = f"each at least {share.min_share:.2%}"
        yield tally.finding(f"balance.{name}", rate >= share.min_share, f"{value!r} is {rate:.2%}", expected)
    if contract.freshness:
        days = (now - seen.newest).total_seconds() / 86400 if seen.newest else None
        shown = "no date" if days is None else f"the newest is {days:.1f} days old"
        fresh = days is not None and days <= contract.freshness.max_days and not tally.counts["freshness"]
        yield tally.finding(
            "freshness", fresh, shown, f"at most {contract.freshness.max_days:g} days, a date in each row"
        )


def _toxicity() -> Any:
    """The stage `toxicity` with its defaults; None where it cannot be had."""
    module, _, name = STAGES["toxicity"].partition(":")
    try:
        return getattr(importlib.import_module(module), name)()
    except ModuleNotFoundError:
        return None


def _unknown(text: str, languages: list[str]) -> bool:
    found = language_of(text[:600])
    return found == "short" or bool(languages and found not in languages)


def _inside(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _bounds(low: float | None, high: float | None) -> str:
    return f"{low:,.0f} or more" if high is None else f"{low or 0:,.0f} to {high:,.0f}"


def _date(value: object) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
