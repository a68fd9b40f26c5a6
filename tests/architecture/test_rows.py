"""Faults that were found by trying carry a name (S: safety, C: compatibility, M: money, K: commands and settings).

Each has a test named after it, a file (`test_s04_…`) or a function (`test_k10_…`), wherever the code is that it tests;
those of safety have one in tests/security, too.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = [
    f"{letter}{number}" for letter, most in (("s", 22), ("c", 22), ("m", 5), ("k", 14)) for number in range(1, most + 1)
]
_NAMED = re.compile(r"(?<![a-z0-9])([scmk])0?(\d{1,2})(?=_)")


def list_named(folder: str = "*") -> set[str]:
    files = list(TESTS.glob(f"{folder}/**/test_*.py"))
    names = [path.name for path in files]
    names += [line for path in files for line in re.findall(r"def (test_\w+)", path.read_text())]
    return {f"{letter}{number}" for name in names for letter, number in _NAMED.findall(name.replace("test_", "_", 1))}


@pytest.fixture(scope="module")
def named() -> set[str]:
    return list_named()


@pytest.mark.parametrize("row", ROWS)
def test_every_fault_has_a_test_named_after_it(row: str, named: set[str]) -> None:
    assert row in named


def test_every_fault_of_safety_has_one_among_the_tests_of_security() -> None:
    assert {row for row in ROWS if row.startswith("s")} - list_named("security") == set()
