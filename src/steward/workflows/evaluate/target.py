"""Which model an evaluation asks, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from steward.core.secret import Secret

Progress = Callable[[int], Callable[[int, int], None]]  # takes the total, returns what takes (done, failed)


class ModelTarget(msgspec.Struct, frozen=True):
    """A model behind `url`, or in this process. `concurrency`: requests at the same time; `cache`: kept answers."""

    url: str | None
    model: str
    key: Secret | None = None
    concurrency: int = 16
    cache: Path | None = None
    backend: str = "url"
