"""The examples in docstrings, which are tests of their module: each area's stand beside its other tests."""

from __future__ import annotations

import doctest
import importlib

from source_facts import SOURCE, list_files


def list_examples(area: str) -> list[str]:
    """Modules of a folder of `steward` whose docstrings show examples, as "monitoring.slo"."""
    return [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for path in list_files(area)
        if ">>> " in path.read_text(encoding="utf-8")
    ]


def run_examples(module: str) -> None:
    """:raises AssertionError: one does not come out as it stands there, or there is none"""
    result = doctest.testmod(importlib.import_module(f"steward.{module}"))
    assert result.failed == 0 and result.attempted > 0, module
