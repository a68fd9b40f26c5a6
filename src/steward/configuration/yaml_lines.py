"""YAML files with the line of every key, so that an error says where. Knows nothing of what keys mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import msgspec.inspect
import yaml

from steward.configuration.struct_errors import list_keys, list_values, split_error
from steward.core.errors import InputError, find_nearest
from steward.core.excerpts import cut_reason

Struct = TypeVar("Struct", bound=msgspec.Struct)


class Lines(dict[str, int]):
    """The line of every key, "stages.0.use" → 3. `words`: what YAML takes for truth values (`off`), as written."""

    def __init__(self) -> None:
        super().__init__()
        self.words: dict[str, str] = {}


MOST_VALUES: Final = 100_000  # of one file; a configuration of 1,000 models has about 10,000
_TEXT, _MERGE, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "merge", "bool", "int", "float"))
_OCTAL: Final = re.compile(r"[-+]?0[0-9_]+")


class NumberLoader(yaml.SafeLoader):
    """Numbers as YAML 1.2 has them: `12:30` is a text, not 750 in base 60, and `1e3` is a number."""


NumberLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_INT, _FLOAT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
NumberLoader.add_implicit_resolver(
    _INT, re.compile(r"(?:[-+]?0b[0-1_]+|[-+]?[0-9][0-9_]*|[-+]?0x[0-9a-fA-F_]+)\Z"), list("-+0123456789")
)
NumberLoader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"(?:[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
    list("-+0123456789."),
)


def read_mapping(file: Path, such_as: str = "input") -> tuple[dict[str, Any], Lines]:
    """The mapping in `file`, empty where the file is, and the line of every key. `such_as` is a key for the errors.

    :raises InputError: unreadable, not YAML, not a mapping, a key written twice
    """
    tree, lines = _read(file, such_as)
    if tree is None:
        return {}, lines
    if isinstance(tree, dict):
        return tree, lines
    kind = "list" if isinstance(tree, list) else "single value"
    raise InputError(f"{file}:1: expected sections such as '{such_as}:', not a {kind}")


def read_struct(file: Path, kind: type[Struct], such_as: str) -> Struct:
    """The file as a msgspec struct. `such_as` is a key for the errors.

    :raises InputError: as `read_mapping`, or another shape, with the line of the key
    """
    tree, lines = read_mapping(file, such_as)
    while True:
        try:
            return msgspec.convert(tree, kind)
        except msgspec.ValidationError as error:
            what, dotted = split_error(error)
            word = lines.words.pop(dotted, None)
            if word is None or "`bool`" in what.partition(",")[0]:
                raise InputError(_explain(file, lines, dotted, what, kind)) from error
            put_value(tree, dotted, word)  # a word was meant: `off`, not false


def put_value(tree: Any, dotted: str, value: object) -> None:
    """Set what lies at "stages.0.use"; all that is around it must be there."""
    *parents, last = dotted.split(".")
    for part in parents:
        tree = tree[int(part)] if isinstance(tree, list) else tree[part]
    tree[int(last) if isinstance(tree, list) else last] = value


def locate(file: Path, lines: Lines, dotted: str) -> str:
    """`file:line` of the key, or of the nearest section around it."""
    while dotted:
        if dotted in lines:
            return f"{file}:{lines[dotted]}"
        dotted = dotted.rpartition(".")[0]
    return str(file)


def _explain(file: Path, lines: Lines, dotted: str, what: str, kind: type[msgspec.Struct]) -> str:
    """One error of msgspec's in words; of an unknown key, its line and the nearest name."""
    unknown = re.fullmatch(r"Object contains unknown field `(.+)`", what)
    if unknown is None:
        return f"{locate(file, lines, dotted)}: {dotted and f'{dotted}: '}{_say(dotted, what, kind)}"
    key = f"{dotted}.{unknown[1]}".lstrip(".")
    known = list_keys(msgspec.inspect.type_info(kind), dotted.split(".") if dotted else [])
    nearest = find_nearest(unknown[1], known, cutoff=0.5)
    hint = f"did you mean {nearest!r}?" if nearest else f"known here: {', '.join(sorted(known))}"
    return f"{locate(file, lines, key)}: {key}: unknown key; {hint}"


def explain_conversion(error: msgspec.ValidationError, kind: type[msgspec.Struct]) -> str:
    """Why a mapping is no `kind`, in words: the key, what is there and what is expected."""
    what, dotted = split_error(error)
    return f"{dotted and f'{dotted}: '}{_say(dotted, what, kind)}"


_TYPES = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "a mapping", "null": "nothing",
}  # fmt: skip


def _say(dotted: str, what: str, kind: type[msgspec.Struct]) -> str:
    """One error of msgspec's as: what is there, what is expected, the nearest word.

    >>> _say("", "Expected `int`, got `str`", msgspec.Struct)
    'expected a whole number, not text'
    """
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        return f"the key {missing[1]!r} is missing; add it here"
    if wrong := re.fullmatch(r"Invalid enum value (.+)", what):
        known = list_values(msgspec.inspect.type_info(kind), dotted.split(".") if dotted else [])
        nearest = find_nearest(wrong[1].strip("'"), known, cutoff=0.5)
        hint = f"; did you mean {nearest!r}?" if nearest else "."
        return f"unknown value {wrong[1]}{hint} Known: {', '.join(known)}" if known else f"unknown value {wrong[1]}"
    if types := re.fullmatch(r"Expected `(.+)`, got `(\w+)`", what):
        expected = " or ".join(_TYPES.get(name.strip(), name.strip()) for name in types[1].split("|"))
        return f"expected {expected}, not {_TYPES.get(types[2], types[2])}"
    return what[:1].lower() + what[1:]


def _read(file: Path, such_as: str) -> tuple[Any, Lines]:
    lines = Lines()
    try:
        text = file.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=NumberLoader)
        if root is not None:
            check_size(root)
            _collect_lines(root, "", file, lines, such_as)
        return NumberLoader(text).get_single_data(), lines
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; expected a readable YAML file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{file}:{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:  # a control character
        raise InputError(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from error
    except ValueError as error:  # a date that does not exist, a number of thousands of digits
        raise InputError(f"{file}: a value cannot be read ({cut_reason(error)}); quote it if it is text") from error
    except RecursionError as error:
        raise InputError(f"{file}: nested too deeply; an alias (*name) may contain itself") from error


def check_size(root: yaml.Node) -> None:
    """Aliases may stand for lists of aliases, so that ten lines mean a billion values.

    :raises yaml.YAMLError: more than `MOST_VALUES` with all aliases written out
    """
    if _count_values(root, {}) > MOST_VALUES:
        raise yaml.YAMLError(f"more than {MOST_VALUES:,} values, with aliases (*name) written out")


def _count_values(node: yaml.Node, known: dict[int, int]) -> int:
    """Each node is counted once, however often it is named. :raises RecursionError: a node contains itself"""
    count = known.get(id(node))
    if count == -1:
        raise RecursionError
    if count is None:
        known[id(node)] = -1  # it is being counted
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        count = known[id(node)] = 1 + sum(_count_values(each, known) for each in inner)
    return count


def _collect_lines(node: yaml.Node, dotted: str, file: Path, lines: Lines, such_as: str) -> None:
    """Note the line of every key; refuse keys written twice, of which YAML would drop one."""
    if dotted:
        lines.setdefault(dotted, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode) and node.tag == _BOOL and node.value.lower() not in ("true", "false"):
        lines.words[dotted] = node.value
    if isinstance(node, yaml.ScalarNode) and node.tag == _INT and _OCTAL.fullmatch(node.value):
        raise InputError(
            f"{file}:{node.start_mark.line + 1}: {dotted}: {node.value} is octal to some and decimal to others; "
            "write it without the leading 0, or quote it if it is a text"
        )
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (_TEXT, _MERGE):
                raise InputError(
                    f"{file}:{line}: a key must be a word, such as '{such_as}'; quote it if it is meant so"
                )
            if key.value in seen:
                raise InputError(f"{file}:{line}: {key.value!r} is written twice; keep one")
            seen.add(key.value)
            name = f"{dotted}.{key.value}" if dotted else key.value
            lines[name] = line
            _collect_lines(value, name, file, lines, such_as)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _collect_lines(value, f"{dotted}.{index}", file, lines, such_as)
