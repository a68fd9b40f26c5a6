"""Numbers in words, and the spellings that are made one."""

import pytest

from steward.evaluation.number_words import MONTHS, find_number_words, spell_plainly


@pytest.mark.parametrize(
    ("text", "numbers"),
    [  # English cardinals, by hand
        ("zero", [0]), ("nineteen", [19]), ("twenty", [20]), ("ninety-nine", [99]), ("one hundred", [100]),
        ("two hundred and seven", [207]), ("three thousand four hundred", [3400]), ("a million", [1e6]),
        ("two million three hundred thousand and one", [2_300_001]), ("two three", [2, 3]), ("twenty thirty", [20, 30]),
        ("two dozen", [24]), ("a half", [0.5]), ("three quarters", [0.75]), ("one fifth", [0.2]), ("two halves", [1.0]),
        ("five and six", [5, 6]), ("minus seven", [-7]), ("negative two thirds", [-2 / 3]), ("hundred", []), ("a", []),
        ("two billion", [2e9]), ("one trillion", [1e12]), ("three fourths", [0.75]), ("one sixth", [1 / 6]),
        ("three eighths", [0.375]), ("seven tenths", [0.7]), ("one third", [1 / 3]), ("a quarter", [0.25]),
        ("one and a half", [1, 0.5]), ("someone, none, often", []), ("one, two", [1, 2]), ("", []),
    ],
)  # fmt: skip
def test_english_words(text: str, numbers: list[float]) -> None:
    assert find_number_words(text) == pytest.approx(numbers)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [  # Chinese and Japanese numerals, by hand
        ("三", [3]), ("十", [10]), ("十五", [15]), ("五十三", [53]), ("一百零五", [105]), ("两千", [2000]),
        ("三万五千", [35_000]), ("一万二千億", [12_000 * 10**8]),
        ("一億二千万", [120_000_000]), ("二〇二四", [2024]), ("答案是负五。", [-5]), ("答案：九个", [9]), 
        ("这是一个问题吗", []),
        ("是一", [1]), ("結果は七です", [7]), ("百", [100]),
    ],
)  # fmt: skip
def test_numerals(text: str, numbers: list[float]) -> None:
    assert find_number_words(text) == numbers


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("1\u2009000", "1\u00a0000"), ("50％", "50%"), ("＄5", "$5"), ("³⁄₄", "3/4"), ("2³⁄₄", "2 3/4"),
        (r"\dfrac34", r"\frac{3}{4}"), (r"\frac{10}3", r"\frac{10}{3}"), ("minus 5", "−5"), ("minus one", "minus one"),
        ("a–5", "a–5"), ("–5", "−5"), ("6'2\"", "6 ft 2 in"), ("1'234", "1'234"), ("2024年12月31日", "2024-12-31"),
        ("20 degrees C", "20 °C"), ("20 deg F", "20 °F"), ("3 kelvin", "3 K"), ("9 miles an hour", "9 mph"),
        ("9 km per hour", "9 km/h"), ("9 meters per second", "9 m/s"), ("9 square kilometres", "9 km²"),
        ("9 sq cm", "9 cm²"), ("9 square metres", "9 m²"), ("9 por ciento", "9 %"), ("9 basis points", "9 bps"),
        ("9元", "9 CNY"), ("9円", "9 JPY"), ("9원", "9 KRW"), ("9 рублей", "9 RUB"), ("9 zł", "9 PLN"), ("Rs 9", "₹9"),
        ("5 ± 0.1 m", "5 m"), ("±5", "±5"), ("5 +/- 2", "5"), ("noon", "12:00"), ("midnight", "00:00"),
    ],
)  # fmt: skip
def test_one_spelling_for_each(text: str, plain: str) -> None:
    assert spell_plainly(text) == plain


def test_months_are_their_numbers() -> None:
    assert [MONTHS[name] for name in ("january", "märz", "août", "dicembre", "мая", "sept", "dec")] == [
        1,
        3,
        8,
        12,
        5,
        9,
        12,
    ]
    assert set(MONTHS.values()) == set(range(1, 13))
