import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from steward.configuration.section import SecretReference, Section, Url
from steward.configuration.validation import validate
from steward.core.errors import InputError


class Inner(Section):
    port: int = Field(1, ge=0)
    key: SecretReference | None = None


class Outer(Section):
    inner: Inner = Inner()
    many: list[Inner] = Field(default=[])
    named: dict[str, Inner] = Field(default={})
    path: str | list[str] = "x"
    level: Literal["high", "off"] = "high"
    url: Url = "http://h"
    name: Annotated[str, Field(pattern=r"^[\w.:/-]+$")] = "n"
    maybe: list[Inner] | None = None
    address: SecretReference | Url | None = None


def place(dotted: str) -> str:
    return f"file:{len(dotted)}"


def test_a_good_tree_becomes_the_section() -> None:
    assert validate(Outer, {"inner": {"port": 2}}, place).inner.port == 2


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"iner": {}}, "file:4: iner: unknown key; did you mean 'inner'?"),
        ({"inner": {"prt": 1}}, "file:9: inner.prt: unknown key; did you mean 'port'?"),
        ({"many": [{"zzz": 1}]}, "file:10: many.0.zzz: unknown key; known here: key, port"),
        ({"inner": {"port": -1}}, "inner.port: should be greater than or equal to 0, not -1"),
        ({"inner": {"port": "many"}}, "inner.port: expected a whole number"),
        ({"inner": 5}, "inner: expected a section: keys and their values"),
        ({"many": 5}, "many: expected a list"),
        ({"path": 5}, "path: expected a list: lines that begin with '- ', or [a, b]; or expected a text"),
        (
            {"address": "ftp://h"},
            "file:7: address: a secret must be a reference, env:NAME or file:PATH, never the value itself; "
            "or expected http://… or https://…",
        ),
        ({"address": "http://user:sk-123@h"}, "file:7: address: the URL holds a user name or password"),
        ({"url": "http://user:sk-123@h:x"}, "file:3: url: the URL holds a user name or password"),
        ({"inner": {"key": "sk-123"}}, "a secret must be a reference, env:NAME or file:PATH, never the value itself"),
    ],
)
def test_every_error_has_its_place_and_plain_words(tree: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(Outer, tree, place)
    assert says in str(caught.value) and "sk-123" not in str(caught.value)


def test_a_word_that_yaml_read_as_a_truth_value_is_taken_where_a_text_is_expected() -> None:
    """YAML 1.1 reads `off` as false."""
    tree = {"path": False, "level": False}
    read = validate(Outer, tree, place, {"path": "off", "level": "off", "inner.port": "no"})
    assert (read.path, read.level) == ("off", "off")


def test_a_word_is_not_taken_where_no_text_is_expected() -> None:
    with pytest.raises(InputError, match="named: expected keys and their values"):
        validate(Outer, {"named": False}, place, {"named": "off"})


def test_a_word_that_is_not_one_of_those_known_is_refused_once() -> None:
    with pytest.raises(InputError, match=r"level: should be 'high' or 'off'"):
        validate(Outer, {"level": True}, place, {"level": "on"})


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"url": "localhost"}, "url: expected http://… or https://…"),
        ({"name": "a b"}, "name: expected letters, digits and _ . : / -"),
        ({"maybe": [{"prt": 1}]}, "maybe.0.prt: unknown key; did you mean 'port'?"),
    ],
)
def test_a_pattern_is_told_in_words(tree: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        validate(Outer, tree, place)
