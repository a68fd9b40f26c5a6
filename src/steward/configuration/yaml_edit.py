"""One value of a YAML file, replaced or added without touching what stands around it: comments, order, quotes.

PyYAML says where each value stands, and dumping a tree loses all that people wrote beside it. What cannot be changed in
place, such as an alias or a block of text, is refused: the result is read again and compared with what was meant.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import yaml

from steward.core.errors import InputError
from steward.core.excerpts import cut_text


def read_value(text: str, name: str = "value") -> object:
    """A value as people write it in YAML. :raises InputError: it is none

    >>> read_value("[a, 2]"), read_value("off"), read_value('"off"')
    (['a', 2], False, 'off')
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{name}: {cut_text(text)!r} is not YAML; put quotes around text with : or # in it") from None


def set_value(text: str, dotted: str, value: object) -> str:
    """`text` with the value at `dotted`, such as `routes.0.targets.1.weight`, replaced or added.

    :raises InputError: the text is not YAML, the place is not there, or it cannot be changed in place

    >>> set_value("gateway:\\n  port: 1  # ours\\n", "gateway.port", 2)
    'gateway:\\n  port: 2  # ours\\n'
    """
    parts = dotted.split(".")
    try:
        root, tree = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{dotted}: the file is not valid YAML now; mend it in the whole file") from error
    wanted = _set_in_tree(_copy({} if tree is None else tree), parts, value, dotted)
    changed = _replace(text, root, parts, value)
    try:
        reached = yaml.safe_load(changed)
    except (yaml.YAMLError, ValueError, RecursionError):
        reached = None
    if reached != wanted:
        raise InputError(f"{dotted}: it cannot be changed in place; edit the whole file")
    return changed


def _copy(tree: Any) -> Any:
    """What aliases share stands apart, so that a change of one is seen not to be one of the others."""
    if isinstance(tree, dict):
        return {key: _copy(inner) for key, inner in tree.items()}
    return [_copy(inner) for inner in tree] if isinstance(tree, list) else tree


def _set_in_tree(tree: Any, parts: Sequence[str], value: object, dotted: str) -> Any:
    """:raises InputError: the place is not there"""
    inner = tree
    for part, following in zip(parts, (*parts[1:], ""), strict=True):
        last = not following
        if isinstance(inner, dict):
            if last:
                inner[part] = value
            elif inner.get(part) is None:
                inner[part] = {}
            inner = inner[part]
        elif isinstance(inner, list) and part.isdigit() and int(part) < len(inner):
            if last:
                inner[int(part)] = value
            inner = inner[int(part)]
        else:
            raise InputError(f"{dotted}: there is no such place in the file; edit the whole file")
    return tree


def _replace(text: str, root: yaml.Node | None, parts: Sequence[str], value: object) -> str:
    node, rest = root, list(parts)
    while rest and node is not None:
        inner = _find_inner(node, rest[0])
        if inner is None:
            break
        node, rest = inner, rest[1:]
    if node is None:
        return f"{text.rstrip()}\n{rest[0]}: {_format(_nest(rest[1:], value))}\n".lstrip("\n")
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.MappingNode) and rest:
        return text[:start] + _insert(text[start:], node, rest, value)
    if isinstance(node, yaml.ScalarNode) and node.style not in ("|", ">"):
        space = " " if start == end else ""  # a key without a value: the place is right behind the colon
        return text[:start] + space + _format(_nest(rest, value)) + text[end:]
    if isinstance(node, yaml.CollectionNode) and node.flow_style and not rest:
        return text[:start] + _format(value) + text[end:]
    return text  # which the comparison refuses


def _insert(tail: str, node: yaml.MappingNode, rest: Sequence[str], value: object) -> str:
    """The mapping that `tail` begins with, with a key before its first one."""
    entry = f"{rest[0]}: {_format(_nest(rest[1:], value))}"
    if node.flow_style:
        return f"{{{entry}{', ' if node.value else ''}{tail[1:]}"
    return f"{entry}\n{' ' * node.start_mark.column}{tail}"


def _find_inner(node: yaml.Node, part: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        inner: yaml.Node = node.value[int(part)]
        return inner
    return None


def _nest(parts: Sequence[str], value: object) -> object:
    for part in reversed(parts):
        value = {part: value}
    return value


def _format(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()
