from typing import Any

import pytest
from pydantic import Field

from steward.configuration.section import SecretReference, Section
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
        ({"inner": {"port": -1}}, "inner.port: should be greater than or equal to 0"),
        ({"inner": {"port": "many"}}, "inner.port: expected a whole number"),
        ({"inner": 5}, "inner: expected a section: keys and their values"),
        ({"many": 5}, "many: expected a list"),
        ({"path": 5}, "path: expected a text"),
        ({"inner": {"key": "sk-123"}}, "a secret must be a reference, env:NAME or file:PATH, never the value itself"),
    ],
)
def test_every_error_has_its_place_and_plain_words(tree: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(Outer, tree, place)
    assert says in str(caught.value) and "sk-123" not in str(caught.value)
