"""What a route's queue is told and what it decides: records without behaviour, apart from the code that is hot."""

from __future__ import annotations

from typing import Literal

import msgspec

from steward.core.records import Priority


class QueuePlan(msgspec.Struct, frozen=True):
    """The size of a queue, over all workers of a deployment."""

    concurrency: int = 1024
    queue: int = 1024
    wait_s: float = 30.0


class QueuedRequest(msgspec.Struct, frozen=True):
    """One request in a queue; `number` is unique in it."""

    number: int
    key: str
    priority: Priority = "normal"


class QueueDecision(msgspec.Struct, frozen=True):
    """What happens to a request that arrives."""

    action: Literal["run", "wait", "shed"]
    reason: Literal["", "full", "late"] = ""
    wait_s: float = 0.0  # predicted
    displaced: QueuedRequest | None = None  # the request that lost its place to this one


class QueueDepth(msgspec.Struct, frozen=True):
    """How full a route's queue is now, in one worker or several."""

    waiting: int = 0
    running: int = 0
