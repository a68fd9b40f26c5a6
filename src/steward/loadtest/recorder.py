"""Records of requests: 56 bytes each in one growing buffer, so a million requests take 56 MB.

The layout is also a numpy dtype (`RECORD`), so the finished buffer is read without a copy.
"""

from __future__ import annotations

import struct
from array import array
from typing import Final

import msgspec

RECORD: Final = [
    ("intended", "<f8"),  # intended send, s since the start of the schedule, warm-up included
    ("late", "<f4"),  # actual send - intended send, s
    ("first", "<f4"),  # first event with text - intended send, s; NaN: none
    ("last", "<f4"),  # last event of a choice - intended send, s
    ("end", "<f4"),  # last byte, or failure - intended send, s
    ("connect", "<f4"),  # s; NaN: an open connection was used
    ("first_output", "<f4"),  # first event with text that is not reasoning - intended send, s; NaN: none
    ("input_tokens", "<u4"),
    ("output_tokens", "<u4"),
    ("events", "<u4"),  # events that carry text
    ("first_tokens", "<u4"),  # output tokens that arrived with the first one; 0: TPOT cannot be told
    ("in_flight", "<u4"),  # requests of this process, including this one
    ("status", "<u2"),
    ("cause", "u1"),  # index into response.CAUSES
    ("source", "u1"),  # index into SOURCES
]
SOURCES: Final = ("usage", "tokenizer", "estimated", "none")  # where token counts come from
FINE_S: Final = 1e-5  # width of a histogram bin for gaps up to 1 s
COARSE_S: Final = 1e-3  # for gaps up to 100 s
_FINE, _COARSE = 100_000, 100_000
_PACK = struct.Struct("<dffffffIIIIIHBB")
_BLOCK = 4096  # rows


class Recorder:
    """Collects one record per request, and a histogram of the gaps between all their events (10 us bins)."""

    def __init__(self) -> None:
        self.rows = bytearray(_PACK.size * _BLOCK)
        self.count = 0
        self.gaps = array("I", bytes(4 * (_FINE + _COARSE)))
        self.error_texts: dict[str, str] = {}  # the first error message of the server for each cause

    def add(self, *row: float) -> None:
        place = self.count * _PACK.size
        if place == len(self.rows):
            self.rows.extend(bytes(max(_PACK.size * _BLOCK, len(self.rows) // 4 // _PACK.size * _PACK.size)))
        _PACK.pack_into(self.rows, place, *row)
        self.count += 1

    def add_gaps(self, times: list[float]) -> None:
        """Add the gaps between the events of one response; `times` is in order."""
        gaps, before = self.gaps, times[0]
        for at in times[1:]:
            gap = at - before
            before = at
            if gap < 1.0:
                gaps[int(gap * 100_000)] += 1
            else:
                gaps[min(_FINE + int(gap * 1000), _FINE + _COARSE - 1)] += 1

    def pack(self) -> memoryview:
        return memoryview(self.rows)[: self.count * _PACK.size]


class TokenTotals(msgspec.Struct):
    """Of the measured, answered requests that asked for a number of tokens: what they asked for, and what they got."""

    requests: int = 0
    asked: int = 0
    got: int = 0

    def add(self, asked: int, got: int) -> None:
        self.requests += 1
        self.asked += asked
        self.got += got


class SenderStats(msgspec.Struct, kw_only=True):
    """What a sending process reports about itself when it has finished."""

    error_texts: dict[str, str] = {}
    lag_ms: list[float] = []
    lags: int = 0  # how many heartbeats lag_ms is of
    cpu_share: float = 0.0
    peak_mb: float = 0.0
    input_totals: TokenTotals = msgspec.field(default_factory=TokenTotals)
    output_totals: TokenTotals = msgspec.field(default_factory=TokenTotals)
    exact_prompts: bool = False  # prompts have exactly the tokens asked for, by a tokenizer
    connections: int = 0
    concurrency_max: int = 0
    error_ms: list[float] = []  # measured - true TTFT, if the server sends its clock (the echo server does)
    retried: int = 0  # requests sent again because the server had closed an idle connection
    stopped: str = ""  # why the run was stopped early; empty: it was not
    ready_s: float = 0.0  # from the start of the command to ready


class SenderResult(msgspec.Struct, frozen=True):
    """The result of one sending process."""

    rows: bytes | bytearray
    gaps: bytes
    stats: SenderStats
