"""Numbers as people write them; right values by hand."""

from __future__ import annotations

from datetime import date

import pytest

from steward.evaluation.metrics import make_metric
from steward.evaluation.quantities import Quantity, is_equal, parse_quantities


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("3/4", 0.75, ""),
        ("2 2/3", 8 / 3, ""),
        (r"\frac{6}{2}", 3, ""),
        (r"-\dfrac{1}{2}", -0.5, ""),
        (r"2\frac{1}{2}", 2.5, ""),
        ("1½", 1.5, ""),
        ("-$5", -5, "USD"),
        ("$-5", -5, "USD"),
        ("$1,234.50", 1234.5, "USD"),
        ("1.234,50 €", 1234.5, "EUR"),
        ("5 dollars", 5, "USD"),
        ("12 EUR", 12, "EUR"),
        ("1.2 million", 1.2e6, ""),
        ("10k", 1e4, ""),
        ("$5M", 5e6, "USD"),
        ("3 bn", 3e9, ""),
        ("1.5×10^3", 1500, ""),
        (r"1.5 \times 10^{3}", 1500, ""),
        ("2 x 10⁻²", 0.02, ""),
        ("1.5e3", 1500, ""),
        ("1 000 000", 1e6, ""),
        ("1'000", 1000, ""),
        ("0,333", 0.333, ""),
        ("3,5", 3.5, ""),
        ("50 percent", 50, "%"),
        ("20 km/h", 20, "km/h"),
        ("3 metres", 3, "m"),
        ("5 lbs", 5, "lbs"),
        ("−5", -5, ""),
        ("1 h 30 min", 5400, "s"),
        ("2 hours and 15 minutes", 8100, "s"),
        ("3:30 pm", 15.5 * 3600, "clock"),
        ("15:30", 15.5 * 3600, "clock"),
        ("12 am", 0, "clock"),
        ("the 3rd", 3, ""),
        ("about 7 apples", 7, ""),
    ],
)
def test_e04_a_number_and_its_unit(text: str, value: float, unit: str) -> None:
    (found,) = parse_quantities(text)
    assert (found.value, found.unit) == (pytest.approx(value), unit)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-05",
        "2024/3/5",
        "March 5, 2024",
        "5 March 2024",
        "Mar. 5th 2024",
        "5.3.2024",
        "3/5/2024",
        "5th of March 2024",
    ],
)
def test_e04_dates_are_days(text: str) -> None:
    assert parse_quantities(text) == [Quantity(float(date(2024, 3, 5).toordinal()), "date")]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5-3", [5, 3]),
        ("1,2,3", [1, 2, 3]),
        ("H2O and COVID-19", []),
        ("1/0", []),
        ("v2 costs 1e3 $", [1000]),
        ("x=-2", [-2]),
    ],
)
def test_e04_what_is_no_number_of_its_own(text: str, values: list[float]) -> None:
    assert [found.value for found in parse_quantities(text)] == values


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("3/4", "1/4", 0),
        ("2 2/3", "3", 0),
        (r"\frac{6}{2}", "2", 0),
        ("1/2", "0.5", 1),
        ("-$5", "-5", 1),
        ("1.2 million", "1200000", 1),
        ("10k", "10,000", 1),
        ("1.5×10^3", "1500", 1),
        ("50%", "0.5", 1),
        ("50%", "50", 1),
        ("0.5", "50%", 1),
        ("51%", "0.5", 0),
        ("$5", "€5", 0),
        ("5 USD", "$5", 1),
        ("1.5 km", "1500 m", 1),
        ("1.5 km", "1500 kg", 0),
        ("90 minutes", "1 h 30 min", 1),
        ("March 5, 2024", "2024-03-05", 1),
        ("March 6, 2024", "2024-03-05", 0),
        ("3:30 PM", "15:30", 1),
        ("It is 2 or, rather, 3 apples.", "3", 1),
        ("no number", "3", 0),
    ],
)
def test_e04_numeric(answer: str, reference: str, right: int) -> None:
    assert make_metric("numeric").table([answer], [[reference]])[0, 0] == right


def test_tolerances_are_on_the_references_scale() -> None:
    one, other = Quantity(1.01, "km"), Quantity(1000.0, "m")
    assert is_equal(one, other, relative=0.011) and not is_equal(one, other, relative=0.009)
    assert is_equal(one, other, absolute=10.0) and not is_equal(one, other, absolute=9.0)
    assert not is_equal(Quantity(738950.0, "date"), Quantity(738950.0))
