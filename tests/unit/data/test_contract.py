import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ranges import read_ranges
from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.contract import (
    Contract,
    ContractResult,
    Freshness,
    MaxRates,
    MinimumShare,
    check_contract,
    load_contract,
)

FINE = "The weather is fine today and the children play outside."
ROWS = [
    {"text": FINE, "label": "good", "score": 0.5, "day": "2026-01-02"},
    {
        "text": "Nobody answered my question about the lamp.",
        "label": "bad",
        "score": 1.5,
        "day": "2026-01-03",
    },
    {"text": FINE.replace("is ", "IS  "), "label": "odd", "score": 0.1, "day": "2026-01-04"},
    {
        "text": "Das Wetter ist heute schön und wir gehen heim.",
        "label": None,
        "score": 0.2,
        "day": "2026-01-05",
    },
]
NOW = datetime.datetime(2026, 1, 10, tzinfo=datetime.UTC)


def source(file: Path, rules: dict[str, Any]) -> Source:
    return Source(path=str(file), text=rules.get("text"), on_error="skip")


def held(folder: Path, rules: dict[str, Any], detector: Any = None, extra: str = "") -> ContractResult:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS) + extra)
    return check_contract(
        Contract.model_validate(rules),
        source(folder / "a.jsonl", rules),
        detector,
        NOW,
    )


BROKEN = [
    ({"required": ["label"]}, "required.label", ["a.jsonl:4"]),
    ({"ranges": {"score": [0, 1]}}, "ranges.score", ["a.jsonl:2"]),
    ({"allowed": {"label": ["good", "bad"]}}, "allowed.label", ["a.jsonl:3"]),
    ({"unique": ["text"]}, None, []),
    ({"text_length": {"max": 55}}, "text_length", ["a.jsonl:1", "a.jsonl:3"]),
    ({"max_rates": {"duplicates": 0.2}}, "max_rates.duplicates", ["a.jsonl:3"]),
    ({"max_rates": {"duplicates": 0.25}}, None, []),
    ({"max_rates": {"unknown_language": 0.2}, "languages": ["en"]}, "max_rates.unknown_language", ["a.jsonl:4"]),
    ({"max_rates": {"unknown_language": 0.0}, "languages": ["en", "de"]}, None, []),
    ({"freshness": {"column": "day", "max_days": 4.9}}, "freshness", []),
    ({"freshness": {"column": "day", "max_days": 5.1}}, None, []),
    ({"balance": {"label": {"min_share": 0.3}}}, "balance.label", []),
    ({"freshness": {"column": "day", "max_days": 5.0}}, None, []),  # to the second
    ({"balance": {"label": {"min_share": 0.25}}}, None, []),
    ({"balance": {"label": {"min_share": 0.26}}}, "balance.label", []),
    ({"rows": {"min": 5}}, "rows", []),
    ({"rows": {"min": 4, "max": 4}}, None, []),
    ({"rows": {"max": 3}}, "rows", []),
    ({"ranges": {"score": [0.1, 1.5]}}, None, []),
    ({"ranges": {"score": [0.11, 1.5]}}, "ranges.score", ["a.jsonl:3"]),
    ({"ranges": {"score": [0.1, 1.49]}}, "ranges.score", ["a.jsonl:2"]),
    ({"text_length": {"min": 43, "max": 57}}, None, []),
    ({"text_length": {"max": 56}}, "text_length", ["a.jsonl:3"]),
    ({"text_length": {"min": 44}}, "text_length", ["a.jsonl:2"]),
    ({"schema": {"score": "int64"}}, "schema.score", []),
    ({"schema": {"gone": "string"}}, "schema.gone", []),
]


@pytest.mark.parametrize(("rules", "broken", "places"), BROKEN)
def test_each_rule_holds_or_names_its_rows(
    tmp_path: Path, rules: dict[str, Any], broken: str | None, places: list[str]
) -> None:
    verdict = held(tmp_path, rules)
    failing = [finding for finding in verdict.findings if not finding.passed]
    assert [finding.rule for finding in failing] == ([broken] if broken else [])
    assert verdict.passed == (broken is None) == (verdict.digest is not None)
    assert [place for finding in failing for place in finding.examples] == places


def test_personal_data_without_a_detector_never_passes(tmp_path: Path) -> None:
    rules = {"max_rates": {"personal_data": 1.0}}
    assert not held(tmp_path, rules).passed
    assert held(tmp_path, rules, lambda text: [(0, 3, "email")]).passed


def test_rows_that_cannot_be_read_count(tmp_path: Path) -> None:
    verdict = held(tmp_path, {"max_rates": {"failed": 0.1}}, extra='{"text": \n')
    [finding] = [finding for finding in verdict.findings if not finding.passed]
    assert (finding.rule, finding.failing_rows, finding.seen) == ("max_rates.failed", 1, "20.00% of the rows")


def test_the_digest_is_of_contract_and_files(tmp_path: Path) -> None:
    one, other = held(tmp_path, {}), held(tmp_path, {"rows": {"min": 2}})
    assert one.digest == held(tmp_path, {}).digest != other.digest
    assert held(tmp_path, {}, extra=json.dumps(ROWS[0]) + "\n").digest != one.digest


def test_unknown_rules_and_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("rows: {min: 1}\nmax_rates:\n  duplicate: 0.1\n")
    with pytest.raises(InputError, match=r"c\.yaml:3: max_rates\.duplicate: unknown key; did you mean 'duplicates'"):
        load_contract(tmp_path / "c.yaml")
    with pytest.raises(InputError, match="unknown column 'labl'; did you mean 'label'"):
        held(tmp_path, {"required": ["labl"]})


@pytest.mark.parametrize(("most", "passed"), [(0.1, False), (0.25, True)])
def test_toxic_rows_count_by_the_stages_own_list(tmp_path: Path, most: float, passed: bool) -> None:
    row = json.dumps({"text": "You stupid idiot, you moron.", "label": "bad", "score": 0.2, "day": "2026-01-05"})
    verdict = held(tmp_path, {"max_rates": {"toxicity": most}}, extra=row + "\n")
    finding = verdict.findings[-1]
    assert (finding.rule, finding.failing_rows, finding.examples) == ("max_rates.toxicity", 1, ("a.jsonl:5",))
    assert (finding.seen, finding.passed, verdict.passed) == ("20.00% of the rows", passed, passed)


def failing(result: ContractResult) -> dict[str, Any]:
    return {finding.rule: (finding.seen, finding.examples) for finding in result.findings if not finding.passed}


def hold(folder: Path, rules: dict[str, Any], *rows: dict[str, Any], detector: Any = None) -> dict[str, Any]:
    (folder / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return failing(check_contract(Contract.model_validate(rules), source(folder / "b.jsonl", rules), detector, NOW))


GERMAN = "Das Wetter ist heute schön und wir gehen heim, weil die Kinder müde sind."


def test_d10_languages_alone_refuse_a_german_file(tmp_path: Path) -> None:
    broken = hold(tmp_path, {"languages": ["en"]}, {"text": FINE}, {"text": GERMAN}, {"text": "ok"})
    assert broken == {"languages": ("1 rows in other languages; 1 of no certain language", ("b.jsonl:2",))}
    assert hold(tmp_path, {"languages": ["en", "de"]}, {"text": FINE}, {"text": GERMAN}) == {}
    unsure = hold(tmp_path, {"languages": ["en"]}, {"text": "ok"}, {"text": "yes"})
    assert unsure == {"languages": ("cannot be told: no row is long enough", ())}


def test_d10_one_text_among_numbers_is_one_row_out_of_range(tmp_path: Path) -> None:
    rows = [{"text": FINE, "score": score} for score in (0.1, "n/a", 0.9, 2, None)]
    broken = hold(tmp_path, {"ranges": {"score": [0, 1]}}, *rows)
    assert broken == {"ranges.score": ("2 rows break it", ("b.jsonl:2", "b.jsonl:4"))}


def test_d10_the_column_of_the_text_can_be_named(tmp_path: Path) -> None:
    rules = {"text": "body", "schema": {"body": "string"}, "required": ["body"], "unique": ["key"]}
    assert hold(tmp_path, rules, {"body": FINE, "key": 1}, {"body": FINE, "key": 2}) == {}
    assert list(hold(tmp_path, rules, {"body": FINE, "key": 1}, {"body": FINE, "key": 1})) == ["unique.key"]


def test_d10_a_date_in_the_future_does_not_make_old_data_fresh(tmp_path: Path) -> None:
    rules = {"freshness": {"column": "day", "max_days": 30}}
    old, future, new = ({"text": FINE, "day": day} for day in ("2020-01-01", "2099-01-01", "2026-01-09T12:00:00Z"))
    seen, places = hold(tmp_path, rules, old, future)["freshness"]
    assert seen.startswith("the newest is 2201.0 days old; 1 rows") and places == ("b.jsonl:2",)
    assert hold(tmp_path, rules, old, new) == {}


@pytest.mark.parametrize(("day", "is_fresh"), [("2026-01-11T00:00:00Z", True), ("2026-01-11T00:00:01Z", False)])
def test_a_date_may_be_ahead_by_what_clocks_of_time_zones_differ(tmp_path: Path, day: str, is_fresh: bool) -> None:
    """A day; the contract is checked at midnight of the 10th."""
    rules = {"freshness": {"column": "day", "max_days": 30}}
    assert (hold(tmp_path, rules, {"text": FINE, "day": day}) == {}) is is_fresh


def test_d05_personal_data_in_any_column_breaks_the_contract(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": '{"to": "Bo"}'}}]}
    rows = [{"messages": [{"role": "user", "content": "hi"}, call]}]

    def find(text: str) -> list[tuple[int, int, str]]:
        return [(0, 2, "person")] if "Bo" in text else []

    rules = {"max_rates": {"personal_data": 0}}
    assert list(hold(tmp_path, rules, *rows, detector=find)) == ["max_rates.personal_data"]
    assert list(hold(tmp_path, rules, {"text": "x", "note": "Bo"}, detector=find)) == ["max_rates.personal_data"]
    assert hold(tmp_path, rules, {"text": "x", "note": "Ann"}, detector=find) == {}


def test_five_rows_are_named(tmp_path: Path) -> None:
    seen, places = hold(tmp_path, {"required": ["label"]}, *[{"text": FINE, "label": None}] * 6)["required.label"]
    assert seen == "6 rows break it" and places == tuple(f"b.jsonl:{number}" for number in range(1, 6))


@pytest.mark.parametrize("rate", ["failed", "duplicates", "personal_data", "toxicity", "unknown_language"])
@pytest.mark.parametrize(("share", "allowed"), [(0, True), (1, True), (-0.01, False), (1.01, False)])
def test_a_rate_is_a_share_from_0_to_1(rate: str, share: float, allowed: bool) -> None:
    if allowed:
        assert Contract.model_validate({"max_rates": {rate: share}})
    else:
        with pytest.raises(ValueError, match="should be"):
            Contract.model_validate({"max_rates": {rate: share}})


def test_the_tutorials_contract_refuses_a_german_file(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/tutorials/clean-a-data-set.md").read_text()
    block = page.split("<!-- file:contract.yaml -->\n```yaml\n")[1].split("```")[0]
    (tmp_path / "contract.yaml").write_text(block)
    contract = load_contract(tmp_path / "contract.yaml")
    for name, texts in (("de", [GERMAN, GERMAN + " Morgen auch."]), ("en", [FINE, FINE + " So do we."])):
        rows = [{"text": text, "label": label} for text, label in zip(texts, ("good", "bad"), strict=True)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    german, english = (
        check_contract(contract, Source(path=str(tmp_path / f"{name}.jsonl"), on_error="skip"), lambda text: [])
        for name in ("de", "en")
    )
    assert [finding.rule for finding in german.findings if not finding.passed] == ["languages"]
    assert english.passed


def test_rates_are_shares() -> None:
    assert set(read_ranges(MaxRates).values()) == {"0 <= x <= 1"}
    assert read_ranges(MinimumShare) == {"min_share": "0 < x <= 1"} and read_ranges(Freshness) == {"max_days": "0 < x"}


@pytest.mark.parametrize(
    ("rules", "rows", "passed", "seen"),
    [
        ({"ranges": {"n": [0, 1]}}, [{"n": "0.5"}, {"n": 1}], True, "0 rows break it"),
        ({"ranges": {"n": [0, 1]}}, [{"n": "n/a"}], False, "1 rows break it"),
        ({"ranges": {"n": [0, 1]}}, [{"n": "nan"}], False, "1 rows break it"),
        ({"ranges": {"n": [0, 1]}}, [{"n": True}], False, "1 rows break it"),
        ({"ranges": {"n": [0, 1]}}, [{"n": None}], False, "cannot be told: no row has a value"),
        ({"allowed": {"n": [1]}}, [{"n": True}], False, "1 rows break it"),
        ({"allowed": {"n": [1]}}, [{"n": 1.0}], True, "0 rows break it"),
        ({"allowed": {"n": ["a"]}}, [{"n": None}], False, "cannot be told: no row has a value"),
        ({"unique": ["n"]}, [{"n": 1}, {"n": "1"}], True, "0 rows break it"),
        ({"unique": ["n"]}, [{"n": "1"}, {"n": "1"}], False, "1 rows break it"),
    ],
)
def test_d10_a_rule_decides_by_the_value_and_its_type(
    tmp_path: Path, rules: Any, rows: Any, passed: bool, seen: str
) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": FINE, **row}) + "\n" for row in rows))
    result = check_contract(Contract.model_validate(rules), Source(path=str(tmp_path / "a.jsonl")))
    name = f"{next(iter(rules))}.n"
    assert [(one.passed, one.seen) for one in result.findings if one.rule == name] == [(passed, seen)]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("ranges: {n: [1, 0]}", "the lower bound 1 is above the upper bound 0"),
        ("rows: {min: 5, max: 2}", "the lower bound 5 is above the upper bound 2"),
        ("text_length: {min: 5, max: 2}", "the lower bound 5 is above the upper bound 2"),
        ("allowed: {n: []}", "no value is allowed for n"),
        ("languages: [EN]", "unknown language 'EN'; did you mean 'en'"),
        ("languages: [english]", "unknown language 'english'"),
    ],
)
def test_d10_a_contract_that_nothing_could_hold_is_refused(tmp_path: Path, rules: str, message: str) -> None:
    (tmp_path / "contract.yaml").write_text(rules + "\n")
    with pytest.raises(InputError, match=message):
        load_contract(tmp_path / "contract.yaml")


def test_d10_ids_that_were_made_are_no_column(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": FINE}) + "\n")
    with pytest.raises(InputError, match="unknown column 'id'"):
        check_contract(Contract(unique=["id"]), Source(path=str(tmp_path / "a.jsonl")))


@pytest.mark.parametrize(
    ("column", "kind", "passed"),
    [
        (pa.array([1], pa.int8()), "int64", True), (pa.array([1], pa.uint64()), "int64", False),
        (pa.array([1], pa.int64()), "double", True), (pa.array([1.0], pa.float32()), "double", True),
        (pa.array([Decimal("1.5")]), "double", True), (pa.array([1.5]), "int64", False),
        (pa.array([[1]]), "json", True), (pa.array([{"a": 1}]), "json", True), (pa.array(["a"]), "json", False),
    ],
)  # fmt: skip
def test_d10_a_narrower_type_is_of_the_wider_one(tmp_path: Path, column: pa.Array, kind: Any, passed: bool) -> None:
    pq.write_table(pa.table({"text": [FINE], "n": column}), tmp_path / "a.parquet")
    result = check_contract(Contract.model_validate({"schema": {"n": kind}}), Source(path=str(tmp_path / "a.parquet")))
    assert result.findings[0].passed == passed


def test_d10_decimals_are_numbers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [FINE], "n": pa.array([Decimal("0.5")])}), tmp_path / "a.parquet")
    source = Source(path=str(tmp_path / "a.parquet"))
    assert check_contract(Contract(ranges={"n": (0, 1)}), source).passed
    assert not check_contract(Contract(ranges={"n": (1, 2)}), source).passed
