"""S1: grammars, schemas, tools and patterns that would end the engine's process are refused before it sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.engine_input import MAX_BYTES, MAX_DEPTH, check_engine_input


def nest(levels: int) -> dict[str, Any]:
    """A schema of objects within objects."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def check(**fields: Any) -> None:
    check_engine_input(json.dumps({"model": "m", "messages": [], **fields}).encode())


@pytest.mark.parametrize(
    "fields",
    [
        {"grammar": "root ::= " + "(" * 100_000 + '"a"' + ")" * 100_000},
        {"grammar": "root ::= " + "(" * (MAX_DEPTH + 1)},
        {"grammar": 'root ::= "' + "a" * MAX_BYTES + '"'},
        {"grammar": 'root ::= ("a"{1000}){1000}'},
        {"grammar": 'root ::= "a"{0,99999999}'},
        {"json_schema": nest(100)},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": nest(100)}}},
        {"response_format": {"json_schema": {"schema": {"type": "string", "pattern": "^" + "(" * 5000 + "$"}}}},
        {"response_format": {"json_schema": {"schema": {"type": "array", "maxItems": 10_000_000}}}},
        {"response_format": {"json_schema": {"schema": {"type": "string", "pattern": "^(a{999}){999}$"}}}},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": nest(100)}}]},
        {"tools": [[] for _ in range(100_000)]},
        {"functions": [{"name": "f", "parameters": nest(100)}]},
    ],
)
def test_what_would_end_the_engine_is_the_one_requests_failure(fields: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        check(**fields)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "too_complex", next(iter(fields)))


def test_a_name_in_escapes_is_the_same_name() -> None:
    body = b'{"gr\\u0061mmar": "' + b"(" * 100 + b'"}'
    with pytest.raises(Refused):
        check_engine_input(body)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"grammar": 'root ::= "yes" | "no" | [0-9]{1,20} ("." [0-9]+)?'},
        {"grammar": 'root ::= "' + "((((" * 200 + '"'},  # brackets in a string nest nothing
        {"response_format": {"type": "json_schema", "json_schema": {"schema": nest(20)}}},
        {"tools": [{"type": "function", "function": {"name": f"f{n}", "parameters": nest(3)}} for n in range(50)]},
        {"messages": [{"role": "user", "content": "(" * 100_000}]},
    ],
)
def test_what_people_send_passes(fields: dict[str, Any]) -> None:
    check(**fields)
