import pytest

from steward.adapters.trainers.schema_check import check_schema
from steward.core.errors import InputError

SCHEMA = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": "integer"}, "b": {"enum": ["x", "y"]}, "c": {"const": True}, "d": {"type": "number"},
        "e": {"type": "array", "items": {"type": "string"}}, "f": {},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "the key 'a' is missing"),
        ({"a": "1"}, "a is '1'; expected integer"),
        ({"a": True}, "a is True; expected integer"),
        ({"a": 1, "b": "z"}, "b is 'z'; expected one of x, y"),
        ({"a": 1, "c": False}, "c is False; expected one of True"),
        ({"a": 1, "e": ["x", 2]}, r"e\.1 is 2; expected string"),
        ({"a": 1, "ab": 2}, "unknown key"),
        ([], "expected object"),
    ],
)
def test_what_does_not_fit_is_named(value, message):
    with pytest.raises(InputError, match=message):
        check_schema(value, SCHEMA, "toy")


def test_what_fits_passes():
    check_schema({"a": 1, "b": "x", "c": True, "d": 1, "e": ["x"], "f": {"any": 1}}, SCHEMA, "toy")
