"""Names that stand twice are found whatever the body's spelling; the quick way and the thorough one agree."""

from __future__ import annotations

import json

import pytest

from steward.core.errors import Refused
from steward.gateway.field_names import _decode_plain, read_field_names

PLAIN = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [{"function": {"a": {"b": [1, {}]}}}]}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(PLAIN).encode(),
        json.dumps(PLAIN, separators=(",", ":")).encode(),
        json.dumps(PLAIN, indent=2).encode(),
        *(json.dumps(PLAIN, separators=(",", f"{space}:")).encode() for space in " \n\t\r"),
    ],
)
def test_usual_bodies_are_read_the_quick_way(body: bytes) -> None:
    assert _decode_plain(body) == PLAIN
    assert read_field_names(body) == {"model", "messages", "tools"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model" :"a","model":"b"}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"model":"a","x":{"a":1,"a":2}}',
        b'{"model":"a","messages":[{"role":"user","content":"hi","content":"no"}]}',
        b'{"model":"a","model"\n\t:"b","n":1e2}',
        b'{"model":"a","":1,"":2}',
        b'{"model":"a","model":"\\u0022:"}',
        b'{"model":"a","model":"\\" :\\":"}',
    ],
)
def test_a_name_that_stands_twice_is_refused(body: bytes) -> None:
    assert _decode_plain(body) is None
    with pytest.raises(Refused) as error:
        read_field_names(body)
    assert error.value.code == "repeated_field"


def test_a_text_that_quotes_json_is_read_with_care_and_accepted() -> None:
    body = json.dumps({"model": "m", "prompt": '{"model": "x", "model" : 1}'}).encode()
    assert read_field_names(body) == {"model", "prompt"}
    assert _decode_plain(b'{"model":"m","prompt":"\\" : 1"}') is None


@pytest.mark.parametrize("name", ["models", "Models", "fallbacks", "fallback_models", "fallbackModel"])
def test_s11_no_other_field_names_models(name: str) -> None:
    """OpenRouter's `models` and LiteLLM's `fallbacks` are asked in the place of `model`."""
    with pytest.raises(Refused, match=f"'{name}' names other models than 'model'; remove it") as caught:
        read_field_names(f'{{"model":"m","{name}":["dear"]}}'.encode())
    assert (caught.value.param, caught.value.code) == (name, "unsupported_parameter")
    assert read_field_names(b'{"model":"m","metadata":{"models":["x"]}}') == {"model", "metadata"}


def test_another_spelling_of_a_field_is_refused() -> None:
    with pytest.raises(Refused, match="Did you mean 'model'"):
        read_field_names(b'{"model":"m","Model":"x"}')


@pytest.mark.parametrize("body", [b'{"model":"m","x":"\\x41"}', b'{"model":"m","x":"a\nb"}'])
def test_what_is_no_json_within_a_field_is_the_client_s_mistake(body: bytes) -> None:
    with pytest.raises(Refused, match="not valid JSON") as error:
        read_field_names(body)
    assert error.value.status == 400


def test_nesting_has_a_limit() -> None:
    with pytest.raises(Refused, match="nested too deeply"):
        read_field_names(b'{"a":' * 3_000 + b"1" + b"}" * 3_000)


def test_the_name_that_stands_twice_is_told_and_cut() -> None:
    with pytest.raises(Refused, match="names 'b' twice") as error:
        read_field_names(b'{"model":"a","x":{"a":1,"b":2,"c":3,"b":4}}')
    assert error.value.param == "b"
    long = "n" * 101
    with pytest.raises(Refused, match=f"names '{'n' * 99}…' twice") as error:
        read_field_names(f'{{"{long}":1,"{long}":2}}'.encode())
    assert error.value.param == "n" * 99 + "…"


def test_a_spelling_is_told_and_cut() -> None:
    spelt = "model" + "_" * 96
    with pytest.raises(Refused) as error:
        read_field_names(f'{{"{spelt}":1}}'.encode())
    assert error.value.message == f"Unknown parameter: '{spelt[:99]}…'. Did you mean 'model'?"
    assert error.value.param == spelt[:99] + "…"


def test_a_name_of_other_models_is_told_and_cut() -> None:
    long = "models" + "_" * 96
    with pytest.raises(Refused, match="names other models than 'model'") as error:
        read_field_names(f'{{"{long}":1}}'.encode())
    assert error.value.message.startswith(f"'{long[:99]}…' names") and error.value.param == long[:99] + "…"
