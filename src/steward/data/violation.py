"""Why a text is dropped: the rule that it breaks, what was seen and what is allowed."""

from __future__ import annotations

import msgspec


class Violation(msgspec.Struct, frozen=True):
    rule: str
    value: float | str
    threshold: float | str
