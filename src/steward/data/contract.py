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

from steward.configuration.section import Section
from steward.configuration.validation import validate
from steward.configuration.yaml_lines import locate, read_mapping
from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.planner import plan_reading
from steward.data.profile import Detector, guess_language, hash_content
from steward.data.read_plan import row_location
from steward.data.reader import read_shard
from steward.data.stage import PAIR, get_texts
from steward.data.stages import STAGES

EXAMPLES = 5
Column = Literal["string", "int64", "double", "bool", "json", "text", "messages"]


class Bounds(Section):
    """Both ends belong to it."""

    min: float | None = None
    max: float | None = None


class MaxRates(Section):
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


class MinimumShare(Section):
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
    max_rates: MaxRates = MaxRates()
    languages: list[str] = Field([])
    freshness: Freshness | None = None
    balance: dict[str, MinimumShare] = Field({})


class Finding(msgspec.Struct, frozen=True):
    """One rule: what was seen, what was expected, and the first rows that break it."""

    rule: str
    passed: bool
    seen: str
    expected: str
    failing_rows: int = 0
    examples: tuple[str, ...] = ()  # file and line


class ContractResult(msgspec.Struct, frozen=True):
    """What `steward data check` prints. `digest` only of a pass."""

    passed: bool
    rows: int
    findings: tuple[Finding, ...]
    digest: str | None = None


def load_contract(file: Path) -> Contract:
    """:raises InputError: with file, line and the nearest name"""
    tree, lines = read_mapping(file)
    return validate(Contract, tree, lambda dotted: locate(file, lines, dotted))


class _Tally:
    """Failing rows of each rule, the first few by place."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def add(self, rule: str, place: str) -> None:
        self.counts[rule] += 1
        if len(self.examples.setdefault(rule, [])) < EXAMPLES:
            self.examples[rule].append(place)

    def finding(self, rule: str, passed: bool, observed: str, expected: str) -> Finding:
        return Finding(rule, passed, observed, expected, self.counts[rule], tuple(self.examples.get(rule, ())))


def check_contract(
    contract: Contract,
    files: list[str],
    detector: Detector | None = None,
    now: datetime.datetime | None = None,
) -> ContractResult:
    """Hold the files against the contract; keeps 8 bytes a row and unique column.

    :raises InputError: files that cannot be opened, a rule on a column that the files do not have
    """
    source = Source(path=files, on_error="skip")
    read_plan = plan_reading(source)
    kind = read_plan.shape.kind
    content: dict[str, str] = dict.fromkeys(PAIR, "text") if kind == "pair" else {kind: kind}
    known_columns = {"id": "string", **content, **dict(read_plan.shape.columns)}
    rule_columns = [*contract.required, *contract.ranges, *contract.allowed, *contract.unique, *contract.balance]
    rule_columns += [contract.freshness.column] if contract.freshness else []
    for name in rule_columns:
        if name not in known_columns and name not in contract.columns:
            raise InputError(
                f"contract: column {name!r} is not in the files; they have {', '.join(sorted(known_columns))}"
            )
    findings = [
        Finding(
            f"schema.{name}",
            known_columns.get(name) in (kind, *(("text",) if kind == "string" else ())),
            known_columns.get(name, "missing"),
            kind,
        )
        for name, kind in contract.columns.items()
    ]
    if any(not finding.passed for finding in findings):
        return ContractResult(False, 0, tuple(findings))
    tally, totals = _Tally(), _Totals()
    toxicity_stage = _make_toxicity_stage() if contract.max_rates.toxicity is not None else None
    for shard in read_plan.shards:
        for item in read_shard(shard, read_plan.shape, source):
            for entry in item.failed:
                tally.add("max_rates.failed", str(entry.where))
            places = [row_location(row, read_plan.shards) for row in item.batch["row"].to_pylist()]
            _inspect_batch(contract, item.batch, places, tally, totals, detector, toxicity_stage)
    findings += _decide_findings(
        contract, tally, totals, detector, toxicity_stage, now or datetime.datetime.now(datetime.UTC)
    )
    passed = all(finding.passed for finding in findings)
    parts = [contract.model_dump(mode="json"), read_plan.inputs]
    digest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest() if passed else None
    return ContractResult(passed, totals.rows, tuple(findings), digest)


class _Totals:
    """What the rules need of all rows together."""

    def __init__(self) -> None:
        self.rows = 0
        self.contents: set[int] = set()
        self.keys: dict[str, set[int]] = {}
        self.values: dict[str, Counter[str]] = {}
        self.newest: datetime.datetime | None = None


def _inspect_batch(
    contract: Contract,
    batch: pa.RecordBatch,
    places: list[str],
    tally: _Tally,
    totals: _Totals,
    detector: Detector | None,
    toxicity_stage: Any,
) -> None:
    totals.rows += batch.num_rows
    columns = {name: batch[name].to_pylist() for name in batch.schema.names if name != "messages"}
    rates = contract.max_rates
    if toxicity_stage is not None:
        place_of_row = dict(zip(columns["row"], places, strict=True))
        for row in dict.fromkeys(entry.row for entry in toxicity_stage.apply(batch).entries if entry.action == "drop"):
            tally.add("max_rates.toxicity", place_of_row[row])
    for index, text in enumerate(get_texts(batch).to_pylist()):
        place = places[index]
        if rates.duplicates is not None:
            hashed = hash_content(text)
            if hashed in totals.contents:
                tally.add("max_rates.duplicates", place)
            totals.contents.add(hashed)
        if rates.personal_data is not None and detector is not None and detector(text):
            tally.add("max_rates.personal_data", place)
        if rates.unknown_language is not None and _is_unknown_language(text, contract.languages):
            tally.add("max_rates.unknown_language", place)
        if not _is_within(len(text), contract.text_length.min, contract.text_length.max):
            tally.add("text_length", place)
        for name in contract.required:
            if columns[name][index] is None:
                tally.add(f"required.{name}", place)
        for name, (low, high) in contract.ranges.items():
            value = columns[name][index]
            if value is not None and (not isinstance(value, int | float) or not _is_within(value, low, high)):
                tally.add(f"ranges.{name}", place)
        for name, allowed in contract.allowed.items():
            if columns[name][index] is not None and columns[name][index] not in allowed:
                tally.add(f"allowed.{name}", place)
        for name in contract.unique:
            hashed = xxhash.xxh3_64_intdigest(str(columns[name][index]).encode())
            if hashed in totals.keys.setdefault(name, set()):
                tally.add(f"unique.{name}", place)
            totals.keys[name].add(hashed)
    for name in contract.balance:
        totals.values.setdefault(name, Counter()).update(map(str, columns[name]))
    if contract.freshness:
        for index, value in enumerate(columns[contract.freshness.column]):
            if (when := _parse_date(value)) is None:
                tally.add("freshness", places[index])
            elif totals.newest is None or when > totals.newest:
                totals.newest = when


def _decide_findings(
    contract: Contract,
    tally: _Tally,
    totals: _Totals,
    detector: Detector | None,
    toxicity_stage: Any,
    now: datetime.datetime,
) -> Iterator[Finding]:
    low, high = contract.rows.min, contract.rows.max
    yield tally.finding(
        "rows",
        _is_within(totals.rows, low, high) and totals.rows > 0,
        f"{totals.rows:,} rows",
        _format_bounds(low or 1, high),
    )
    strict_rules = [f"required.{name}" for name in contract.required] + [f"unique.{name}" for name in contract.unique]
    strict_rules += [f"ranges.{name}" for name in contract.ranges] + [f"allowed.{name}" for name in contract.allowed]
    strict_rules += ["text_length"] if contract.text_length != Bounds() else []
    for rule in strict_rules:
        yield tally.finding(rule, not tally.counts[rule], f"{tally.counts[rule]:,} rows break it", "none")
    undecided = {"personal_data": detector is None, "toxicity": toxicity_stage is None}
    for name, max_rate in contract.max_rates.model_dump().items():
        if max_rate is None:
            continue
        rule = f"max_rates.{name}"
        total = totals.rows + (tally.counts[rule] if name == "failed" else 0)
        rate = tally.counts[rule] / total if total else 0.0
        can_decide = not undecided.get(name, False)
        description = f"{rate:.2%} of the rows" if can_decide else "cannot be measured here"
        yield tally.finding(rule, can_decide and rate <= max_rate, description, f"at most {max_rate:.2%}")
    for name, share in contract.balance.items():
        value, count = min(totals.values.get(name, Counter({"none": 0})).items(), key=lambda pair: pair[1])
        rate = count / totals.rows if totals.rows else 0.0
        expected = f"each at least {share.min_share:.2%}"
        yield tally.finding(f"balance.{name}", rate >= share.min_share, f"{value!r} is {rate:.2%}", expected)
    if contract.freshness:
        days = (now - totals.newest).total_seconds() / 86400 if totals.newest else None
        description = "no date" if days is None else f"the newest is {days:.1f} days old"
        is_fresh = days is not None and days <= contract.freshness.max_days and not tally.counts["freshness"]
        yield tally.finding(
            "freshness", is_fresh, description, f"at most {contract.freshness.max_days:g} days, a date in each row"
        )


def _make_toxicity_stage() -> Any:
    """The stage `toxicity` with its defaults; None where it cannot be had."""
    module, _, name = STAGES["toxicity"].partition(":")
    try:
        return getattr(importlib.import_module(module), name)()
    except ModuleNotFoundError:
        return None


def _is_unknown_language(text: str, languages: list[str]) -> bool:
    language = guess_language(text[:600])
    return language == "short" or bool(languages and language not in languages)


def _is_within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _format_bounds(low: float | None, high: float | None) -> str:
    return f"{low:,.0f} or more" if high is None else f"{low or 0:,.0f} to {high:,.0f}"


def _parse_date(value: object) -> datetime.datetime | None:
    try:
        date = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=datetime.UTC)
