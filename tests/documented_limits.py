"""Reads a constant by the name that a table of documented limits gives it."""

from __future__ import annotations

import importlib
from typing import Any


def read_limit(area: str, name: str) -> Any:
    """`name`: module and constant, such as `history.KEPT_MINUTES`."""
    module, _, constant = name.rpartition(".")
    return getattr(importlib.import_module(f"steward.{area}.{module}"), constant)
