"""A message does not grow with what somebody sent or what another program said."""

from __future__ import annotations

import pytest

from steward.core.excerpts import cut_digest, cut_reason, cut_text


@pytest.mark.parametrize(("cut", "most"), [(cut_text, 100), (cut_reason, 200)])
def test_what_is_repeated_is_whole_to_its_limit_and_ends_in_an_ellipsis_beyond(cut: object, most: int) -> None:
    assert callable(cut)
    assert cut("x" * most) == "x" * most
    assert cut("x" * (most + 1)) == "x" * (most - 1) + "…"


def test_a_reason_stands_on_one_line_and_is_never_empty() -> None:
    assert cut_reason(ValueError("line 1:\n    [\n\tno value")) == "line 1: [ no value"
    assert (cut_reason(TimeoutError()), cut_reason("")) == ("TimeoutError", "")


def test_a_value_that_is_no_text_is_repeated_as_python_writes_it() -> None:
    assert (cut_text(12.5), cut_text(None)) == ("12.5", "None")


def test_a_digest_is_shown_by_its_first_twelve_digits() -> None:
    digits = "0123456789abcdef" * 4
    assert cut_digest(digits) == cut_digest(f"sha256:{digits}") == "0123456789ab"
