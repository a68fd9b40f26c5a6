"""What the command and its sending processes say to each other. Apart from what they do, which takes long to load."""

from __future__ import annotations

import msgspec

from steward.loadtest.config import LoadConfig


class Progress(msgspec.Struct, kw_only=True):
    """What a process tells while it runs."""

    at_s: float
    sent: int
    answered: int
    failed: int
    in_flight: int
    output_tokens: int
    ttft_ms: list[float] = []  # of the last half second, at most 200
    late_ms: float = 0.0  # the worst since the last one


class Share(msgspec.Struct, kw_only=True):
    """Which part of the run a process does."""

    config: LoadConfig
    index: int
    of: int
    began: float  # monotonic, when the parent started: what the start costs is counted from here
