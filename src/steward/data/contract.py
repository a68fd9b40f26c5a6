"""A data contract: what a data set must hold before anything is trained on it.

    text: body                                    # column that holds the text, where it is not `text`
    schema: {text: string, label: string}         # columns that must be there
    required: [label]                             # never null
    ranges: {score: [0, 1]}                       # both ends allowed; null: no bound
    allowed: {label: [good, bad]}
    unique: [id]
    rows: {min: 1000}
    text_length: {min: 1, max: 100000}            # characters
    max_rates: {failed: 0, duplicates: 0.01, personal_data: 0, toxicity: 0.01, unknown_language: 0.05}
    languages: [en, de]                           # no row in another one; with unknown_language, so many at most
    freshness: {column: date, max_days: 30}
    balance: {label: {min_share: 0.1}}            # the smallest of its values

A pass gives a digest over the contract and the files; training asks for it. A rule that cannot be decided, such as
toxicity where no measure of it is installed, fails: a failure never looks like a pass. Examples name rows, never words.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import xxhash
from pydantic import Field, field_validator, model_validator

from steward.configuration.section import Section
from steward.configuration.validation import validate
from steward.configuration.yaml_lines import locate, read_mapping
from steward.core.errors import UnknownName
from steward.data.config import Source
from steward.data.language_detection import UNKNOWN, detect_language, require_language
from steward.data.planner import plan_reading
from steward.data.profile import Detector, hash_content
from steward.data.read_plan import RowLayout, row_location
from steward.data.reader import read_shard
from steward.data.row_strings import get_all_texts, make_content_keys
from steward.data.stage import PAIR, get_texts
from steward.data.stage_table import STAGES

EXAMPLES = 5
_CLOCKS_DIFFER = datetime.timedelta(days=1)  # between time zones
Column = Literal["string", "int64", "double", "bool", "json", "text", "messages"]


def _require_order(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"the lower bound {low:g} is above the upper bound {high:g}; expected the lower one first")


class Bounds(Section):
    """Both ends belong to it."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _require_order(self) -> Bounds:
        _require_order(self.min, self.max)
        return self


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

    text: str | None = Field(None, description="column that holds the text, where it is not `text`")
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

    @field_validator("ranges")
    @classmethod
    def _require_ranges(cls, value: dict[str, tuple[float | None, float | None]]) -> Any:
        for low, high in value.values():
            _require_order(low, high)
        return value

    @field_validator("allowed")
    @classmethod
    def _require_values(cls, value: dict[str, list[Any]]) -> Any:
        if empty := [name for name, values in value.items() if not values]:
            raise ValueError(f"no value is allowed for {empty[0]}; expected at least one, such as [good, bad]")
        return value


class ContractFinding(msgspec.Struct, frozen=True):
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
    findings: tuple[ContractFinding, ...]
    digest: str | None = None


def load_contract(file: Path) -> Contract:
    """:raises InputError: with file, line and the nearest name"""
    tree, lines = read_mapping(file)
    contract = validate(Contract, tree, lambda dotted: locate(file, lines, dotted), lines.words)
    for code in contract.languages:
        require_language(code, locate(file, lines, "languages"))
    return contract


class _Tally:
    """Failing rows of each rule, the first few by place."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def add(self, rule: str, place: str) -> None:
        self.counts[rule] += 1
        if len(self.examples.setdefault(rule, [])) < EXAMPLES:
            self.examples[rule].append(place)

    def finding(self, rule: str, passed: bool, observed: str, expected: str) -> ContractFinding:
        return ContractFinding(rule, passed, observed, expected, self.counts[rule], tuple(self.examples.get(rule, ())))


def check_contract(
    contract: Contract,
    source: Source,
    detector: Detector | None = None,
    now: datetime.datetime | None = None,
) -> ContractResult:
    """Hold the files against the contract; keeps 8 bytes a row and unique column.

    :raises InputError: files that cannot be opened, a rule on a column that the files do not have
    """
    read_plan = plan_reading(source)
    columns = _ShapeColumns(read_plan.shape)
    findings = [_check_type(name, kind, columns) for name, kind in contract.columns.items()]
    if any(not finding.passed for finding in findings):
        return ContractResult(False, 0, tuple(findings))
    for name in _list_rule_columns(contract):
        columns.require(name)
    now = now or datetime.datetime.now(datetime.UTC)
    inspection = _Inspection(contract, columns, detector, now)
    for shard in read_plan.shards:
        for item in read_shard(shard, read_plan.shape, source):
            for entry in item.failed:
                inspection.tally.add("max_rates.failed", str(entry.where))
            places = [row_location(row, read_plan.shards) for row in item.batch["row"].to_pylist()]
            inspection.inspect(item.batch, places)
    findings += inspection.decide()
    passed = all(finding.passed for finding in findings)
    parts = [contract.model_dump(mode="json"), read_plan.inputs]
    digest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest() if passed else None
    return ContractResult(passed, inspection.rows, tuple(findings), digest)


class _ShapeColumns:
    """The columns of the files by the names that the files have."""

    def __init__(self, layout: RowLayout) -> None:
        sides = {"pair": "text", "message-pair": "messages"}.get(layout.kind)
        content: dict[str, str] = dict.fromkeys(PAIR, sides) if sides else {layout.kind: layout.kind}
        self._renamed = {layout.text: "text"} if layout.kind == "text" else {}
        self._renamed |= {layout.id: "id"} if layout.id else {}
        self._has_ids = layout.id is not None  # else ids are made of file and line
        native = layout.native_schema()
        self.types = {"id": "string", **content}
        self.types |= {
            name: str(native.field(name).type) if kind == "native" else kind for name, kind in layout.columns
        }

    def find(self, name: str) -> str:
        """The batch's name for a column of the files."""
        return self._renamed.get(name, name)

    def require(self, name: str) -> None:
        """:raises UnknownName: the files do not have it"""
        if self.find(name) not in self.types or (name == "id" and not self._has_ids):
            known = sorted(name for name in self.types if name != "id" or self._has_ids)
            raise UnknownName("column", name, known, "contract")


def _check_type(name: str, kind: str, columns: _ShapeColumns) -> ContractFinding:
    seen = columns.types.get(columns.find(name), "missing")
    return ContractFinding(f"schema.{name}", _is_of_kind(seen, kind), seen, kind)


def _is_of_kind(seen: str, kind: str) -> bool:
    """Whether a column's type is the one that the contract names, or one whose values all are of it too."""
    if seen == kind:
        return True
    if kind == "string":
        return seen == "text"
    if kind == "int64":
        return re.fullmatch(r"u?int(8|16|32)", seen) is not None
    if kind == "double":
        return re.fullmatch(r"u?int(8|16|32|64)|float|halffloat|decimal\d+\(.*\)", seen) is not None
    return kind == "json" and re.match(r"(large_)?list|fixed_size_list|struct|map", seen) is not None


def _list_rule_columns(contract: Contract) -> list[str]:
    names = [*contract.required, *contract.ranges, *contract.allowed, *contract.unique, *contract.balance]
    return [*names, contract.freshness.column] if contract.freshness else names


class _Inspection:
    """What the rules saw of the rows so far."""

    def __init__(
        self, contract: Contract, columns: _ShapeColumns, detector: Detector | None, now: datetime.datetime
    ) -> None:
        self.contract, self.tally, self.rows = contract, _Tally(), 0
        self._columns, self._detector, self._now = columns, detector, now
        self._toxicity = _make_toxicity_stage() if contract.max_rates.toxicity is not None else None
        self._contents: set[int] = set()
        self._keys: dict[str, set[int]] = {name: set() for name in contract.unique}
        self._values: dict[str, Counter[str]] = {name: Counter() for name in contract.balance}
        self._newest: datetime.datetime | None = None
        self._decidable: set[str] = set()  # columns in which a row has a value
        self._languages: Counter[str] = Counter()  # rows whose language is certain, or "unknown"

    def inspect(self, batch: pa.RecordBatch, places: list[str]) -> None:
        """Note which rows break which rule. `places`: file and line of each row."""
        self.rows += batch.num_rows
        self._inspect_texts(batch, places)
        if self._toxicity is not None:
            place_of_row = dict(zip(batch["row"].to_pylist(), places, strict=True))
            drops = [entry.row for entry in self._toxicity.apply(batch).entries if entry.action == "drop"]
            for row in dict.fromkeys(drops):
                self.tally.add("max_rates.toxicity", place_of_row[row])
        for name in dict.fromkeys(_list_rule_columns(self.contract)):
            for value, place in zip(_read_values(batch, self._columns.find(name)), places, strict=True):
                self._inspect_value(name, value, place)

    def _inspect_texts(self, batch: pa.RecordBatch, places: list[str]) -> None:
        contract, rates = self.contract, self.contract.max_rates
        texts = get_texts(batch).to_pylist()
        if rates.duplicates is not None:
            for key, place in zip(make_content_keys(batch), places, strict=True):
                if (hashed := hash_content(key)) in self._contents:
                    self.tally.add("max_rates.duplicates", place)
                self._contents.add(hashed)
        if rates.personal_data is not None and self._detector is not None:
            for text, place in zip(get_all_texts(batch), places, strict=True):
                if self._detector(text):
                    self.tally.add("max_rates.personal_data", place)
        for text, place in zip(texts, places, strict=True):
            if not _is_within(len(text), contract.text_length.min, contract.text_length.max):
                self.tally.add("text_length", place)
            if rates.unknown_language is not None or contract.languages:
                self._inspect_language(text, place)

    def _inspect_language(self, text: str, place: str) -> None:
        language = detect_language(text)
        self._languages[language] += 1
        if self.contract.languages and language not in (*self.contract.languages, UNKNOWN):
            self.tally.add("languages", place)
        if language == UNKNOWN or (self.contract.languages and language not in self.contract.languages):
            self.tally.add("max_rates.unknown_language", place)

    def _inspect_value(self, name: str, value: Any, place: str) -> None:
        contract = self.contract
        is_missing = value is None or (isinstance(value, float) and math.isnan(value))
        if name in contract.required and is_missing:
            self.tally.add(f"required.{name}", place)
        if name in contract.ranges and not is_missing:
            number = _parse_number(value)
            if number is None or not _is_within(number, *contract.ranges[name]):
                self.tally.add(f"ranges.{name}", place)
        if name in contract.allowed and not is_missing and not _is_among(value, contract.allowed[name]):
            self.tally.add(f"allowed.{name}", place)
        if not is_missing:
            self._decidable.add(name)
        if name in contract.unique:
            hashed = xxhash.xxh3_64_intdigest(repr(value).encode("utf-8", "surrogatepass"))
            if hashed in self._keys[name]:
                self.tally.add(f"unique.{name}", place)
            self._keys[name].add(hashed)
        if name in contract.balance:
            self._values[name][str(value)] += 1
        if contract.freshness and name == contract.freshness.column:
            self._inspect_date(value, place)

    def _inspect_date(self, value: Any, place: str) -> None:
        date = _parse_date(value)
        if date is None or date > self._now + _CLOCKS_DIFFER:
            self.tally.add("freshness", place)  # a date in the future tells nothing of the age of the others
        elif self._newest is None or date > self._newest:
            self._newest = date

    def decide(self) -> Iterator[ContractFinding]:
        """A finding for each rule of the contract."""
        contract, tally = self.contract, self.tally
        low, high = contract.rows.min, contract.rows.max
        enough = _is_within(self.rows, low, high) and self.rows > 0
        yield tally.finding("rows", enough, f"{self.rows:,} rows", _format_bounds(low or 1, high))
        for rule in _list_strict_rules(contract):
            kind, _, name = rule.partition(".")
            if self.rows and kind in ("ranges", "allowed") and name not in self._decidable:
                yield tally.finding(rule, False, "cannot be told: no row has a value", "none")
            else:
                yield tally.finding(rule, not tally.counts[rule], f"{tally.counts[rule]:,} rows break it", "none")
        if contract.languages and contract.max_rates.unknown_language is None:
            yield self._decide_languages()
        yield from self._decide_rates()
        for name, share in contract.balance.items():
            value, count = min((self._values[name] or Counter({"none": 0})).items(), key=lambda pair: pair[1])
            rate = count / self.rows if self.rows else 0.0
            expected = f"each at least {share.min_share:.2%}"
            yield tally.finding(f"balance.{name}", rate >= share.min_share, f"{value!r} is {rate:.2%}", expected)
        if contract.freshness:
            yield self._decide_freshness(contract.freshness)

    def _decide_languages(self) -> ContractFinding:
        """Rows of no certain language decide nothing; where all are such, the rule cannot be decided."""
        expected = f"only {', '.join(self.contract.languages)}"
        certain = self._languages.total() - self._languages[UNKNOWN]
        if not certain:
            return self.tally.finding("languages", False, "cannot be told: no row is long enough", expected)
        others = self.tally.counts["languages"]
        seen = f"{others:,} rows in other languages; {self._languages[UNKNOWN]:,} of no certain language"
        return self.tally.finding("languages", not others, seen, expected)

    def _decide_rates(self) -> Iterator[ContractFinding]:
        undecided = {"personal_data": self._detector is None, "toxicity": self._toxicity is None}
        for name, max_rate in self.contract.max_rates.model_dump().items():
            if max_rate is None:
                continue
            rule = f"max_rates.{name}"
            total = self.rows + (self.tally.counts[rule] if name == "failed" else 0)
            rate = self.tally.counts[rule] / total if total else 0.0
            can_decide = not undecided.get(name, False)
            description = f"{rate:.2%} of the rows" if can_decide else "cannot be measured here"
            yield self.tally.finding(rule, can_decide and rate <= max_rate, description, f"at most {max_rate:.2%}")

    def _decide_freshness(self, rule: Freshness) -> ContractFinding:
        days = (self._now - self._newest).total_seconds() / 86400 if self._newest else None
        bad_dates = self.tally.counts["freshness"]
        seen = "no date" if days is None else f"the newest is {max(days, 0):.1f} days old"
        seen += f"; {bad_dates:,} rows without a date or with one in the future" if bad_dates else ""
        is_fresh = days is not None and days <= rule.max_days and not bad_dates
        expected = f"at most {rule.max_days:g} days, a date in each row"
        return self.tally.finding("freshness", is_fresh, seen, expected)


def _list_strict_rules(contract: Contract) -> list[str]:
    """The rules that no row may break."""
    rules = [f"required.{name}" for name in contract.required] + [f"unique.{name}" for name in contract.unique]
    rules += [f"ranges.{name}" for name in contract.ranges] + [f"allowed.{name}" for name in contract.allowed]
    return rules + (["text_length"] if contract.text_length != Bounds() else [])


def _read_values(batch: pa.RecordBatch, name: str) -> list[Any]:
    """A column's values; of one that keeps JSON, what the JSON says, so that a number among texts is one."""
    values: list[Any] = batch[name].to_pylist()
    metadata = batch.schema.field(name).metadata
    if not metadata or b"json" not in metadata:
        return values
    return [None if value is None else msgspec.json.decode(value) for value in values]


def _parse_number(value: object) -> float | Decimal | None:
    """The number; also of a text that is one, since CSV has no other. A truth value is none."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return value
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if number is None or math.isnan(number) else number


def _is_among(value: object, allowed: list[str | int | float | bool]) -> bool:
    """True and 1 are different, 1 and 1.0 are not."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed)


def _make_toxicity_stage() -> Any:
    """The stage `toxicity` with its defaults; None where it cannot be had."""
    module, _, name = STAGES["toxicity"].partition(":")
    try:
        return getattr(importlib.import_module(module), name)()
    except ModuleNotFoundError:
        return None


def _is_within(value: float | Decimal, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _format_bounds(low: float | None, high: float | None) -> str:
    return f"{low:,.0f} or more" if high is None else f"{low or 0:,.0f} to {high:,.0f}"


def _parse_date(value: object) -> datetime.datetime | None:
    try:
        date = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=datetime.UTC)
