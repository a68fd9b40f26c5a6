"""What a detector reports. Apart from the detectors, which a compiled wheel compiles: mypyc cannot compile a Struct."""

from __future__ import annotations

import msgspec


class PersonalFinding(msgspec.Struct, frozen=True, order=True):
    """`text[start:end]`: what it is, how sure that is (0 to 1), and what found it."""

    start: int
    end: int
    entity: str
    score: float
    detector: str
