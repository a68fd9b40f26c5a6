"""Answers that must stand on what the request supplied: quotations, and numbers. And what every answer must say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from steward.core.errors import InputError
from steward.guardrails.check import GuardCheck

_QUOTE: Final = re.compile(r"[\"“„«]([^\"“”„«»\n]{12,2000})[\"”“»]|(?m:^> ?(.{12,2000})$)")
_NUMBER: Final = re.compile(r"(?<![\w.,])-?[0-9][0-9.,  ']*(?:[0-9])?%?")
_APART: Final = re.compile(r"\s+")
_NAMES_OF_ITEMS: Final = re.compile(r"(?m)^\s{0,8}[0-9]{1,3}[.)]\s")


class GroundingCheck(GuardCheck):
    """An answer must quote what the request supplied: one quotation of twelve characters at least, and no false one."""

    needs_request = True

    def judge_answer(self, request: Sequence[str], answer: Sequence[str]) -> str:
        sources = [_fold(text) for text in request]
        quotes = [_fold(match[1] or match[2]) for text in answer for match in _QUOTE.finditer(text)]
        if not quotes:
            return "no quotation of a source"
        if any(all(quote not in source for source in sources) for quote in quotes):
            return "a quotation that no source has"
        return ""


class NumbersCheck(GuardCheck):
    """Every number of an answer must stand in the request, whatever parts its thousands; those below `least` may be
    the answer's own, and so may the numbers of a list's items."""

    needs_request = True

    def __init__(self, least: float = 10.0) -> None:
        self._least = least

    def judge_answer(self, request: Sequence[str], answer: Sequence[str]) -> str:
        known = {number for text in request for number in read_numbers(text)}
        strange = {
            number
            for text in answer
            for number in read_numbers(_NAMES_OF_ITEMS.sub("", text))
            if abs(number) >= self._least and number not in known
        }
        return f"{len(strange)} numbers that no source has" if strange else ""


def read_numbers(text: str) -> list[float]:
    """Each number with either mark for its thousands and its decimals.

    >>> read_numbers("1,234.50 and 1.234,50 or 7 %")
    [1234.5, 1234.5, 7.0]
    """
    return [value for match in _NUMBER.finditer(text) if (value := _read_number(match[0])) is not None]


def _read_number(text: str) -> float | None:
    digits = re.sub(r"[\s' %]", "", text).strip(".,")
    if "," in digits and "." in digits:
        digits = digits.replace("." if digits.rfind(",") > digits.rfind(".") else ",", "").replace(",", ".")
    elif "," in digits or "." in digits:
        mark = "," if "," in digits else "."
        whole, _, rest = digits.rpartition(mark)
        thousands = mark == "," and len(rest) == 3
        digits = digits.replace(mark, "") if thousands or digits.count(mark) > 1 else f"{whole}.{rest}"
    try:
        return float(digits)
    except ValueError:
        return None


def _fold(text: str) -> str:
    return _APART.sub(" ", text.casefold()).strip(" .,;:!?…")


class DisclosureCheck(GuardCheck):
    """What every answer says at its end, such as that a program wrote it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def finish(self, text: str) -> str:
        return "" if text.rstrip().endswith(self._text) else f"\n\n{self._text}"


class ToolsCheck(GuardCheck):
    """Only these tools may be called, whatever the request declares; none: those that it declares. `by_schema`: with
    arguments that fit the schema that it declares for them."""

    def __init__(self, tools: Sequence[str], by_schema: bool = False) -> None:
        self._tools, self.needs_schemas = frozenset(tools), by_schema

    def judge_tool(self, name: str) -> str:
        if self.needs_schemas and not self._tools:
            return ""
        return "" if name in self._tools else "a tool that is not allowed is called"

    def judge_call(self, name: str, arguments: Any, schemas: Mapping[str, Any]) -> str:
        if name not in schemas:
            return "a tool is called that the request does not declare with a schema"
        if arguments is None:
            return "a tool is called with arguments that are no JSON"
        return (
            "" if _fits(arguments, schemas[name]) else "a tool is called with arguments that its schema does not allow"
        )


def _fits(arguments: Any, schema: Any) -> bool:
    """JSON Schema, of the draft that the schema names. It refers to nothing outside itself, and patterns are left out:
    a client could write one that takes for ever.

    :raises InputError: the client's schema is none
    """
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        schema = _leave_out_patterns(schema)
        kind = validator_for(schema)
        kind.check_schema(schema)
        fits: bool = kind(schema, registry=Registry()).is_valid(arguments)
    except (SchemaError, Unresolvable, RecursionError) as error:
        raise InputError("the schema that the request declares for a tool is no JSON Schema") from error
    return fits


def _leave_out_patterns(schema: Any) -> Any:
    """A property may be called `pattern`, too: then it is no text."""
    if isinstance(schema, list):
        return [_leave_out_patterns(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _leave_out_patterns(item)
        for key, item in schema.items()
        if key != "patternProperties" and not (key == "pattern" and isinstance(item, str))
    }
