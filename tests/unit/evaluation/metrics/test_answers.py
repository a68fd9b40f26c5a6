"""JSON by its declared extraction and a schema that is checked before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import InputError
from steward.evaluation.metrics import make_metric

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
        {"$ref": "#"},
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
