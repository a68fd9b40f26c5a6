r"""Numbers in text, with what they are of: fractions, powers, percent, money, units, dates and times.

    1/2  2 2/3  ½  \frac{6}{2}        fractions, with a whole number before them
    1,200  1.200,50  1 200  1'200     separators of thousands; another comma is a decimal one
    1.5×10^3  1.5e3  10k  1.2 million powers
    $5  -$5  5 EUR  50 %  3 km        units: money of one currency, percent, SI and common ones, or none
    2024-03-05  March 5, 2024  5.3.2024   dates; month first with slashes, day first with dots
    15:30  3:30 pm  1 h 30 min        times of day, and durations added up

Other spellings of these are in `number_words`: months of nine languages, 2024年3月5日, minus 5, per cent, 5'10", thin
spaces. An answer without a digit is read for numbers in words.

A sign belongs to a number where no number or letter stands before it: 5-3 is 5 and 3.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date
from typing import Final

import msgspec

from steward.evaluation.number_words import MONTHS, find_number_words, spell_plainly

_MONTH: Final = "|".join(sorted(MONTHS, key=len, reverse=True))
_VULGARS: Final = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒↉"
_VULGAR: Final = {character: unicodedata.numeric(character) for character in _VULGARS}
_MONEY: Final = {
    "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW", "₽": "RUB", "₺": "TRY", "₫": "VND",
    "₴": "UAH", "₦": "NGN", "฿": "THB", "₱": "PHP", "₪": "ILS", "US$": "USD", "R$": "BRL", "A$": "AUD", "C$": "CAD",
    "CA$": "CAD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "MX$": "MXN",
}  # fmt: skip
_SYMBOLS: Final = "$€£¥₹₩₽₺₫₴₦฿₱₪"
_CODES: Final = frozenset(
    re.findall(
        r"\w+",
        "USD EUR GBP JPY CNY INR CHF CAD AUD NZD HKD SGD KRW RUB BRL MXN SEK NOK DKK PLN CZK HUF TRY VND UAH NGN THB "
        "PHP ILS ZAR AED SAR IDR",
    )
)
_POWERS: Final = {
    "hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "millions": 1e6, "mn": 1e6, "mio": 1e6, "billion": 1e9,
    "billions": 1e9, "bn": 1e9, "trillion": 1e12, "tn": 1e12, "lakh": 1e5, "crore": 1e7, "dozen": 12.0, "M": 1e6,
    "百万": 1e6, "百萬": 1e6, "千万": 1e7, "千萬": 1e7, "百": 1e2, "千": 1e3, "万": 1e4, "萬": 1e4, "億": 1e8,
    "millionen": 1e6, "millones": 1e6, "millón": 1e6, "milhões": 1e6, "milhão": 1e6, "milioni": 1e6, "milione": 1e6,
    "miljoen": 1e6, "milionów": 1e6, "миллион": 1e6, "миллиона": 1e6, "миллионов": 1e6, "млн": 1e6, "milliarde": 1e9,
    "milliarden": 1e9, "mrd": 1e9, "milliard": 1e9, "milliards": 1e9, "miliardi": 1e9, "miliardo": 1e9, "млрд": 1e9,
    "mil millones": 1e9, "tausend": 1e3, "тыс": 1e3, "тысяч": 1e3, "亿": 1e8, "천": 1e3, "만": 1e4, "억": 1e8,
}  # fmt: skip

# unit → (dimension, factor to its base, SI brochure 9th edition, tables 2, 4, 7 and 8; IEC 80000-13 for bytes)
_LENGTHS = {"nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "dm": 0.1, "m": 1.0, "km": 1e3}
_LENGTHS |= {"in": 0.0254, "ft": 0.3048, "yd": 0.9144, "mi": 1609.344}
_MASSES = {
    "µg": 1e-9,
    "mg": 1e-6,
    "g": 1e-3,
    "kg": 1.0,
    "t": 1e3,
    "lb": 0.45359237,
    "lbs": 0.45359237,
    "oz": 0.028349523125,
}
_TIMES = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "wk": 604800.0}
_BYTES = {
    "B": 1.0,
    "kB": 1e3,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
}
_VOLUMES = {"ml": 1e-6, "mL": 1e-6, "cl": 1e-5, "l": 1e-3, "L": 1e-3, "gal": 0.003785411784}
_SPEEDS = {"m/s": 1.0, "km/h": 1 / 3.6, "mph": 0.44704}
_AREAS = {"m²": 1.0, "m^2": 1.0, "km²": 1e6, "km^2": 1e6, "cm²": 1e-4, "cm^2": 1e-4, "ha": 1e4}
_PREFIXES: Final = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_PHYSICAL: Final = {  # SI brochure 9th edition, table 4; the others from NIST SP 811, appendix B.8
    f"{prefix}{unit}": (dimension, factor * base)
    for dimension, unit, base, prefixes in (
        ("energy", "J", 1.0, "mkMG"), ("energy", "Wh", 3600.0, "kMG"), ("energy", "cal", 4.184, "k"),
        ("energy", "eV", 1.602176634e-19, "kMG"), ("power", "W", 1.0, "mkMG"), ("power", "hp", 745.6998715822702, ""),
        ("pressure", "Pa", 1.0, "kMG"), ("pressure", "hPa", 100.0, ""), ("pressure", "bar", 1e5, "m"),
        ("pressure", "atm", 101325.0, ""), ("pressure", "psi", 6894.757293168361, ""), ("force", "N", 1.0, "mkM"),
        ("pressure", "mmHg", 133.322387415, ""), ("voltage", "V", 1.0, "mkM"), ("current", "A", 1.0, "m"),
        ("resistance", "Ω", 1.0, "kM"), ("frequency", "Hz", 1.0, "kMG"), ("amount", "mol", 1.0, "m"),
        ("bit rate", "bps", 1.0, "kMG"), ("bit rate", "bit/s", 1.0, "kMG"),
    )
    for prefix, factor in _PREFIXES.items() if prefix in prefixes
    if f"{prefix}{unit}" != "bps"  # basis points
}  # fmt: skip
_LONG: Final = {
    "joule": "J", "kilojoule": "kJ", "megajoule": "MJ", "watt": "W", "kilowatt": "kW", "megawatt": "MW", "volt": "V",
    "millivolt": "mV", "ampere": "A", "amp": "A", "hertz": "Hz", "kilohertz": "kHz", "megahertz": "MHz",
    "gigahertz": "GHz", "newton": "N", "pascal": "Pa", "kilopascal": "kPa", "calorie": "cal", "kilocalorie": "kcal",
    "ohm": "Ω", "mole": "mol", "atmosphere": "atm", "horsepower": "hp",
    "second": "s", "sec": "s", "minute": "min", "mins": "min", "hour": "h", "hr": "h", "hrs": "h", "day": "d",
    "week": "wk", "millisecond": "ms", "metre": "m", "meter": "m", "kilometre": "km", "kilometer": "km",
    "centimetre": "cm", "centimeter": "cm", "millimetre": "mm", "millimeter": "mm", "inch": "in", "inches": "in",
    "foot": "ft", "feet": "ft", "yard": "yd", "mile": "mi", "gram": "g", "kilogram": "kg", "kilo": "kg",
    "milligram": "mg", "tonne": "t", "ton": "t", "pound": "lb", "ounce": "oz", "litre": "l", "liter": "l",
    "millilitre": "ml", "milliliter": "ml", "byte": "B", "percent": "%", "prozent": "%", "pct": "%",
    "percentage": "%", "dollar": "USD", "euro": "EUR", "yen": "JPY", "rupee": "INR", "cent": "¢", "degree": "°",
    "degrees": "°",
}  # fmt: skip
UNITS: Final[dict[str, tuple[str, float]]] = {
    **{unit: ("length", factor) for unit, factor in _LENGTHS.items()},
    **{unit: ("mass", factor) for unit, factor in _MASSES.items()},
    **{unit: ("duration", factor) for unit, factor in _TIMES.items()},
    **{unit: ("bytes", factor) for unit, factor in _BYTES.items()},
    **{unit: ("volume", factor) for unit, factor in _VOLUMES.items()},
    **{unit: ("speed", factor) for unit, factor in _SPEEDS.items()},
    **{unit: ("area", factor) for unit, factor in _AREAS.items()},
    **{code: (f"money {code}", 1.0) for code in _CODES},
    **_PHYSICAL,
    "¢": ("money USD", 0.01), "%": ("share", 0.01), "‰": ("share", 0.001), "bps": ("share", 0.0001),
    "°": ("angle", 1.0), "°C": ("temperature", 1.0), "°F": ("temperature", 5 / 9), "K": ("temperature", 1.0),
    "date": ("date", 1.0), "clock": ("clock", 1.0),
}  # fmt: skip

_ZERO: Final = {"°C": 273.15, "°F": 273.15 - 32 * 5 / 9, "K": 0.0}  # kelvin at 0 of the scale (SI brochure, 2.3.1)

_DIGITS: Final = (
    r"\d{1,3}(?:(?:,\d{3})+|(?:\.\d{3})+(?=,\d)|(?:\.\d{3}){2,}|(?:[ \u00a0'’_]\d{3})+)(?!\d)(?:[.,]\d+)?|"
    r"(?<![\d,])\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])(?:\.\d+)?|"
    r"(?<![\d,])\d+,\d+(?!,?\d)|\d+(?:\.\d+)?|\.\d+"
)
_TEX: Final = r"\\[dt]?frac\s*\{\s*([-+−]?[\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}"
_PREFIXED: Final = "|".join(sorted(_CODES - {"PHP", "TRY"}))  # "PHP 8" and "TRY 3" are no money
_TOKEN: Final = re.compile(
    rf"(?P<iso>(?<!\d)\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?!\d))"
    rf"|(?P<day>(?<!\d)\d{{1,2}})(?:st|nd|rd|th)?\.? (?:of |de )?(?P<month1>{_MONTH})\.?,?(?: de)? (?P<year1>\d{{4}})"
    rf"|(?P<month2>\b(?:{_MONTH}))\.? (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year2>\d{{4}})"
    rf"|(?P<dotted>(?<![\d.])\d{{1,2}}\.\d{{1,2}}\.\d{{4}}(?!\d))|"
    rf"(?P<slashed>(?<![\d/])\d{{1,2}}/\d{{1,2}}/\d{{4}}(?!\d))"
    rf"|(?P<clock>(?<![\d:.])\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?![\d:]))\s*(?P<half>[ap]\.?m\b\.?)?"
    rf"|(?P<hour>(?<![\d:.])\d{{1,2}})\s?(?P<half2>[ap]\.?m\b\.?)"
    rf"|(?P<sign>[-+−])?(?:(?P<money>(?:US|CA|AU|NZ|HK|MX|[RACS])\$|[{_SYMBOLS}]|(?-i:\b(?:{_PREFIXED}))(?=\s?\d))\s?)?"
    rf"(?P<sign2>[-+−])?"
    rf"(?:(?P<tex_whole>\d+)\s*(?=\\[dt]?frac))?(?:(?P<tex>{_TEX})"
    rf"|(?P<mixed>\d+)[ \u00a0](?P<mixed_top>\d+)\s?[/⁄]\s?(?P<mixed_low>\d+)(?![\d/])"
    rf"|(?P<top>\d+(?:\.\d+)?)\s?[/⁄]\s?(?P<low>\d+(?:\.\d+)?)(?![\d/])"
    rf"|(?P<vulgar_whole>\d+)?\s?(?P<vulgar>[{_VULGARS}])"
    rf"|(?P<number>{_DIGITS})(?:[eE](?P<exponent>[-+]?\d+))?"
    rf"(?:(?:\^|\*\*)\s?\{{?(?P<raised>[-+−]?\d{{1,3}})\}}?|(?P<raised_up>[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?"
    rf"(?:\s*(?:[×x*·]|\\times|\\cdot)\s*10\s*(?:\^|\*\*)?\s*\{{?(?P<power>[-+−]?\d+|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)\}}?)?)",
    re.I,
)
_SUFFIX: Final = re.compile(
    r"[\s\u00a0\-]*(?P<power>(?i:hundred|thousand|millionen|mil(?:lones| millones|lón|hões|hão|ioni|ione|joen|ionów)|"
    r"milliarden?|milliards?|miliard[io]|mrd|tausend|миллион(?:а|ов)?|млн|млрд|тысяч|тыс|millions?|billions?|trillion|lakh|crore|dozen|mn|mio|bn|tn|百万|百萬|"
    r"千万|千萬|百|千|万|萬|億|亿|천|만|억))(?![a-zA-Zà-ÿа-я])"
    r"|(?P<short>[kKM])(?![a-zA-Z/²^])"
)
_UNIT: Final = re.compile(
    r"[\s\u00a0\-]*(?:\\text\s*\{\s*|\\,|\\;|\\)?(°[CF]?|[%‰¢$€£¥₹₩₽₺₫₴₦฿₱₪]|[µμa-zA-Z]+(?:/[a-zA-Z]+)?[²]?(?:\^2)?|[kM]?Ω)"
)
_SUPERSCRIPT: Final = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


class Quantity(msgspec.Struct, frozen=True):
    """A number and its unit, "" where there is none that is known. Dates are day numbers, times of day seconds."""

    value: float
    unit: str = ""


def parse_quantities(text: str) -> list[Quantity]:
    """Every number of a text, in order; durations that stand side by side are added up.

    >>> [(q.value, q.unit) for q in parse_quantities("from 1,500 m to 2.5e3 metres, 3 of them")]
    [(1500.0, 'm'), (2500.0, 'm'), (3.0, '')]
    >>> [q.value for q in parse_quantities("2 2/3, 1/2, -$5, 1.2 million, 10k and 1.5×10^3")]
    [2.6666666666666665, 0.5, -5.0, 1200000.0, 10000.0, 1500.0]
    """
    plain = spell_plainly(text)
    if not any(character.isdigit() or character in _VULGAR for character in plain):
        return [Quantity(value) for value in find_number_words(plain)]
    return [quantity for quantity in _scan(plain) if math.isfinite(quantity.value)]


def _scan(text: str) -> list[Quantity]:
    quantities: list[Quantity] = []
    read: Quantity | None = None  # the last one, which may be a part of the last that was found
    ended = at = 0
    while match := _TOKEN.search(text, at):
        before = text[match.start() - 1 : match.start()]
        at = max(match.end(), match.start() + 1)
        if (before.isalpha() and before.isascii() and not match["month2"]) or before == "±":
            continue  # H2O, COVID-19's name; the spread of the number before
        quantity, at = _read(match, text, before)
        if quantity is None:
            continue
        if read is not None and _continues(quantity, read, text[ended : match.start()]):
            quantities[-1] = _add(quantities[-1], quantity)
        else:
            quantities.append(quantity)
        read, ended = quantity, at
    return quantities


def is_equal(given: Quantity, right: Quantity, relative: float = 0.0, absolute: float = 0.0) -> bool:
    """Whether two quantities are the same: after conversion where both have a unit, else by their numbers.

    50 % is 0.5 and, where the other has no unit, 50. Tolerances are on the right quantity's scale.
    """
    value, wanted = given.value, right.value
    tolerance = max(relative * abs(wanted), absolute, 1e-9 * abs(wanted))
    if given.unit and right.unit and given.unit != right.unit:
        one, other = UNITS[given.unit], UNITS[right.unit]
        kelvin = _ZERO.get(given.unit, 0.0) - _ZERO.get(right.unit, 0.0)
        close = max(tolerance, 1e-9 * _ZERO["°C"]) if one[0] == "temperature" else tolerance
        return one[0] == other[0] and abs((value * one[1] + kelvin) / other[1] - wanted) <= close
    if given.unit != right.unit and {"date", "clock"} & {given.unit, right.unit}:
        return _read_basic_date(given) == right if right.unit == "date" else _read_basic_date(right) == given
    if abs(value - wanted) <= tolerance:
        return True
    scales = {"%": 0.01, "‰": 0.001, "bps": 0.0001}
    if given.unit != right.unit and (given.unit in scales or right.unit in scales):
        return abs(value * scales.get(given.unit, 1.0) - wanted * scales.get(right.unit, 1.0)) <= max(
            tolerance * scales.get(right.unit, 1.0), 1e-12
        )
    return False


def _read_basic_date(quantity: Quantity) -> Quantity | None:
    """20240305 as a date (ISO 8601's basic format)."""
    digits = f"{quantity.value:.0f}"
    if quantity.unit or len(digits) != 8 or quantity.value != int(digits):
        return None
    try:
        return Quantity(float(date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).toordinal()), "date")
    except ValueError:
        return None


def _continues(quantity: Quantity, before: Quantity, between: str) -> bool:
    """Whether a quantity is the smaller part of the one before it: 1 h 30 min, 5 ft 10 in, 1億2千万."""
    gap = between.strip(" ,\u00a0")
    if not (quantity.unit or before.unit):
        return not between and before.value >= 1e4 and 0 < quantity.value < before.value and before.value % 1e4 == 0
    one, other = UNITS.get(before.unit), UNITS.get(quantity.unit)
    if one is None or other is None or one[0] != other[0] or other[1] >= one[1]:
        return False
    return gap in ("", "and", "und") if one[0] == "duration" else not gap and one[0] in _BASES


_BASES: Final = {"duration": "s", "length": "m", "mass": "kg"}


def _add(one: Quantity, other: Quantity) -> Quantity:
    if not one.unit:
        return Quantity(one.value + other.value)
    dimension, factor = UNITS[one.unit]
    return Quantity(one.value * factor + other.value * UNITS[other.unit][1], _BASES[dimension])


def _read(match: re.Match[str], text: str, before: str) -> tuple[Quantity | None, int]:
    """The quantity of a match, and where it ends in the text."""
    if (day := _read_date(match)) is not None:
        return Quantity(float(day.toordinal()), "date"), match.end()
    if match["clock"] or match["hour"]:
        return _read_clock(match), match.end()
    value = _read_number(match)
    if value is None:
        return None, match.end()
    signed = (match["sign"] or "") + (match["sign2"] or "")
    if signed and (before.isalnum() or before == ")"):
        signed = ""  # 5-3: a dash between, not a sign
    value = -value if signed in ("-", "−") else value
    end = match.end()
    if suffix := _SUFFIX.match(text, end):
        value, end = (
            value * _POWERS[(suffix["short"] and suffix["short"].replace("K", "k")) or suffix["power"].lower()],
            suffix.end(),
        )
    if match["money"]:
        return Quantity(value, _MONEY.get(match["money"].upper(), match["money"])), end
    unit = _UNIT.match(text, end)
    name = _unit_name(unit.group(1)) if unit else ""
    return Quantity(value, name), unit.end() if unit and name else end


def _unit_name(word: str) -> str:
    """The unit's symbol; empty for a word that is none."""
    word = word.replace("μ", "µ")
    if word in _MONEY:
        return _MONEY[word]
    if word in UNITS and word not in ("date", "clock", "in", "K", "d", "t", "B"):
        return word
    lower = word.lower()
    for name in (lower, lower.removesuffix("s")):
        if name in _LONG:
            return _LONG[name]
    if word.upper() in _CODES:
        return word.upper()
    return word if word in ("K", "d", "t", "B", "in") else ""


def _read_date(match: re.Match[str]) -> date | None:
    try:
        if match["iso"]:
            year, month, day = map(int, re.split(r"[-/.]", match["iso"]))
        elif match["month1"]:
            year, month, day = int(match["year1"]), _month(match["month1"]), int(match["day"])
        elif match["month2"]:
            year, month, day = int(match["year2"]), _month(match["month2"]), int(match["day2"])
        elif match["dotted"]:
            day, month, year = map(int, match["dotted"].split("."))
        elif match["slashed"]:
            month, day, year = map(int, match["slashed"].split("/"))
            month, day = (day, month) if month > 12 else (month, day)
        else:
            return None
        return date(year, month, day)
    except ValueError:
        return None


def _month(name: str) -> int:
    return MONTHS[name.lower()]


def _read_clock(match: re.Match[str]) -> Quantity:
    parts = [int(part) for part in (match["clock"] or match["hour"]).split(":")]
    half = (match["half"] or match["half2"] or "").lower()
    hour = parts[0] % 12 + (12 if half.startswith("p") else 0) if half else parts[0]
    minutes, seconds = (*parts[1:], 0, 0)[:2]
    return Quantity(float(hour * 3600 + minutes * 60 + seconds), "clock")


def _read_number(match: re.Match[str]) -> float | None:
    """The number without its sign; None for a fraction of nothing, and for what is written as a date that is none."""
    if match["tex"]:
        top, low = re.match(_TEX, match["tex"]).groups()  # type: ignore[union-attr]
        value = _ratio(_decimal(top), _decimal(low))
        return None if value is None else value + float(match["tex_whole"] or 0)
    if match["mixed"]:
        part = _ratio(float(match["mixed_top"]), float(match["mixed_low"]))
        return None if part is None else float(match["mixed"]) + part
    if match["top"]:
        return _ratio(float(match["top"]), float(match["low"]))
    if match["vulgar"]:
        return float(match["vulgar_whole"] or 0) + _VULGAR[match["vulgar"]]
    if match["number"] is None:
        return None
    value = _decimal(match["number"])
    if raised := match["raised"] or match["raised_up"]:
        value = _raise(value, raised)
    if match["exponent"]:
        value *= _raise(10.0, match["exponent"])
    if match["power"]:
        value *= _raise(10.0, match["power"])
    return value


def _raise(base: float, exponent: str) -> float:
    """Infinite where it is too large for a float."""
    try:
        return float(base ** int(exponent.translate(_SUPERSCRIPT).replace("−", "-")))
    except (OverflowError, ZeroDivisionError, ValueError):
        return math.inf


def _ratio(top: float, low: float) -> float | None:
    return top / low if low else None


def _decimal(digits: str) -> float:
    """A number as it is written: separators of thousands out, a decimal comma as a point."""
    bare = re.sub(r"[ \u00a0'’_−+]", lambda found: "-" if found.group() == "−" else "", digits)
    if "," in bare and "." in bare:
        bare = bare.replace(",", "") if bare.rindex(".") > bare.rindex(",") else bare.replace(".", "").replace(",", ".")
    elif "," in bare:
        grouped = re.fullmatch(r"-?[1-9]\d{0,2}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}", bare)
        bare = bare.replace(",", "") if grouped else bare.replace(",", ".")
    elif bare.count(".") > 1:
        bare = bare.replace(".", "")
    return float(bare)
