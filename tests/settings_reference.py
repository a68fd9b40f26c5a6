"""The page of settings that operators read, and what the code makes of the same sections."""

from __future__ import annotations

import importlib
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"


def read_settings(section: str) -> list[str]:
    """The rows of a section, such as `monitoring.`: key, type with its bounds, default, meaning."""
    return _select(PAGE.read_text(), section)


def describe_settings(section: str) -> list[str]:
    """The same rows, as the code has them now."""
    page: str = importlib.import_module("settings_page").settings_page()
    return _select(page, section)


def _select(page: str, section: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith(f"| `{section}")]
