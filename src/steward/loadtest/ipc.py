"""Messages between the command and its sending processes, apart from the code that sends, which is slow to import."""

from __future__ import annotations

import msgspec

from steward.loadtest.config import LoadConfig


class SenderProgress(msgspec.Struct, kw_only=True):
    """What a sending process reports while it runs."""

    at_s: float
    sent: int
    answered: int
    failed: int
    in_flight: int
    output_tokens: int
    ttft_ms: list[float] = []  # of the last half second, at most 200
    late_ms: float = 0.0  # the worst since the last report


class SenderTask(msgspec.Struct, kw_only=True):
    """The part of a run that one process sends."""

    config: LoadConfig
    index: int
    of: int
    began: float  # monotonic time at which the command started; the start-up time counts from here
