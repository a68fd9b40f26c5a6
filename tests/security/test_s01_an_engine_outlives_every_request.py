"""S1: what would end an embedded engine, or hold it, is one request's failure; the others' answers go on.

The bounds, one by one: `tests/unit/gateway/test_engine_input.py`.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from conftest import SHARE_STARTER, Deployment
from gateway_client import post

pytestmark = SHARE_STARTER

ASK = {"model": "starter", "messages": [{"role": "user", "content": "where is my order?"}], "max_tokens": 4}
HELD_S = 2.0  # that another client's short answer may take on a busy machine; alone it takes 0.05 s


def nest(levels: int, leaf: Any) -> Any:
    for _ in range(levels):
        leaf = {"type": "object", "properties": {"a": leaf}}
    return leaf


def schema_of(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}}


NESTED = "".join(f'r{n} ::= (r{n + 1} | "a")*\n' for n in range(60)) + "root ::= r0"
HOSTILE: dict[str, dict[str, Any]] = {
    "brackets": {"grammar": "root ::= " + "(" * 100_000 + '"a"' + ")" * 100_000},
    "repetitions": {"grammar": 'root ::= ("a"{1000}){1000}'},
    "repetitions in rules": {"grammar": "root ::= " + " ".join(f"r{n}" for n in range(20_000))},
    "alternatives": {"grammar": "root ::= (" + " | ".join(f'"{n}"' for n in range(4_900)) + ")*"},
    "rules of rules": {"grammar": "".join(f"r{n} ::= r{n + 1} r{n + 1}\n" for n in range(40)) + 'root ::= r0'},
    "left recursion": {"grammar": 'root ::= root "a" | root'},
    "empty loop": {"grammar": 'root ::= (("")*)*'},
    "unknown rule": {"grammar": "root ::= nothing"},
    "no root": {"grammar": 'other ::= "a"'},
    "nested schema": schema_of(nest(200, {"type": "string"})),
    "reference to itself": schema_of({"$ref": "#"}),
    "reference to nothing": schema_of({"$ref": "#/$defs/none"}),
    "reference elsewhere": schema_of({"$ref": "http://127.0.0.1:9/schema"}),
    "recursive": schema_of({"$defs": {"n": {"anyOf": [{"$ref": "#/$defs/n"}]}}, "$ref": "#/$defs/n"}),
    "optional parts": {"grammar": "root ::= " + '"a"? ' * 200},
    "repeated optional parts": {"grammar": "root ::= " + '("a"?)* ' * 400},
    "repetitions in each other": {"grammar": NESTED},
    "pattern of optional parts": schema_of({"type": "string", "pattern": "^" + "a?" * 400 + "$"}),
    "pattern": schema_of({"type": "string", "pattern": "^" + "(" * 5_000 + "a" + ")" * 5_000 + "$"}),
    "pattern of repetitions": schema_of({"type": "string", "pattern": "^(a{999}){999}$"}),
    "many items": schema_of({"type": "array", "items": {"type": "string"}, "minItems": 10_000_000}),
    "negative items": schema_of({"type": "array", "items": {"type": "string"}, "minItems": -5, "maxItems": -9}),
    "wrong types": schema_of({"type": ["x", 5, None], "properties": 7, "enum": {}}),
    "tools": {"tools": [{"type": "function", "function": {"name": "f", "parameters": nest(200, {})}}]},
    "tools of nothing": {"tools": [[], None, 5, "x", {}]},
    "a template's words": {"chat_template_kwargs": {"a": nest(100, 1)}},
    "biases": {"logit_bias": {str(n): 1 for n in range(100_000)}},
    "stops": {"stop": ["a"] * 50_000},
    "numbers": {"top_k": -(2**40), "n_probs": 2**30, "seed": -1, "repeat_last_n": 2**31 - 1, "max_tokens": 4},
    "a slot that is not there": {"id_slot": 10_000},
    "a path": {"lora": [{"id": 99, "scale": 1e30}]},
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_s01_an_engine_outlives_what_would_end_it(starter: Deployment, name: str) -> None:
    pid = starter.pid("engine-starter")
    times: list[float] = []
    done = threading.Event()

    def ask_others() -> None:
        while not done.is_set():
            begun = time.monotonic()
            assert post(starter, "/v1/chat/completions", ASK)[0] == 200
            times.append(time.monotonic() - begun)

    other = threading.Thread(target=ask_others)
    other.start()
    try:
        status, answer, _ = post(starter, "/v1/chat/completions", {**ASK, **HOSTILE[name]})
    finally:
        done.set()
        other.join(30)
    assert status in (200, 400), (status, json.dumps(answer)[:300])
    assert starter.pid("engine-starter") == pid
    assert times and max(times) < HELD_S, max(times)
