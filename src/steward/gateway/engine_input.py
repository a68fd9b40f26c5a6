"""What of a request an embedded engine would parse recursively, bounded before it sees it. Pure.

llama.cpp reads grammars, schemas, tools and the patterns in them by recursive descent, and expands repetitions; deep or
huge ones end its process, and with it the answers of everybody else; wide ones hold its only loop for minutes. A bound
in the gateway is one request's refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.gateway.grammar_width import MOST_FOLLOWING, WidthMeter
from steward.gateway.wire import bad_request

MAX_BYTES: Final = 256 * 1024  # of one such field
MAX_DEPTH: Final = 64  # of objects, lists, or brackets in a grammar or pattern
MAX_EXPANDED: Final = 10_000  # characters and references of all grammars and patterns, their repetitions written out
RULE_BYTES: Final = 4 * 1024  # of a body with rules in it that is checked on the event loop; 10 µs a byte at the worst
# What follows takes the engine's only loop longer than in proportion, and everybody waits: measured with llama.cpp b0,
# 4,900 alternatives in a repeated group take more than 60 s, 2,000 take 9 s, 1,000 take 3 s; 1,000 optional properties
# take 2.3 s, 300 take 0.1 to 1.5 s (two shared cores, the starter model).
MAX_ALTERNATIVES: Final = 1_000  # of one group or list
MAX_CLASS: Final = 4_000  # characters of a class: 100,000 take 0.2 s for each token of the answer
CHARACTERS_OF_A_PART: Final = 100  # of a string or class, which a repetition writes out: 4 million in all take 0.2 s
MAX_OPTIONAL: Final = 300  # properties of one object; of several, the root of their summed squares
PARSED: Final = (
    *("grammar", "json_schema", "response_format", "tools", "functions", "tool_choice", "guided_json"),
    *("guided_regex", "guided_grammar", "structured_outputs", "chat_template_kwargs", "logit_bias"),
)
_TEXTS: Final = frozenset(
    {"grammar", "pattern", "guided_regex", "guided_grammar", "regex"}
)  # names of rules in strings
_GRAMMARS: Final = frozenset({"grammar", "guided_grammar"})
_ALTERNATIVES: Final = frozenset({"enum", "anyOf", "oneOf", "allOf", "type"})
_COUNTS: Final = frozenset(  # of a schema: llama.cpp writes so many repetitions into its grammar
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)
_MARKER: Final = re.compile(rb'"(?:' + "|".join(PARSED).encode() + rb')"')
_RULES: Final = re.compile(rb'"(?:' + "|".join(sorted(_TEXTS)).encode() + rb')"\s*:|\\u')  # names may be in escapes
_fields: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REPEAT: Final = re.compile(r"\{\s*(\d{0,9})\s*(,?)\s*(\d{0,9})\s*\}")


class _RuleCost:
    """What the rules of one request cost the engine, and to look at: ten patterns may cost what one grammar may."""

    def __init__(self) -> None:
        self.parts, self.width = 0, WidthMeter()


def has_long_rules(body: bytes) -> bool:
    """Whether to look at a body's rules would hold the event loop.

    >>> has_long_rules(b'{"grammar":"a"}'), has_long_rules(b'{"grammar":"' + b"a " * 4096 + b'"}')
    (False, True)
    """
    return len(body) > RULE_BYTES and _RULES.search(body) is not None


def check_engine_input(body: bytes) -> None:
    """:raises Refused: 400, naming the field that is too long, too deep, or repeats too much"""
    if not _MARKER.search(body) and b"\\u" not in body:  # names may be spelt with escapes
        return
    fields, cost = _fields.decode(body), _RuleCost()
    for name in PARSED:
        if name in fields:
            raw = bytes(fields[name])
            if len(raw) > MAX_BYTES:
                raise _too_large(name, f"has {len(raw):,} bytes", f"{MAX_BYTES:,}")
            try:
                _check(msgspec.json.decode(raw), name, cost)
            except RecursionError as error:
                raise _too_large(name, "is nested too deeply", f"{MAX_DEPTH} levels") from error


def _too_large(name: str, seen: str, limit: str) -> Refused:
    return bad_request(f"'{name}' {seen}; an embedded model takes at most {limit}. Simplify it.", name, "too_complex")


def _check(value: Any, field: str, cost: _RuleCost) -> None:
    """Without recursion: `value` is what the client sent."""
    waiting: list[tuple[Any, str, int]] = [(value, field, 1)]
    optional = 0  # squares
    while waiting:
        item, key, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise _too_large(field, f"is nested more than {MAX_DEPTH} levels deep", f"{MAX_DEPTH} levels")
        if isinstance(item, dict):
            optional += _count_optional(item) ** 2
            waiting += [(inner, inner_key, depth + 1) for inner_key, inner in item.items()]
        elif isinstance(item, list):
            if key in _ALTERNATIVES and len(item) > MAX_ALTERNATIVES:
                raise _too_large(field, f"has {len(item):,} alternatives in {key!r}", f"{MAX_ALTERNATIVES:,}")
            waiting += [(inner, key, depth + 1) for inner in item]
        elif isinstance(item, str) and key in _TEXTS:
            check_rules(item, field, key in _GRAMMARS, cost)
        elif isinstance(item, int) and key in _COUNTS and item > MAX_EXPANDED:
            raise _too_large(field, f"repeats {item:,} times", f"{MAX_EXPANDED:,} repetitions")
    if optional > MAX_OPTIONAL**2:
        raise _too_large(
            field, "has too many optional properties", f"{MAX_OPTIONAL} in one object, or name them in 'required'"
        )


def _count_optional(schema: dict[str, Any]) -> int:
    """The properties of an object's schema that may be left out."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return 0
    needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    return len(properties.keys() - needed)


def check_rules(text: str, field: str, is_grammar: bool = True, cost: _RuleCost | None = None) -> None:
    """Of a grammar (GBNF) or a pattern: how deep its brackets are, how many alternatives a group has, and how long it
    is with repetitions written out; `cost` is that of the rules before it.

    :raises Refused: 400
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise _too_large(field, f"has {len(text):,} characters", f"{MAX_BYTES:,} bytes")
    cost = cost or _RuleCost()
    sizes, last = [cost.parts], 0  # of the open groups, and of what a repetition would repeat
    choices = [1]  # the alternatives of the open groups
    for token in _tokens(text):
        if token == "(":
            sizes.append(0)
            choices.append(1)
            if len(sizes) > MAX_DEPTH:
                raise _too_large(field, f"has more than {MAX_DEPTH} brackets inside each other", f"{MAX_DEPTH} levels")
            last = 0
        elif token == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
            choices.pop()
        elif match := _REPEAT.fullmatch(token):
            times = max(int(match[1] or 0), int(match[3] or 0))
            sizes[-1] += last * max(0, times - 1)
            last *= max(1, times)
        else:
            if token[0] == "[" and len(token) > MAX_CLASS:
                raise _too_large(field, f"has {len(token):,} characters in one class", f"{MAX_CLASS:,}")
            last = 1 + len(token) // CHARACTERS_OF_A_PART
            sizes[-1] += last
            choices[-1] = choices[-1] + (token == "|") if token != "::=" or not is_grammar else 1
        if sizes[-1] > MAX_EXPANDED:
            raise _too_large(field, "is too long with its repetitions written out", f"{MAX_EXPANDED:,} parts")
        if choices[-1] > MAX_ALTERNATIVES:
            raise _too_large(field, "has too many alternatives in one group", f"{MAX_ALTERNATIVES:,}")
    cost.parts = sum(sizes)
    if cost.width.count_following(_tokens(text), is_grammar) > MOST_FOLLOWING:
        raise _too_large(
            field,
            "has too many parts in a row, or within each other, that may be left out or repeated",
            f"{MOST_FOLLOWING} that may follow one character",
        )


_TOKEN: Final = re.compile(  # a string or class that does not end is one to the end: nothing is looked at twice
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+\\?(?:"|\Z)|\[[^\]\\]*+(?:\\.[^\]\\]*+)*+\\?(?:\]|\Z)'
    r"|\{[^{}]*+\}|[()]|::=|\\.|[\w-]+|\S",
    re.DOTALL,
)


def _tokens(text: str) -> Iterator[str]:
    """Strings, classes and names are one each; brackets and repetitions apart."""
    return (match[0] for match in _TOKEN.finditer(text))
