"""S1: grammars, schemas, tools and patterns that would end the engine's process are refused before it sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.engine_input import MAX_BYTES, MAX_DEPTH, check_engine_input, check_rules


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
def test_s01_what_would_end_the_engine_is_the_one_requests_failure(fields: dict[str, Any]) -> None:
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


def refusal(**fields: Any) -> str | None:
    try:
        check(**fields)
    except Refused as error:
        return error.message
    return None


def test_a_field_may_have_a_quarter_of_a_megabyte() -> None:
    """256 * 1024 bytes with the two quotes around the text."""
    assert refusal(chat_template_kwargs="a" * (262_144 - 2)) is None
    message = refusal(chat_template_kwargs="a" * (262_144 - 1))
    assert message == (
        "'chat_template_kwargs' has 262,145 bytes; an embedded model takes at most 262,144. Simplify it."
    )


def test_a_field_may_be_64_levels_deep() -> None:
    def lists(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return value

    assert refusal(tools=lists(63)) is None  # the number within is the 64th
    message = refusal(tools=lists(64))
    assert message is not None and "nested more than 64 levels deep" in message and "at most 64 levels" in message


@pytest.mark.parametrize("name", ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"])
def test_a_schema_may_repeat_ten_thousand_times(name: str) -> None:
    assert refusal(json_schema={name: 10_000}) is None and refusal(json_schema={"other": 10_001}) is None
    message = refusal(json_schema={name: 10_001})
    assert message is not None and "repeats 10,001 times" in message and "at most 10,000 repetitions" in message


def test_a_grammar_may_nest_63_brackets() -> None:
    """The sixty-fourth open group is the grammar itself."""
    assert refusal(grammar="(" * 63 + ")" * 63) is None
    message = refusal(grammar="(" * 64)
    assert message is not None and "more than 64 brackets inside each other" in message


@pytest.mark.parametrize(
    ("grammar", "parts"),
    [
        ("a b c", 3),
        ("(a b){3}", 6),
        ("(a b){3,5}", 10),
        ("(a b){3,}", 6),
        ("((a b){2} c){3}", 15),
        ("a{4}{2}", 8),  # a repetition repeats what was repeated
        ("a{0}", 1),  # never fewer than are written
        ("a{0}{5}", 5),
        ("a{}", 1),
        ("a{,7}", 7),
        ('"a b c"{2} [x-z\\]]{3}', 5),
        ("a)b", 3),  # a bracket that closes nothing counts as itself
        ("\\( x", 2),
        ("x (a) {3}", 4),
        ('"' + "a" * 97 + '"{4}', 4),  # with its quotes 99 characters
        ('"' + "a" * 98 + '"{4}', 8),  # each 100 characters are one part more
    ],
)
def test_repetitions_are_written_out(grammar: str, parts: int) -> None:
    """What is left of 10,000 parts shows how many a grammar has."""
    check_rules(grammar + " ." * (10_000 - parts), "grammar")
    with pytest.raises(Refused, match=r"repetitions written out; an embedded model takes at most 10,000 parts"):
        check_rules(grammar + " ." * (10_001 - parts), "grammar")


def test_many_rules_cost_what_one_rule_costs() -> None:
    """10,000 parts may be in one pattern or in many."""
    pattern = "a" + ".?b" * 10
    assert refusal(tools=[{"pattern": ". " * 100}] * 100) is None
    assert "at most 10,000 parts" in (refusal(tools=[{"pattern": ". " * 100}] * 101) or "")
    assert refusal(tools=[{"pattern": "(" * 60 + "a" + ")" * 60}] * 1000) is not None
    assert refusal(tools=[{"pattern": pattern}] * 100) is None


def test_a_class_may_have_four_thousand_characters() -> None:
    check_rules("root ::= [" + "a" * 3_998 + "]", "grammar")
    with pytest.raises(Refused, match="4,001 characters in one class"):
        check_rules("root ::= [" + "a" * 3_999 + "]", "grammar")


def test_s08_rules_that_do_not_end_are_read_once() -> None:
    """128 KB of open brackets took 25 s, a class being looked for behind each; ended by the test's own timeout."""
    with pytest.raises(Refused, match="in one class"):
        check_rules("[" * 250_000, "grammar")
    for text in ('"\\' * 80_000, '"' + "\\\\" * 100_000 + "\\"):
        check_rules(text, "grammar")


def test_letters_of_several_bytes_count_by_their_bytes() -> None:
    text = "é" * 131_072  # two bytes each: 262,144
    check_rules(f"{text}", "grammar")
    with pytest.raises(Refused, match="has 131,073 characters"):
        check_rules(f"{text}é", "grammar")
    check_rules("\ud800", "grammar")  # half of a pair, as JSON may spell it


def test_only_rules_are_read_as_rules() -> None:
    assert refusal(json_schema={"description": "(" * 100}) is None
    assert refusal(json_schema={"pattern": ["(" * 100]}) is not None and refusal(guided_regex="(" * 100) is not None


def test_s01_what_would_hold_the_engine_for_minutes_is_refused() -> None:
    """4,900 equal alternatives that repeat held llama.cpp for more than 60 s; 1,000 optional properties for 2.3 s."""
    properties = {f"p{n}": {"type": "string"} for n in range(3_000)}
    schema = {"type": "object", "properties": properties}
    assert refusal(grammar="root ::= (" + " | ".join(['"value"'] * 4_900) + ")*") is not None
    assert refusal(json_schema=schema) is not None and refusal(tools=[schema]) is not None
    assert refusal(json_schema={**schema, "required": list(properties)}) is None
    assert refusal(json_schema={**schema, "required": "p1"}) is not None


def test_a_group_may_have_a_thousand_alternatives() -> None:
    """1,000 is the bound; each rule of a grammar and each bracket starts anew, and "::=" in a pattern is text."""
    check_rules("root ::= " + " | ".join("a" * 1_000), "grammar")
    check_rules("root ::= a | (" + " | ".join("a" * 999) + ")" + " | b" * 998, "grammar")
    check_rules("a ::= " + " | ".join("a" * 1_000) + "\nroot ::= " + " | ".join("b" * 1_000), "grammar")
    with pytest.raises(Refused, match="too many alternatives in one group; an embedded model takes at most 1,000"):
        check_rules("root ::= " + " | ".join("a" * 1_001), "grammar")
    with pytest.raises(Refused, match="too many alternatives"):
        check_rules("a ::= b" + "| a ::= b" * 1_000, "tools", is_grammar=False)
    assert refusal(json_schema={"pattern": "a ::= b" + "| a ::= b" * 1_000}) is not None
    assert refusal(grammar='root ::= "' + "|" * 2_000 + '"') is None


@pytest.mark.parametrize("name", ["enum", "anyOf", "oneOf", "allOf", "type"])
def test_a_list_may_have_a_thousand_alternatives(name: str) -> None:
    assert refusal(json_schema={name: [1] * 1_000}) is None and refusal(json_schema={"examples": [1] * 1_001}) is None
    message = refusal(json_schema={name: [1] * 1_001})
    assert message is not None and f"has 1,001 alternatives in '{name}'" in message and "at most 1,000." in message


def test_objects_may_have_three_hundred_optional_properties() -> None:
    """Their cost grows with the square: 100 objects of 30 cost as much as one of 300."""

    def optional(count: int) -> dict[str, Any]:
        return {"properties": {f"p{n}": True for n in range(count)}}

    assert refusal(json_schema=optional(300)) is None and refusal(tools=[optional(30)] * 100) is None
    message = refusal(json_schema=optional(301))
    assert message is not None and "at most 300 in one object, or name them in 'required'" in message
    assert refusal(tools=[optional(30)] * 101) is not None
    assert refusal(json_schema={**optional(301), "required": ["p7"]}) is None
    assert refusal(json_schema={"properties": [1] * 301}) is None  # no schema's
