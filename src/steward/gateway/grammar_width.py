"""How many places of a grammar or a pattern may follow one character: what an engine tries for every token. Pure.

llama.cpp follows all places at once, and all that may follow each of them, through every character of each token of
its vocabulary: many parts in a row that may be left out, or that repeat within each other, take it minutes. Measured
with llama.cpp b0 (two shared cores, the starter model): 49 optional parts in a row take 0.04 s a request, 100 take
0.6 s, 200 take 2.5 s, 200 of a schema's pattern or 400 repeated ones more than a minute. What is counted is an upper
bound; alternatives that begin differently do not add up, since a character chooses among them.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

MOST_FOLLOWING: Final = 64
_MORE: Final = MOST_FOLLOWING + 1  # stands for every number above
_WORK: Final = 20_000  # items that are looked at, whatever the grammars are, and
_WORK_OF_EACH: Final = 8  # more for each that there is; a thousand looks take 0.6 ms
_MOST_ITEMS: Final = 20_000  # of all rules together, with brackets
_UNNAMED: Final = "::="  # the rule that a pattern is, which no rule can be called
_REPEAT: Final = re.compile(r"\{\s*(\d*)\s*(,?)\s*(\d*)\s*\}")


class _Item:
    """One part: a character, string or class (`group` and `rule` are none), a group, or a rule's name."""

    __slots__ = ("group", "loops", "nullable", "rule", "text")

    def __init__(self, text: str, group: _Group | None = None, rule: str = "") -> None:
        self.text, self.group, self.rule = text, group, rule
        self.nullable = self.loops = False


class _Group:
    """Alternatives of parts in a row."""

    __slots__ = ("alternatives", "following", "nullable", "width")

    def __init__(self) -> None:
        self.alternatives: list[list[_Item]] = [[]]
        self.nullable, self.width, self.following = False, 0, 0


class WidthMeter:
    """Counts what may follow in the rules of one request, which share a bound on the work."""

    def __init__(self) -> None:
        self._looks, self._items = _WORK, 0

    def count_following(self, tokens: Iterable[str], is_grammar: bool) -> int:
        """At most `MOST_FOLLOWING` + 1, which stands for more, or for rules too large to tell.

        `tokens` as `engine_input` takes them apart: strings, classes, names, brackets, repetitions and `::=`.
        """
        rules, items = _parse(itertools.islice(tokens, _MOST_ITEMS - self._items + 1), is_grammar)
        self._items += items
        if self._items > _MOST_ITEMS:
            return _MORE
        self._looks += items * _WORK_OF_EACH
        downwards = list(rules.values())
        orders = (downwards[::-1], downwards)  # in turn: rules may be written from the first or from the last
        for round_number in itertools.count():
            if not any([_measure(group, rules) for group in orders[round_number % 2]]):
                break
            if not self._spend(items):
                return _MORE
        for round_number in itertools.count(1):
            before = [group.following for group in downwards]
            most = max((_follow(group, group.following, rules) for group in orders[round_number % 2]), default=0)
            if most > MOST_FOLLOWING or not self._spend(items):
                return _MORE
            if before == [group.following for group in downwards]:
                return most
        raise AssertionError  # the rounds have no end of their own

    def _spend(self, items: int) -> bool:
        self._looks -= items
        return self._looks >= 0


def _parse(tokens: Iterable[str], is_grammar: bool) -> tuple[dict[str, _Group], int]:
    """The rules by name, and how many parts there are; a pattern is one rule without a name."""
    rules = {_UNNAMED: _Group()}
    open_groups, items = [rules[_UNNAMED]], 0
    for token in tokens:
        row = open_groups[-1].alternatives[-1]
        items += 1
        if token == "::=" and is_grammar and row:
            name = row.pop().text
            open_groups = [rules.setdefault(name, _Group())]
        elif token == "(":
            open_groups.append(_Group())
        elif token == ")" and len(open_groups) > 1:
            group = open_groups.pop()
            open_groups[-1].alternatives[-1].append(_Item("(", group))
        elif token == "|":
            open_groups[-1].alternatives.append([])
        elif row and (token in ("?", "*", "+") or _REPEAT.fullmatch(token)):
            _repeat(row[-1], token)
        else:
            is_name = is_grammar and token[0] not in '"[.'
            row.append(_Item(token, rule=token if is_name else ""))
    return rules, items


def _repeat(item: _Item, token: str) -> None:
    match = _REPEAT.fullmatch(token)
    least, most = (int(match[1] or 0), match[3] or ("" if match[2] else match[1])) if match else (0, "")
    item.nullable |= token in ("?", "*") or (match is not None and not least)
    item.loops |= token in ("*", "+") or (match is not None and most != "1")


def _is_nullable(item: _Item, rules: dict[str, _Group]) -> bool:
    inner = item.group or rules.get(item.rule)
    return item.nullable or (inner.nullable if inner is not None else item.text == '""')


def _width(item: _Item, rules: dict[str, _Group]) -> int:
    inner = item.group or rules.get(item.rule)
    return 1 if inner is None else inner.width


def _measure(group: _Group, rules: dict[str, _Group]) -> bool:
    """Whether a group can be left out, and how many places it may begin at; true where that is news."""
    changed, nullable, width = False, False, 0
    alike: Counter[str] = Counter()  # alternatives that begin with a text, of which a character chooses
    for row in group.alternatives:
        begins = 0
        for item in reversed(row):
            if item.group is not None:
                changed |= _measure(item.group, rules)
            begins = _width(item, rules) + (begins if _is_nullable(item, rules) else 0)
        nullable |= all(_is_nullable(item, rules) for item in row)
        if row and _is_text(row[0]) and begins == 1:
            alike[row[0].text if len(row) == 1 else ""] += len(row) == 1 and len(row[0].text.strip('"')) == 1
        else:
            width += begins
    known = (group.nullable, group.width)
    width += max(1, *alike.values()) if alike else 0
    group.nullable, group.width = nullable, min(width, _MORE)
    return changed or known != (group.nullable, group.width)


def _is_text(item: _Item) -> bool:
    """Whether a part is one text, and no class, group or rule."""
    return item.group is None and not item.rule and item.text[0] not in "[.\\"


def _follow(group: _Group, after: int, rules: dict[str, _Group]) -> int:
    """The most places that may follow one character of the group, which `after` may follow itself."""
    most = 0
    for row in group.alternatives:
        following = after
        for item in reversed(row):
            width = _width(item, rules)
            here = min(following + (width if item.loops else 0), _MORE)
            if item.group is not None:
                most = max(most, _follow(item.group, here, rules))
            elif (rule := rules.get(item.rule)) is not None:
                rule.following = max(rule.following, here)
            most = max(most, here)
            following = width + (following if _is_nullable(item, rules) else 0)
    return most
