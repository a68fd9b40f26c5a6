"""JSON by its declared extraction and a schema that is checked before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import InputError
from steward.evaluation.metrics import make_metric
from steward.evaluation.metrics.answers import check_ends

SCHEMA = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"$ref": "#/$defs/n"}},
    "$defs": {"n": {"type": "integer"}},
}


@pytest.mark.parametrize(
    ("answer", "valid"),
    [
        ('Here it is:\n```json\n{"a": 1}\n```\nAnything else?', 1),
        ('```JSON\n{"a": 1}\n```', 1),
        ('```\n{"b": 1}\n```\nrather\n```json\n{"a": 1}\n```', 1),
        ('{"a": 1}', 1),
        ('Here it is: {"a": 1}', 0),
        ('```json\n{"a": "x"}\n```', 0),
    ],
)
def test_e09_json_in_a_fence(answer: str, valid: int) -> None:
    assert make_metric("json_schema").table([answer], [[SCHEMA]])[0, 0] == valid


def test_e09_without_fences_the_whole_answer_is_json() -> None:
    metric = make_metric("json_schema", {"fences": False})
    assert metric.table(['```json\n{"a": 1}\n```', ' {"a": 1} '], [[SCHEMA], [SCHEMA]])[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/gone", "$defs": {"n": {}}},
        {"properties": {"a": {"prefixItems": [{"$ref": "#anchor"}]}}},
        {"anyOf": [{"$ref": "#/anyOf/2"}]},
        {"a": {"$ref": "#/type"}, "type": "object"},
    ],
)
def test_e09_a_dangling_reference_is_found_before_anything_is_asked(schema: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="which it does not contain"):
        make_metric("json_schema").screen("", [schema])


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$ref": "#"}}},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {}}},
        {"$ref": "#/anyOf/0", "anyOf": [True]},
        {"$ref": "#here", "$defs": {"n": {"$anchor": "here"}}},
        {"$ref": "#/$defs/a%20b", "$defs": {"a b": {}}},
    ],
)
def test_e09_references_inside_the_schema_hold(schema: dict[str, Any]) -> None:
    assert make_metric("json_schema").screen("", [schema]) == ""


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("The tower is 330 m tall. It sings at dawn.", 0.5),
        ("The tower is 330 m tall. Roses are so red. Cows fly high up. Birds swim deep down.", 0.25),
        ("Tall tower.", 0.0),
        ("tower is", 1.0),
    ],
)
def test_groundedness_is_a_share_of_sentences(answer: str, share: float) -> None:
    """By trigrams of words, or by all words of a shorter sentence."""
    metric = make_metric("groundedness")
    assert metric.table([answer], [["The tower is 330 m tall."]])[0, 0] == share


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("The tower stands [1].", 1.0), ("The tower stands [2].", 0.0), ("Cows fly [2].", 1.0), ("Cows fly [3].", 0.0),
        ("The tower stands [0].", 0.0), ("Cows fly. [2]", 1.0), ("Cows fly.", 1.0), ("The tower stands [1][2].", 1.0),
    ],
)  # fmt: skip
def test_a_cited_source_must_carry_the_sentence(answer: str, share: float) -> None:
    metric = make_metric("groundedness")
    assert metric.table([answer], [["The tower stands.", "Cows fly."]])[0, 0] == share


def test_half_of_the_trigrams_carry_a_sentence() -> None:
    """Four trigrams of six words, of which two are the source's."""
    metric = make_metric("groundedness")
    assert metric.table(["a b c d y z"], [["a b c d"]])[0, 0] == 1.0
    assert metric.table(["a b c x y z"], [["a b c d"]])[0, 0] == 0.0
    assert make_metric("groundedness", {"share": 0.25}).table(["a b c x y z"], [["a b c d"]])[0, 0] == 1.0
    assert metric.screen("[1] !", ["a"]) == "the answer contains no sentence"


def value(name: str, answer: str, references: list[Any], **options: Any) -> float:
    return float(make_metric(name, options).table([answer], [references])[0, 0])


def test_no_answer_is_right_where_none_is() -> None:
    """evaluate-v2.0.py: empty references count as one empty answer; an empty one among others does not count."""
    for name in ("squad_v2_em", "squad_v2_f1"):
        assert [value(name, said, []) for said in ("", "The", "Oslo")] == [1.0, 1.0, 0.0]
        assert [value(name, said, ["", "Oslo"]) for said in ("", "Oslo")] == [0.0, 1.0]
        assert value(name, "", ["the", "a"]) == 1.0
    assert value("squad_v2_f1", "big Oslo", ["Oslo"]) == pytest.approx(2 / 3) == value("squad_f1", "big Oslo", ["Oslo"])
    assert value("squad_em", "The Oslo!", ["Rome", "oslo"]) == 1.0 and value("squad_em", "Oslo", ["Rome"]) == 0.0


def test_one_of_the_references_is_enough() -> None:
    assert value("exact_match", " Oslo ", ["Rome", "Oslo"]) == 1.0 and value("exact_match", "oslo", ["Oslo"]) == 0.0
    assert value("contains", "In OSLO.", ["Rome", "Oslo"]) == 1.0
    assert value("contains", "In OSLO.", ["Oslo"], lowercase=False) == 0.0
    assert value("choice", "The answer is B.", ["A", " B "]) == 1.0 and value("choice", "B", ["A"]) == 0.0
    assert value("regex", "In Oslo", ["^Os", "lo$"]) == 1.0 and value("regex", "In Oslo", ["^Os"]) == 0.0
    assert value("words", " one two  three ", []) == 3.0


def test_tolerances_are_at_least_zero() -> None:
    assert value("numeric", "5", [5], relative=0.0, absolute=0.0) == 1.0
    assert value("numeric", "no number", [5]) == 0.0 and value("numeric", "5 or 6", [5]) == 0.0
    for bad in ({"relative": -0.1}, {"absolute": -0.1}, {"relative": float("inf")}):
        with pytest.raises(InputError, match="expected numbers of at least 0"):
            make_metric("numeric", bad)


@pytest.mark.parametrize(
    ("metric", "answer", "reference", "value"),
    [
        ("contains", "un cafe\u0301", "café", 1), ("contains", "a\r\nb", "a\nb", 1), ("contains", "tea", "café", 0),
        ("words", "今天天气很好2024", "", 10), ("words", "two words", "", 2), ("words", "안녕하세요 세계", "", 2),
    ],
)  # fmt: skip
def test_e07_text_is_composed_and_counted_by_its_script(metric: str, answer: str, reference: str, value: float) -> None:
    assert make_metric(metric).table([answer], [[reference]])[0, 0] == value


@pytest.mark.parametrize(
    "answer",
    [
        '```json {"a": 1} ```',
        'It is `{"a": 1}`.',
        '```json\n{"a": 1}',
        '\ufeff{"a": 1}',
        '~~~\n{"a": 1}',
        '`[2]` or `{"a": 1}`',
    ],
)
def test_e09_json_in_a_code_span_or_an_open_fence(answer: str) -> None:
    """CommonMark 0.31: a span stands between equal runs of backticks (6.1); an open fence ends with the text (4.5)."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert make_metric("json_schema").table([answer], [[schema]])[0, 0] == 1
    assert make_metric("json_schema", {"fences": False}).table(["`{}`"], [[schema]])[0, 0] == 0


def test_e09_many_backticks_hold_nothing_and_take_no_time() -> None:
    """Patterns that took the square of the length would run into the test's timeout."""
    for answer in ("`" * 100_000, "`{" * 50_000, "```json {" * 20_000):
        assert make_metric("json_schema").table([answer], [[True]])[0, 0] == 0


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": [{"$ref": "#/nowhere"}]}, {"const": {"$ref": "x"}}, {"default": {"$ref": "x"}},
        {"properties": {"$ref": {"type": "string"}, "enum": {"$ref": "#"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"p": {"$id": "#p"}}, "$ref": "#p"},
        {"$id": "https://e.example/s", "$ref": "https://e.example/s#/$defs/a", "$defs": {"a": {}}},
    ],
)  # fmt: skip
def test_e09_references_that_are_data_or_lead_back_are_none_outside(schema: Any) -> None:
    metric = make_metric("json_schema")
    assert metric.screen("{}", [schema]) == "" and metric.table(["{}"], [[schema]]).shape == (1, 2)


@pytest.mark.parametrize(
    "schema", [{"$dynamicRef": "#x"}, {"properties": {"default": {"$ref": "#/nowhere"}}}, {"$ref": "s#/$defs/a"}]
)
def test_e09_references_that_dangle_are_found_before(schema: Any) -> None:
    with pytest.raises(InputError, match=r"\$ref to"):
        make_metric("json_schema").screen("{}", [schema])


def test_e09_the_last_fence_that_holds_json_counts() -> None:
    metric, schema = make_metric("json_schema"), {"type": "object", "required": ["a"]}
    behind = '```json\n{"a": 1}\n```\nRun it:\n```sh\nmake\n```'
    for answer in (behind, 'Here: ```json5\n{"a": 1}\n``` done'):
        assert metric.table([answer], [[schema]])[0, 0] == 1


def test_a_schema_may_be_two_hundred_levels_deep() -> None:
    def nest(levels: int) -> Any:
        schema: Any = {}
        for _ in range(levels - 1):
            schema = [schema]
        return schema

    check_ends(nest(200))
    with pytest.raises(RecursionError):
        check_ends(nest(201))
