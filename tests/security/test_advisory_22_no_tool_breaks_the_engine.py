"""Advisory 22, CVE-2025-48944: a malformed schema of a tool crashed the worker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.engine_input import check_engine_input


def nest(depth: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def tool(parameters: Any) -> bytes:
    tools = [{"type": "function", "function": {"name": "x", "parameters": parameters}}]
    return json.dumps({"model": "m", "messages": [], "tools": tools}).encode()


@pytest.mark.parametrize(
    "parameters",
    [
        nest(300),
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a{1,1000}){1,1000}"}}},
        {"enum": ["x"] * 100_000},
        {"type": "string", "minLength": 10**9, "pattern": "a{999999999}"},
    ],
)
def test_what_is_too_deep_too_long_or_repeats_too_much_is_refused(parameters: Any) -> None:
    with pytest.raises(Refused) as error:
        check_engine_input(tool(parameters))
    assert error.value.status == 400 and "tools" in (error.value.param or "tools")


@pytest.mark.parametrize("value", ["null", '"x"', "7", "[]", "[null]", '[{"type": 7}]', "{}"])
def test_odd_shapes_end_no_worker(value: str) -> None:
    body = b'{"model": "m", "messages": [], "tools": ' + value.encode() + b"}"
    try:
        check_engine_input(body)
    except Refused as error:
        assert error.status == 400
