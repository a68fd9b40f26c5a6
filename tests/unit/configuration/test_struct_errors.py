"""JSON that has another shape than a struct: the field, what is there and what is expected, in plain words."""

import re
from typing import Annotated, Any, Literal

import msgspec
import pytest

from steward.configuration.struct_errors import explain_json_error, explain_syntax, list_keys, list_values


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""


class Body(msgspec.Struct, forbid_unknown_fields=True):
    count: int | None = None
    score: float = 0.0
    kind: Literal["copy", "edit"] = "copy"
    texts: tuple[str, ...] = ()
    metadata: dict[str, str] | None = None
    inner: Inner | None = None
    mixed: int | str | None = None
    short: Annotated[str, msgspec.Meta(max_length=3)] = ""
    page: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    span: Annotated[str, msgspec.Meta(pattern="^[0-9]+d$")] = "1d"
    by_number: dict[int, str] | None = None


def explain(body: bytes, kind: Any = Body, **options: bool) -> tuple[str, str | None, str]:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=kind)
    issue = explain_json_error(caught.value, kind, body, **options)
    return issue.message, issue.param, issue.code


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        (b'{"count":"ten"}', "'count' must be a whole number, not 'ten'.", "count"),
        (b'{"count":1.5}', "'count' must be a whole number, not 1.5.", "count"),
        (b'{"score":true}', "'score' must be a number, not true.", "score"),
        (b'{"score":null}', "'score' must be a number, not null.", "score"),
        (b'{"score":1e999}', "'score' is out of range: no number of 64 bits holds it.", "score"),
        (b'{"kind":"cut"}', "'kind' must be one of copy, edit, not 'cut'.", "kind"),
        (b'{"kind":5}', "'kind' must be a string, not 5.", "kind"),
        (b'{"texts":["a",5]}', "'texts[1]' must be a string, not 5.", "texts[1]"),
        (b'{"metadata":{"a":"b","c":[1]}}', "'metadata.c' must be a string, not a list.", "metadata.c"),
        (b'{"metadata":[1]}', "'metadata' must be an object, not a list.", "metadata"),
        (b'{"inner":{"name":{}}}', "'inner.name' must be a string, not an object.", "inner.name"),
        (b'{"inner":{"nam":"x"}}', "Unknown parameter: 'inner.nam'. Did you mean 'inner.name'?", "inner.nam"),
        (b'{"inner":{"q":"x"}}', "Unknown parameter: 'inner.q'. Known here: name.", "inner.q"),
        (b'{"mixed":[]}', "'mixed' must be a whole number or a string, not a list.", "mixed"),
        (b'{"short":"long"}', "'short' must have at most 3 characters or entries, not 'long'.", "short"),
        (b'{"page":12}', "'page' must be at most 9, not 12.", "page"),
        (b'{"span":"1w"}', "'span' must be of the form ^[0-9]+d$, not '1w'.", "span"),
        (b"[]", "The request body must be an object, not a list.", None),
        (b'{"count":"ten", and no more', "'count' must be a whole number, not a string.", "count"),
        (b'{"count":"' + b"x" * 99 + b'"}', f"'count' must be a whole number, not '{'x' * 40}'.", "count"),
    ],
)
def test_the_field_what_it_is_and_what_is_expected_are_told(body: bytes, message: str, param: str | None) -> None:
    assert explain(body)[:2] == (message, param)


def test_what_is_missing_has_openais_code() -> None:
    class Needs(msgspec.Struct):
        inner: Inner
        other: str

    assert explain(b'{"inner":{}}', Needs) == (
        "Missing required parameter: 'other'.", "other", "missing_required_parameter"
    )  # fmt: skip


@pytest.mark.parametrize(
    "body", [b'{"score":"my secret"}', b'{"short":"my secret"}', b'{"span":"my secret"}', b'"my secret"']
)
def test_no_text_is_repeated_where_it_may_be_a_persons(body: bytes) -> None:
    message, _, _ = explain(body, quote_texts=False)
    assert "secret" not in message


@pytest.mark.parametrize("body", [b'{"a":"\xff"}', b"{", b"x", b'{"a":01}', b'{"a":NaN}', b""])
def test_what_is_no_json_is_told_without_the_decoders_own_words(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        msgspec.json.decode(body)
    assert not re.search(r"malformed|truncated|codec|`", explain_syntax(caught.value))


def test_a_key_that_is_no_number_is_told() -> None:
    message, param, _ = explain(b'{"by_number":{"x":"y"}}')
    assert (message, param) == ("Each name in 'by_number' must be a whole number, not a string.", "by_number")


class Outer(msgspec.Struct):
    one: Inner | None = None
    several: tuple[Body, ...] = ()
    named: dict[str, Inner] | None = None
    way: Literal["copy", "edit"] | Literal["cut"] | None = None
    ways: list[Literal["up", "down"]] | None = None


@pytest.mark.parametrize(
    ("location", "keys"),
    [
        ([], ["one", "several", "named", "way", "ways"]),
        (["one"], ["name"]),
        (["named", "anybody"], ["name"]),
        (["several", "0", "inner"], ["name"]),
        (["several"], []),  # a list has no keys, nor has a text
        (["named"], []),
        (["one", "name"], []),
        (["one", "name", "more"], []),
        (["nobody"], []),
    ],
)
def test_the_keys_at_a_place_are_those_of_the_struct_there(location: list[str], keys: list[str]) -> None:
    assert list_keys(msgspec.inspect.type_info(Outer), location) == keys


@pytest.mark.parametrize(
    ("location", "values"),
    [
        (["way"], ["copy", "edit", "cut"]),
        (["ways", "1"], ["up", "down"]),
        (["several", "0", "kind"], ["copy", "edit"]),
        (["ways"], []),
        (["way", "copy"], []),
        (["one", "name"], []),
        (["one", "name", "more"], []),
        ([], []),
    ],
)
def test_the_words_at_a_place_are_those_that_its_type_lists(location: list[str], values: list[str]) -> None:
    assert sorted(list_values(msgspec.inspect.type_info(Outer), location)) == sorted(values)
