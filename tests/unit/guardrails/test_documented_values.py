"""Limits of guards that docs/how-to names.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("guard.MOST_CHARS", 4_194_304),
        ("guard.TAIL", 4096),
        ("injection.MOST_ENCODED", 20),
        ("leaks.LONGEST_HELD", 4096),
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.guardrails.{module}"), constant) == value
