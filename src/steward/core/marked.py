"""A YAML file's mapping with the line of every key, so that an error says where. Knows nothing of what keys mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from steward.core.errors import InputError

Lines = dict[str, int]  # "stages.0.use" → 3
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


def read(file: Path, such_as: str = "input") -> tuple[dict[str, Any], Lines]:
    """The mapping in `file`, empty where the file is, and the line of every key. `such_as` is a key for the errors.

    :raises InputError: unreadable, not YAML, not a mapping, a key written twice
    """
    try:
        text = file.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: Lines = {}
        if isinstance(root, yaml.MappingNode):
            _mark(root, "", file, lines, such_as)
            return dict(yaml.safe_load(text)), lines
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; expected a readable YAML file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{file}:{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:  # a control character
        raise InputError(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise InputError(f"{file}: nested too deeply; an alias (*name) may contain itself") from error
    if root is None:
        return {}, lines
    found = "list" if isinstance(root, yaml.SequenceNode) else "single value"
    raise InputError(f"{file}:1: expected sections such as '{such_as}:', not a {found}")


def _mark(node: yaml.Node, dotted: str, file: Path, lines: Lines, such_as: str) -> None:
    """Note the line of every key; refuse keys written twice, of which YAML would drop one."""
    if dotted:
        lines.setdefault(dotted, node.start_mark.line + 1)
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
            _mark(value, name, file, lines, such_as)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _mark(value, f"{dotted}.{index}", file, lines, such_as)
