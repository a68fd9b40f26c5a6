"""An `Offload` that does the work here, and notes what it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class RecordingOffload:
    """`done` holds the names of what it was given, those that run beside with `beside:` before them."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def run(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        self.done.append(function.__name__)
        return function(*arguments, **named)

    async def run_beside(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        self.done.append(f"beside:{function.__name__}")
        return function(*arguments, **named)

    async def close(self) -> None: ...
