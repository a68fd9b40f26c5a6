"""Which model an evaluation asks, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.core.secret import Secret
from steward.core.timeouts import Timeouts

Progress = Callable[[int], Callable[[int, int], None]]  # takes the total, returns what takes (done, failed)


TIMEOUT_S: Final = 1800.0  # 32,000 tokens of a reasoning model at 20 tokens a second take 1600 s


class ModelTarget(msgspec.Struct, frozen=True):
    """A model behind `url`, or in this process. `concurrency`: requests at the same time; `cache`: kept answers.

    `timeout_s`: the longest wait for one answer; `retries` after a failed attempt; `stream`: ask for events.
    """

    url: str | None
    model: str
    key: Secret | None = None
    concurrency: int = 16
    cache: Path | None = None
    backend: str = "url"
    timeout_s: float = TIMEOUT_S
    retries: int = 3
    stream: bool = False

    @property
    def timeouts(self) -> Timeouts:
        """An answer that is not streamed sends its first byte when it is complete."""
        return Timeouts(first_byte_s=self.timeout_s, idle_s=self.timeout_s, whole_s=self.timeout_s)
