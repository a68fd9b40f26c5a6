"""Advisory 32, presidio#2063 and #1904: expressions that took quadratic time, and a timeout that skipped the rule."""

from __future__ import annotations

import pytest

from steward.workflows.stage_parts import find_personal_data

HOSTILE = [
    "a" * 200_000, "1" * 200_000, "1 " * 100_000, "1-" * 100_000, "a@" * 100_000, "a." * 100_000, "@" * 200_000,
    "http://" * 30_000, "http://a." * 20_000, "+49 " * 50_000, "DE" * 100_000, ":" * 200_000, "1.1.1." * 33_000,
    "a@a." * 50_000, "(" * 200_000, "\u200b" * 200_000, "１" * 100_000, ("1" * 15 + " ") * 12_000,
    "x.y@" + "a-" * 90_000,
]  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:8])
def test_a_long_text_of_one_kind_is_read_to_its_end(text: str) -> None:
    """A time that grows with the square would be minutes for these lengths."""
    tail = " bob@example.com"
    spans = find_personal_data(text + tail)
    assert any(kind == "email" and end == len(text + tail) for _, end, kind in spans)
