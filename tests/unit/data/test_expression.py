from typing import Any

import pytest

from steward.core.errors import InputError, UnknownName
from steward.data.expression import parse_expression

ROW: dict[str, Any] = {"text": "Hello World", "n": 4, "x": 0.5, "tags": ["a", "b"], "meta": {"k": 1}, "none": None}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("n > 3", True), ("n > 4", False), ("n >= 4 and x < 1", True), ("n < 4 or x == 0.5", True), ("not n", False),
        ("1 < n <= 4", True), ("1 < n < 4", False), ("n + 1 - 2 * 3 / 2", 2.0), ("n // 3 % 2", 1), ("-n", -4),
        ("n in (1, 4)", True), ("n not in [1, 4]", False), ("'a' in tags", True), ("tags[1]", "b"), ("tags[9]", None),
        ("meta['k']", 1), ("meta['z'] is None", True), ("none is None", True), ("n is not None", True),
        ("none > 3", False), ("none == 3", False), ("none != 3", False), ("none + 1", None), ("len(none)", None),
        ("-none", None), ("none[0]", None), ("lower(text)", "hello world"), ("upper(text)", "HELLO WORLD"),
        ("len(text)", 11), ("words(text)", 2), ("contains(text, 'World')", True), ("startswith(text, 'H')", True),
        ("endswith(text, 'H')", False), ("matches(text, '^H.*d$')", True), ("matches(text, 'x')", False),
        ("replace(text, 'l', 'L')", "HeLLo WorLd"), ("split(text)[0]", "Hello"), ("join(tags, '-')", "a-b"),
        ("strip('  a ')", "a"), ("abs(-2)", 2), ("min(n, 2)", 2), ("max(n, 9)", 9), ("round(x)", 0), ("int('7')", 7),
        ("float('1.5')", 1.5), ("str(n)", "4"), ("'big' if n > 3 else 'small'", "big"), ("text + '!'", "Hello World!"),
        ("True", True), ("{1, 2}", [1, 2]),
    ],
)  # fmt: skip
def test_expressions_mean_what_they_mean_in_python_and_missing_values_what_they_mean_in_sql(
    source: str, value: Any
) -> None:
    assert parse_expression(source).evaluate(ROW) == value


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os').system('x')", "text.__class__", "(lambda: 1)()", "[x for x in tags]", "open('a')",
        "eval('1')",
        "f'{n}'", "n := 3", "tags[0:1]", "n ** 9", "n << 9", "~n", "print(n)", "len(*tags)", "round(x, ndigits=1)",
        "matches(text, '(')", "b'x'", "...", "", "n >", "n > 3; n", "1" + "+1" * 600, "import os", "{1: 2}",
        "text.lower()",
    ],
)  # fmt: skip
def test_nothing_else_of_python_can_be_reached(source: str) -> None:
    with pytest.raises(InputError):
        parse_expression(source)


@pytest.mark.parametrize("source", ["'a' * 1000000000", "tags * 1000", "'%1000000000d' % n", "text < n", "n + text"])
def test_what_no_value_has_is_an_error_of_the_row(source: str) -> None:
    with pytest.raises(TypeError):
        parse_expression(source).evaluate(ROW)


def test_columns_and_functions_are_named_with_the_nearest() -> None:
    assert parse_expression("len(text) > n and min(x, 1)").columns == {"text", "n", "x"}
    with pytest.raises(UnknownName, match="did you mean 'score'"):
        parse_expression("scor > 1").require_columns(["score", "text"])
    with pytest.raises(UnknownName, match="did you mean 'lower'"):
        parse_expression("lowre(text)")
    parse_expression("score > 1").require_columns(["score"])
