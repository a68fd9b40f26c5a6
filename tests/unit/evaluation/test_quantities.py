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
        # other spellings; values by hand, conversions by NIST SP 811 and the SI brochure
        *((text, "0.1", 1) for text in ("⅒", "10 percent", "1/10", "10 per cent", "1000 bps")),
        ("⅐", "1/7", 1),
        ("↉", "0", 1),
        ("²⁄₃", "2/3", 1),
        ("1²⁄₃", "5/3", 1),
        (r"\frac12", "0.5", 1),
        *((text, "1234.5", 1) for text in ("1 234.5", "1\u2009234,5", "1\u202f234.5", "1.234,5", "1,234.5", "1'234.5")),
        *((text, "1234567", 1) for text in ("1.234.567", "1_234_567", "12,34,567", "1 234 567")),
        ("1,00,000", "100000", 1),
        ("50％", "0.5", 1),
        ("10^6", "1000000", 1),
        ("10⁶", "1e6", 1),
        ("2**10", "1024", 1),
        ("R$ 10", "10 BRL", 1),
        ("Rs. 500", "₹500", 1),
        ("500元", "500 CNY", 1),
        ("50¢", "$0.50", 1),
        ("50 cents", "1 EUR", 0),
        ("–5", "-5", 1),
        ("minus 5", "-5", 1),
        ("negative five", "-5", 1),
        ("5 ± 0.1", "5", 1),
        ("10–5", "5", 1),
        ("twenty-three", "23", 1),
        ("one hundred and five", "105", 1),
        ("two thirds", "2/3", 1),
        ("a dozen", "12", 1),
        ("答案是五十", "50", 1),
        ("三", "3", 1),
        ("1億2千万", "120000000", 1),
        ("5만", "50000", 1),
        ("The one answer is 5, no one knows why", "5", 1),
        ("212 °F", "100 °C", 1),
        ("100 °C", "373.15 K", 1),
        ("100 °C", "213 °F", 0),
        ("25 degrees Celsius", "25 °C", 1),
        ("5 miles per hour", "5 mph", 1),
        ("60 kmh", "60 km/h", 1),
        ("5 sq m", "5 m²", 1),
        ("5 ft 10 in", "70 in", 1),
        ("5'10\"", "70 in", 1),
        ("1 m 80 cm", "1.8 m", 1),
        ("5 m and 30 cm", "30 cm", 1),
        *(
            (text, "2024-03-05", 1)
            for text in (
                "2024年3月5日",
                "5 de marzo de 2024",
                "5 mars 2024",
                "5. März 2024",
                "5 marzo 2024",
                "5 марта 2024",
                "20240305",
                "5 maart 2024",
                "5 de março de 2024",
                "2024년 3월 5일",
            )
        ),
        ("20240306", "2024-03-05", 0),
        ("20241225", "25 December 2024", 1),
        ("20241225", "25 February 2024", 0),
        ("noon", "12:00", 1),
        ("1e999", "5", 0),
        ("10^999", "5", 0),
        ("0^-1", "5", 0),
    ],
)
def test_e04_numeric(answer: str, reference: str, right: int) -> None:
    assert make_metric("numeric").table([answer], [[reference]])[0, 0] == right


def test_tolerances_are_on_the_references_scale() -> None:
    one, other = Quantity(1.01, "km"), Quantity(1000.0, "m")
    assert is_equal(one, other, relative=0.011) and not is_equal(one, other, relative=0.009)
    assert is_equal(one, other, absolute=10.0) and not is_equal(one, other, absolute=9.0)
    assert not is_equal(Quantity(738950.0, "date"), Quantity(738950.0))


@pytest.mark.parametrize(
    ("one", "other"),
    [  # SI brochure 9th edition, tables 7 and 8; NIST SP 811, appendix B: exact relations
        ("1 km", "1000 m"), ("1 m", "10 dm"), ("1 m", "100 cm"), ("1 cm", "10 mm"), ("1 mm", "1000 µm"),
        ("1 µm", "1000 nm"), ("1 in", "25.4 mm"), ("1 ft", "12 in"), ("1 yd", "3 ft"), ("1 mi", "5280 ft"),
        ("1 t", "1000 kg"), ("1 kg", "1000 g"), ("1 g", "1000 mg"), ("1 mg", "1000 µg"), ("1 lb", "16 oz"),
        ("1 lb", "453.59237 g"), ("1 lbs", "1 lb"), ("1 wk", "7 d"), ("1 d", "24 h"), ("1 h", "60 min"),
        ("1 min", "60 s"), ("1 s", "1000 ms"), ("1 kB", "1000 B"), ("1 KB", "1 kB"), ("1 MB", "1000 kB"),
        ("1 GB", "1000 MB"), ("1 TB", "1000 GB"), ("1 KiB", "1024 B"), ("1 MiB", "1024 KiB"), ("1 GiB", "1024 MiB"),
        ("1 l", "1000 ml"), ("1 L", "1000 mL"), ("1 L", "1 l"), ("1 l", "100 cl"), ("1 gal", "3.785411784 l"),
        ("1 m/s", "3.6 km/h"), ("1 mph", "1.609344 km/h"), ("1 km²", "1000000 m²"), ("1 km^2", "100 ha"),
        ("1 ha", "10000 m^2"), ("1 m²", "10000 cm²"), ("1 m^2", "10000 cm^2"), ("1 %", "10 ‰"),
    ],
)  # fmt: skip
def test_e04_units_convert_exactly(one: str, other: str) -> None:
    (first,), (second,) = parse_quantities(one), parse_quantities(other)
    assert first.unit and second.unit and is_equal(first, second) and is_equal(second, first)
    assert not is_equal(Quantity(first.value * 1.000001, first.unit), second)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 hundred", 200), ("2 thousand", 2e3), ("2k", 2e3), ("2 K", 2), ("2 million", 2e6), ("2 millions", 2e6),
        ("2 mn", 2e6), ("2 mio", 2e6), ("2M", 2e6), ("2 billion", 2e9), ("2 billions", 2e9), ("2 bn", 2e9),
        ("2 trillion", 2e12), ("2 tn", 2e12), ("2 lakh", 2e5), ("2 crore", 2e7), ("2 dozen", 24), ("2万", 2e4),
        ("2萬", 2e4), ("2億", 2e8), ("2亿", 2e8),
    ],
)  # fmt: skip
def test_e04_words_of_powers(text: str, value: float) -> None:
    (found,) = parse_quantities(text)
    assert found.value == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12 pm", 43_200), ("12:30 am", 1800), ("1 pm", 46_800), ("11:59:58 pm", 86_398), ("00:00:07", 7),
        ("9:05", 32_700), ("13:00", 46_800),
    ],
)  # fmt: skip
def test_e04_times_of_day(text: str, seconds: float) -> None:
    assert parse_quantities(text) == [Quantity(seconds, "clock")]


@pytest.mark.parametrize(
    ("text", "day"),
    [("12/31/2024", (2024, 12, 31)), ("31/12/2024", (2024, 12, 31)), ("12/1/2024", (2024, 12, 1)),
     ("13/1/2024", (2024, 1, 13)), ("1 Sept 2024", (2024, 9, 1)), ("May 2 2024", (2024, 5, 2))],
)  # fmt: skip
def test_e04_the_month_comes_first_with_slashes_unless_it_cannot(text: str, day: tuple[int, int, int]) -> None:
    assert parse_quantities(text) == [Quantity(float(date(*day).toordinal()), "date")]


@pytest.mark.parametrize(
    ("given", "right", "equal"),
    [
        (Quantity(50, "%"), Quantity(0.5), True), (Quantity(5, "‰"), Quantity(0.005), True),
        (Quantity(0.5), Quantity(50, "%"), True), (Quantity(0.51), Quantity(50, "%"), False),
        (Quantity(1e9), Quantity(1e9 + 1), True), (Quantity(1e9), Quantity(1e9 + 2), False),
        (Quantity(5, "clock"), Quantity(5), False), (Quantity(5), Quantity(5, "date"), False),
        (Quantity(5, "km"), Quantity(5), True), (Quantity(5, "km"), Quantity(5, "kg"), False),
        (Quantity(5, "km"), Quantity(6), False), (Quantity(0.0, "%"), Quantity(1e-13), True),
    ],
)  # fmt: skip
def test_e04_what_has_no_unit_takes_the_others(given: Quantity, right: Quantity, equal: bool) -> None:
    assert is_equal(given, right) == equal


def test_e04_tolerances_of_shares_are_the_references() -> None:
    """Within one of 50 percent points, and not within one of 0.5."""
    assert is_equal(Quantity(0.51), Quantity(50, "%"), absolute=1.001)
    assert not is_equal(Quantity(0.52), Quantity(50, "%"), absolute=1.001)
    assert is_equal(Quantity(51, "%"), Quantity(0.5), absolute=0.0101)
    assert not is_equal(Quantity(52, "%"), Quantity(0.5), absolute=0.0101)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 h 30 min 5 s", [(5405, "s")]), ("30 min 1 h", [(30, "min"), (1, "h")]),
        ("1 h, 2 km", [(1, "h"), (2, "km")]),
        ("1 h or 30 min", [(1, "h"), (30, "min")]), ("2\\frac{1}{2}", [(2.5, "")]), ("1/0 and 3", [(3, "")]),
        ("f(x)-3", [(3, "")]), ("a 3.", [(3, "")]), ("1.5e-3 and 2·10^2", [(0.0015, ""), (200, "")]),
        ("1.234.567,5", [(1234567.5, "")]), ("1,234,567.5", [(1234567.5, "")]), ("0,123", [(0.123, "")]),
        ("12,345", [(12345, "")]), ("3½ and 2 1/4 cups", [(3.5, ""), (2.25, "")]),
    ],
)  # fmt: skip
def test_e04_texts_by_hand(text: str, found: list[tuple[float, str]]) -> None:
    assert [(pytest.approx(one.value), one.unit) for one in parse_quantities(text)] == found


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [  # factors: SI brochure 9th edition, table 4; NIST SP 811, appendix B.8
        ("1 kWh", "3.6 MJ", True), ("100 W", "0.1 kW", True), ("1 atm", "101325 Pa", True), ("5 V", "5000 mV", True),
        ("1 kHz", "1000 Hz", True), ("1 J", "1 W", False), ("1 kcal", "4.184 kJ", True), 
        ("2 kilowatt hours", "2 kWh", True),
        ("2-2/3", "2 2/3", True), ("2 and 2/3", "8/3", True), ("5-3/2", "5 3/2", False),
        ("($5)", "-5", True), ("(1,234.50)", "-1234.50", True), ("tea ($5)", "5", True), ("(5)", "5", True),
        ("EUR 5", "$5", False), ("USD 5", "$5", True), ("try 5 times", "5", True),
        ("1h30", "90 min", True), ("1h 5m", "65 min", True), ("3.30pm", "15:30", True), ("15.30 Uhr", "15:30", True),
        ("٣٫٥", "3.5", True), ("1,5 Millionen", "1500000", True), ("2 milliards", "2e9", True),
        ("3 млн", "3000000", True),
        ("0x1F", "31", True), ("0b101", "5", True),
    ],
)  # fmt: skip
def test_e04_further_units_brackets_and_languages(answer: str, reference: str, right: bool) -> None:
    assert make_metric("numeric").table([answer], [[reference]])[0, 0] == right


@pytest.mark.parametrize(
    ("words", "power"),
    [
        ("hundred", 2), ("thousand tausend тыс тысяч 千 천", 3), ("万 萬 만", 4), ("lakh", 5),
        ("million millions mn mio 百万 百萬 millionen millones millón milhões milhão", 6),
        ("milioni milione miljoen milionów миллион миллиона миллионов млн", 6), ("crore 千万 千萬", 7), ("億 亿 억", 8),
        ("billion billions bn milliarde milliarden mrd milliard milliards miliardi miliardo млрд", 9),
        ("trillion tn", 12),
    ],
)  # fmt: skip
def test_words_of_powers_of_ten_in_each_language(words: str, power: int) -> None:
    for word in words.split():
        (found,) = parse_quantities(f"3 {word}")
        assert found.value == 3 * 10**power, word


@pytest.mark.parametrize(
    "text", ["2021-13-45", "31.02.2021", "version 10.20.30", "192.168.0.1", "13/45/2021", "Feb 30, 2021", "99.99.9999"]
)
def test_e04_what_is_written_as_a_date_and_is_none_is_passed_over(text: str) -> None:
    """No month has the number 13, and no February a 30th."""
    assert [quantity.value for quantity in parse_quantities(f"{text} then 7")][-1] == 7.0
