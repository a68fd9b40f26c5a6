"""The README's tour is what a newcomer sees."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")

ROOT = Path(__file__).parent.parent.parent
SPEC = importlib.util.spec_from_file_location("tour", ROOT / "scripts" / "tour.py")
assert SPEC and SPEC.loader
tour = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tour)


def test_the_commands_run_and_print_what_the_readme_shows() -> None:
    written = (ROOT / "README.md").read_text()
    with tour.deployed() as deployment:
        seen = tour.walk(written, deployment)
    assert tour.shape(seen) == tour.shape(written), "run python scripts/tour.py"
    assert len(tour.BLOCK.findall(written)) == 4


def test_a_shape_forgets_numbers_but_not_columns() -> None:
    assert tour.skeleton("starter    3  0.1") == tour.skeleton("starter  12   7") != tour.skeleton("starter  12")
    assert tour.skeleton('{"a": [1, 2]}') == tour.skeleton('{"a": [5]}') != tour.skeleton('{"b": [5]}')
