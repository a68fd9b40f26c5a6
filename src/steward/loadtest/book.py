"""One row of 48 bytes for each request, in one growing buffer: a million requests are 48 MB.

The layout is numpy's too (`ROW`), so that a finished book is read without a copy.
"""

from __future__ import annotations

import struct
from array import array
from typing import Final

import msgspec

ROW: Final = [
    ("intended", "<f8"),  # seconds since the start of the schedule, warm-up included
    ("late", "<f4"),  # when the client acted - intended, s
    ("first", "<f4"),  # first event that carries text - intended, s; NaN: none
    ("last", "<f4"),  # last event of a choice - intended, s
    ("end", "<f4"),  # last byte, or when it failed - intended, s
    ("connect", "<f4"),  # s; NaN: a connection was there
    ("input_tokens", "<u4"),
    ("output_tokens", "<u4"),
    ("events", "<u4"),  # that carry text
    ("in_flight", "<u4"),  # of this process, itself among them
    ("status", "<u2"),
    ("cause", "u1"),  # index into answer.CAUSES
    ("source", "u1"),  # index into SOURCES
]
SOURCES: Final = ("usage", "tokenizer", "estimated", "none")  # where the token counts are from
CHARACTERS_PER_TOKEN: Final = 4.0  # of English, OpenAI's rule of thumb; only for what is marked estimated
FINE_S: Final = 1e-5  # width of a bin of gaps up to a second
COARSE_S: Final = 1e-3  # and up to 100 s
_FINE, _COARSE = 100_000, 100_000
_PACK = struct.Struct("<dfffffIIIIHBB")
_BLOCK = 4096  # rows


class Book:
    """Rows of requests, and the gaps between events of all of them as a histogram of 10 us bins."""

    def __init__(self) -> None:
        self.rows = bytearray(_PACK.size * _BLOCK)
        self.count = 0
        self.gaps = array("I", bytes(4 * (_FINE + _COARSE)))
        self.said: dict[str, str] = {}  # the first words of a server for each cause

    def add(self, *row: float) -> None:
        place = self.count * _PACK.size
        if place == len(self.rows):
            self.rows.extend(bytes(max(_PACK.size * _BLOCK, len(self.rows) // 4 // _PACK.size * _PACK.size)))
        _PACK.pack_into(self.rows, place, *row)
        self.count += 1

    def add_gaps(self, times: list[float]) -> None:
        """Of one answer's events, in order."""
        gaps, before = self.gaps, times[0]
        for at in times[1:]:
            gap = at - before
            before = at
            if gap < 1.0:
                gaps[int(gap * 100_000)] += 1
            else:
                gaps[min(_FINE + int(gap * 1000), _FINE + _COARSE - 1)] += 1

    def packed(self) -> memoryview:
        return memoryview(self.rows)[: self.count * _PACK.size]


class Notes(msgspec.Struct, kw_only=True):
    """What a process says of itself at the end."""

    said: dict[str, str] = {}
    lag_ms: list[float] = []
    cpu_share: float = 0.0
    peak_mb: float = 0.0
    connections: int = 0
    concurrency_max: int = 0
    error_ms: list[float] = []  # measured - true time to first token, where the server tells its clock (the echo does)
    retried: int = 0  # on a kept connection that the server had closed
    stopped: str = ""  # why before its end
    sent_all: bool = True
    ready_s: float = 0.0  # from the process's start


class Outcome(msgspec.Struct, frozen=True):
    """What one process brought: its rows, its histogram of gaps, its notes."""

    rows: bytes | bytearray
    gaps: bytes
    notes: Notes
