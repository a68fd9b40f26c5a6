"""Data quality: clean, check, deduplicate, and explain every row that was dropped or changed (extra `data`)."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "Pipeline": "steward.data.pipeline",
    "Source": "steward.data.config",
    "read_rows": "steward.data.frames",
    "Sink": "steward.data.config",
    "Summary": "steward.data.summary",
    "Entry": "steward.data.stage",
    "Result": "steward.data.stage",
    "Stage": "steward.data.stage",
    "CorpusStage": "steward.data.stage",
}
__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    """Loaded when asked for: pyarrow takes a third of a second."""
    import importlib

    if name not in _NAMES:
        raise AttributeError(f"module 'steward.data' has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)
