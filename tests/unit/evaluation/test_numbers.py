"""One number, one form: no minus before zero, no p of zero."""

from __future__ import annotations

import pytest

from steward.evaluation.numbers import format_ends, format_gain, format_number, format_p, format_percent


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0.0000"),
        (-0.0, "0.0000"),
        (0.00099, "0.00099"),
        (0.001, "0.0010"),
        (-2.5, "-2.5000"),
        (1e6, "1e+06"),
        (999999.0, "999999.0000"),
    ],
)
def test_e12_numbers(value: float, written: str) -> None:
    assert format_number(value) == written


def test_e12_signs_and_small_p() -> None:
    assert (format_gain(0.1), format_gain(-0.1), format_gain(-0.0), format_gain(None)) == (
        "+0.1000",
        "-0.1000",
        "0.0000",
        None,
    )
    assert (format_p(0.0001), format_p(0.00009), format_p(0.0), format_p(1.0)) == (
        "0.0001",
        "< 0.0001",
        "< 0.0001",
        "1.0000",
    )
    assert (
        format_ends(-0.5, 0.0) == "-0.5000 to 0.0000"
        and format_ends(None, 1.0) == format_ends(1.0, None) == "no interval"
    )
    assert format_percent(0.004) == "0 %" and format_number(float("nan")) is None


def test_shares_are_written_in_whole_percent() -> None:
    assert [format_percent(share) for share in (0.25, 0.615, 0.996, 1.0)] == ["25 %", "62 %", "100 %", "100 %"]
    assert format_percent(50.0) == "5000 %"
