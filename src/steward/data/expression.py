"""Expressions over the columns of a row, such as `score > 0.5 and lower(source) in ("web", "books")`.

Python's grammar, read by Python's parser and carried out here, one node at a time: nothing else of Python can be
reached, whatever the expression says. A value that is missing makes a comparison false and arithmetic missing, as in
SQL; `x is None` asks for it.

    operators   + - * / // %   == != < <= > >=   in, not in, is None   and, or, not   a if b else c   x[0], x["key"]
    functions   len lower upper strip contains startswith endswith matches replace split join words abs min max round
                int float str
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from steward.core.errors import InputError, UnknownName

Values = Mapping[str, Any]
Evaluate = Callable[[Values], Any]
_MAX_NODES = 500
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


@lru_cache(maxsize=256)
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len, "lower": str.lower, "upper": str.upper, "strip": str.strip, "startswith": str.startswith,
    "endswith": str.endswith, "replace": str.replace, "contains": lambda text, part: part in text,
    "matches": lambda text, pattern: _compile_pattern(pattern).search(text) is not None,
    "split": lambda text, separator=None: text.split(separator), "join": lambda items, separator: separator.join(items),
    "words": lambda text: len(text.split()), "abs": abs, "min": min, "max": max, "round": round, "int": int,
    "float": float, "str": str,
}  # fmt: skip


class Expression(msgspec.Struct, frozen=True):
    """An expression that has been read. Calling `evaluate` may raise what its operators raise."""

    source: str
    evaluate: Evaluate
    columns: frozenset[str]

    def require_columns(self, available: list[str]) -> None:
        """:raises UnknownName: a column that the rows do not have"""
        for name in sorted(self.columns):
            if name not in available:
                raise UnknownName("column", name, available, f"expression {self.source!r}")


@lru_cache(maxsize=256)
def parse_expression(source: str) -> Expression:
    """:raises InputError: not an expression, or one with something that is not in the list above

    >>> parse_expression("len(text) > 3 and n * 2 < 10").evaluate({"text": "four", "n": 4})
    True
    """
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise InputError(f"expression {source!r}: {_describe(error)}; expected such as score > 0.5") from None
    nodes = list(ast.walk(tree))
    if len(nodes) > _MAX_NODES:
        raise InputError(f"expression of {len(nodes)} parts; expected at most {_MAX_NODES}")
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = frozenset(node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called)
    return Expression(source, _compile(tree.body, source), names)


def _describe(error: BaseException) -> str:
    return error.msg if isinstance(error, SyntaxError) else str(error)


def _compile(node: ast.expr, source: str) -> Evaluate:
    compiler = _COMPILERS.get(type(node))
    if compiler is None:
        raise InputError(
            f"expression {source!r}: {type(node).__name__} is not known here; expected columns, numbers, texts, "
            f"operators, and the functions {', '.join(sorted(_FUNCTIONS))}"
        )
    return compiler(node, source)


def _compile_constant(node: Any, source: str) -> Evaluate:
    value = node.value
    if not isinstance(value, str | int | float | bool | None):
        raise InputError(f"expression {source!r}: {value!r} is not known here; expected a number or a text")
    return lambda values: value


def _compile_name(node: Any, source: str) -> Evaluate:
    name = node.id
    return lambda values: values[name]


def _compile_list(node: Any, source: str) -> Evaluate:
    items = [_compile(item, source) for item in node.elts]
    return lambda values: [item(values) for item in items]


def _compile_binary(node: Any, source: str) -> Evaluate:
    function = _BINARY.get(type(node.op))
    if function is None:
        raise InputError(f"expression {source!r}: {type(node.op).__name__} is not known here; expected + - * / // or %")
    left, right = _compile(node.left, source), _compile(node.right, source)

    def evaluate(values: Values) -> Any:
        a, b = left(values), right(values)
        if a is None or b is None:
            return None
        if function is operator.mul and not (isinstance(a, int | float) and isinstance(b, int | float)):
            raise TypeError("only numbers are multiplied")
        if function is operator.mod and not isinstance(a, int | float):
            raise TypeError("only numbers have a remainder")
        return function(a, b)

    return evaluate


def _compile_unary(node: Any, source: str) -> Evaluate:
    operand = _compile(node.operand, source)
    if isinstance(node.op, ast.Not):
        return lambda values: not operand(values)
    if isinstance(node.op, ast.USub):
        return lambda values: None if (value := operand(values)) is None else -value
    raise InputError(f"expression {source!r}: {type(node.op).__name__} is not known here; expected - or not")


def _compile_logic(node: Any, source: str) -> Evaluate:
    parts = [_compile(part, source) for part in node.values]
    if isinstance(node.op, ast.And):
        return lambda values: all(part(values) for part in parts)
    return lambda values: any(part(values) for part in parts)


def _compile_comparison(node: Any, source: str) -> Evaluate:
    operands = [_compile(item, source) for item in (node.left, *node.comparators)]
    operations = node.ops

    def evaluate(values: Values) -> bool:
        seen = [operand(values) for operand in operands]
        return all(_compare(kind, seen[at], seen[at + 1]) for at, kind in enumerate(operations))

    if unknown := [kind for kind in operations if type(kind) not in (*_COMPARE, ast.Is, ast.IsNot)]:
        raise InputError(f"expression {source!r}: {type(unknown[0]).__name__} is not known here")
    return evaluate


def _compare(kind: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(kind, ast.Is):
        return left is right
    if isinstance(kind, ast.IsNot):
        return left is not right
    if left is None or right is None:
        return False
    return bool(_COMPARE[type(kind)](left, right))


def _compile_choice(node: Any, source: str) -> Evaluate:
    test, yes, no = (_compile(part, source) for part in (node.test, node.body, node.orelse))
    return lambda values: yes(values) if test(values) else no(values)


def _compile_index(node: Any, source: str) -> Evaluate:
    if isinstance(node.slice, ast.Slice):
        raise InputError(f"expression {source!r}: slices are not known here; expected one place, such as x[0]")
    value, place = _compile(node.value, source), _compile(node.slice, source)

    def evaluate(values: Values) -> Any:
        container = value(values)
        try:
            return None if container is None else container[place(values)]
        except (KeyError, IndexError):
            return None

    return evaluate


def _compile_call(node: Any, source: str) -> Evaluate:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in _FUNCTIONS:
        raise UnknownName("function", name, sorted(_FUNCTIONS), f"expression {source!r}")
    if node.keywords or any(isinstance(item, ast.Starred) for item in node.args):
        raise InputError(f"expression {source!r}: {name} takes values in their order, without names")
    function, parts = _FUNCTIONS[name], [_compile(item, source) for item in node.args]
    if name == "matches" and len(node.args) == 2 and isinstance(node.args[1], ast.Constant):
        _check_pattern(node.args[1].value, source)

    def evaluate(values: Values) -> Any:
        arguments = [part(values) for part in parts]
        return None if arguments and arguments[0] is None else function(*arguments)

    return evaluate


def _check_pattern(pattern: Any, source: str) -> None:
    try:
        _compile_pattern(pattern)
    except (re.error, TypeError) as error:
        raise InputError(f"expression {source!r}: not a regular expression ({error})") from None


_COMPILERS: dict[type[ast.expr], Callable[[Any, str], Evaluate]] = {
    ast.Constant: _compile_constant, ast.Name: _compile_name, ast.List: _compile_list, ast.Tuple: _compile_list,
    ast.Set: _compile_list, ast.BinOp: _compile_binary, ast.UnaryOp: _compile_unary, ast.BoolOp: _compile_logic,
    ast.Compare: _compile_comparison, ast.IfExp: _compile_choice, ast.Subscript: _compile_index,
    ast.Call: _compile_call,
}  # fmt: skip
