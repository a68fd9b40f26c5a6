"""The reference is what the code says."""

import importlib.util
from pathlib import Path

import pytest

from steward.cli.commands import STEWARD
from steward.cli.lazy import Command, Group, build
from steward.settings import build_json_schema

ROOT = Path(__file__).parent.parent.parent
SPEC = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
assert SPEC and SPEC.loader
reference = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reference)


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_page_is_current(name: str) -> None:
    page = (ROOT / "docs" / "reference" / name).read_text()
    assert page == reference.PAGES[name](), "run python scripts/reference.py"


def test_every_setting_says_what_it_means() -> None:
    silent = [
        f"{name}.{key}"
        for name, section in {"": build_json_schema(), **build_json_schema()["$defs"]}.items()
        for key, field in section.get("properties", {}).items()
        if not field.get("description")
    ]
    assert not silent, f"give Field(description=…) to {silent}"


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_no_cell_and_no_option_is_empty(name: str) -> None:
    for line in reference.PAGES[name]().splitlines():
        assert not line.startswith("|") or all(cell.strip() for cell in line.strip("|").split("|")), line
        assert not line.startswith("- ") or line.partition(": ")[2].strip(), line


@pytest.mark.parametrize("entry", STEWARD.commands, ids=lambda entry: entry.name)
def test_the_help_of_the_top_level_is_what_the_command_says(entry: Command | Group) -> None:
    """`steward --help` reads the table alone, so the table must repeat the docstring's first paragraph."""
    assert entry.help == " ".join(str(build(entry).help).split("\n\n")[0].split())
