"""What holds for every command."""

import ast
import functools
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from steward.cli.commands import STEWARD
from steward.cli.lazy import Group, find_csv_rows, load
from steward.cli.main import app
from steward.cli.usage import format_exchange
from steward.core.records import ExchangeRow
from told_commands import find_mistake

ROW = ExchangeRow(
    request_id="req_" + "0" * 24, at=0.0, key_id="k", route="m", model="a-rather-long-name", endpoint="/v1/completions",
    streamed=True, outcome="upstream_error", status=502, input_tokens=12345, output_tokens=2, ttft_s=0.01,
    duration_s=12.5,
)  # fmt: skip


def list_names(group: Group, path: str = "steward") -> Iterator[str]:
    for entry in group.commands:
        name = f"{path} {entry.name}"
        if isinstance(entry, Group):
            yield from list_names(entry, name)
        else:
            yield name


@pytest.mark.parametrize("name", sorted(list_names(STEWARD)))
def test_every_command_has_json_and_says_what_it_does(name: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in name.split()[1:]:
        command = command.get_command(None, word)
    assert not isinstance(command, TyperGroup)
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options and command.help
    assert all(parameter.help for parameter in command.params if parameter.name != "help")


def read_commands() -> list[tuple[Path, str]]:
    """The commands that messages, pages and documents tell a reader to run."""
    root = Path(__file__).parents[3]
    texts = [root / name for name in ("README.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
    texts += [path for path in (root / "docs").rglob("*.md") if "decisions" not in path.parts]
    found = [
        (path, text) for path in texts for text in re.findall(r"(?m)^(?:    |\$ )+(steward [a-z].*)$", path.read_text())
    ]
    for path in [*texts, *(root / "src").rglob("*.py")]:
        found += [(path, text) for text in re.findall(r"`(steward [a-z][^`\n]*)`", path.read_text())]
    for path in (root / "src").rglob("*.html"):
        found += [(path, text) for text in re.findall(r"<code>(steward [^<]*)</code>", path.read_text())]
    return found


def test_k8_every_command_that_a_reader_is_told_to_run_exists() -> None:
    named = read_commands()
    assert len(named) > 500
    assert [(path.name, text, mistake) for path, text in named if (mistake := find_mistake(text))] == []


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_k13_a_line_of_tail_fits_and_keeps_what_matters(width: int) -> None:
    text = format_exchange(ROW, width)
    assert len(text) <= width and "502" in text and "upstream_error"[:8] in text
    assert ("req_" in text) == (width >= 120)


ONE_RECORD = {  # their table is one record, each line another fact about it
    "steward data classifier train", "steward data profile", "steward eval judge", "steward eval perplexity",
    "steward keys show",
    "steward model collect", "steward privacy erase", "steward privacy export",
}  # fmt: skip


@functools.cache
def list_functions(module: str) -> dict[str, ast.FunctionDef]:
    """By name; none where the module shows no table. Read, not imported: all tests are collected in each worker."""
    source = (Path(__file__).parents[3] / "src" / f"{module.replace('.', '/')}.py").read_text()
    nodes = ast.parse(source).body if "show_table" in source else []
    return {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}


def prints_table(target: str) -> bool:
    """Whether a command's function shows a table, itself or by a function of its module."""
    module, _, name = target.partition(":")
    functions = list_functions(module)
    seen, waiting = set[str](), [name]
    while waiting:
        current = waiting.pop()
        if current in seen or current not in functions:
            continue
        seen.add(current)
        calls = [node.func for node in ast.walk(functions[current]) if isinstance(node, ast.Call)]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        if "show_table" in names:
            return True
        waiting += names
    return False


def list_targets(group: Group, path: str = "steward") -> Iterator[tuple[str, str]]:
    for entry in group.commands:
        name = f"{path} {entry.name}"
        if isinstance(entry, Group):
            yield from list_targets(entry, name)
            if entry.target:
                yield name, entry.target
        else:
            yield name, entry.target


TABLES = {name: target for name, target in list_targets(STEWARD) if prints_table(target)}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_k13_every_command_that_prints_a_table_has_csv(name: str) -> None:
    has_csv = find_csv_rows(inspect.signature(load(TABLES[name])).parameters) is not None
    assert has_csv != (name in ONE_RECORD)
