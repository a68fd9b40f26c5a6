"""Limits of what is looked at in a text.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("credentials._ASSIGNED_BITS", 2.6),
        ("features.PLANES", 5),  # 32 topics
        ("tokenizer.LONGEST_PIECE", 4096),
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.text.{module}"), constant) == value
