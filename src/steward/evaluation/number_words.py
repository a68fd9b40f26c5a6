"""Numbers in words, and other ways to write what `quantities` reads: months, signs, units and fractions.

`spell_plainly` rewrites a text into the forms that patterns look for. `find_number_words` reads English cardinals and
fractions, and Chinese and Japanese numerals, for answers that have no digit: in others, "one" is rarely a number.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MONTHS: Final[dict[str, int]] = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
        "jan feb mar apr may jun jul aug sep oct nov dec",
    )
    for number, name in enumerate(names.split(), 1)
} | {"sept": 9}

_SPACES: Final = dict.fromkeys(map(ord, "\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000"), "\u00a0")
_HEX: Final = re.compile(r"(?<!\w)0(?:x([0-9a-f]{1,12})|b([01]{1,48}))(?!\w)", re.I)
_MIXED: Final = re.compile(r"(?<![\w.,/-])(\d{1,3})(?:-|–| and | & | und | et | y )(\d+)\s?[/⁄]\s?(\d+)(?![\d/])")
_BRACKETED: Final = re.compile(  # accountants' negative, where it is the whole answer
    r"\A[\s*_]*\(\s*(?:([$€£¥])\s?(\d[\d.,]*)|(\d{1,3}(?:,\d{3})+(?:\.\d+)?))\s*\)[\s*_.]*\Z"
)
_MARKS: Final = {
    ord("٫"): ".",
    ord("٬"): ",",
    ord("％"): "%",
    ord("＄"): "$",
    ord("￥"): "¥",
    ord("﹣"): "-",
    ord("－"): "-",
    ord("‒"): "–",
}
_SUPER: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
_REWRITTEN: Final = tuple(
    (re.compile(pattern, re.I), shown)
    for pattern, shown in (
        (r"(?<=[A-Za-z0-9])\u00ad", ""),
        (r"\\([dt]?)frac\s*(?:(\d)|\{\s*(\d+)\s*\})\s*(?:(\d)(?!\d)|\{\s*(\d+)\s*\})", r"\\frac{\2\3}{\4\5}"),
        (r"(?<=\d)\s*(?:±|\+/-|\\pm)\s*\d+(?:[.,]\d+)*", ""),
        (r"(?<![\d.,])(\d{1,2})\.(\d{2})\s?([ap]\.?m\b)", r"\1:\2 \3"),
        (r"(?<![\d.,:])(\d{1,2})[.:](\d{2})\s?Uhr\b", r"\1:\2"),
        (r"(?<![\d.,:])(\d{1,2})\s?(?:时|時|點|点|시)\s?(\d{2})\s?[分분]?", r"\1:\2"),
        (r"(?<![\w.,])(\d{1,3})\s?h\s?([0-5]\d)(?![\w.,]|\s*m)", r"\1 h \2 min"),
        (r"(?<![\w.,])(\d{1,3})\s?h\s?([0-5]?\d)\s?m(?:\s?([0-5]?\d)\s?s)?\b", r"\1 h \2 min \3 s"),
        (r"(?<![\w.,])(\d{1,3})\s?m\s?([0-5]?\d)\s?s\b", r"\1 min \2 s"),
        (r"\bkilowatt[- ]?hours?\b", "kWh"),
        (r"\bwatt[- ]?hours?\b", "Wh"),
        (r"\b(?:minus|negative|moins|menos|meno)\s+(?=[$€£]?\d)", "−"),
        (r"(?<![\w)])–(?=[$€£]?\d)", "−"),
        (r"(\d)\s?(?:'|′)\s?(\d{1,2})\s?(?:\"|''|″)", r"\1 ft \2 in"),
        (r"(\d{4})\s?年\s?(\d{1,2})\s?月\s?(\d{1,2})\s?[日号號]", r"\1-\2-\3"),
        (r"(\d{4})\s?년\s?(\d{1,2})\s?월\s?(\d{1,2})\s?일", r"\1-\2-\3"),
        (r"\b(?:degrees?|deg\.?|grad|degrés?|grados?)\s+(?:celsius|centigrade|c)\b|\bcelsius\b", "°C"),
        (r"\b(?:degrees?|deg\.?)\s+(?:fahrenheit|f)\b|\bfahrenheit\b", "°F"),
        (r"\bkelvins?\b", "K"),
        (r"\bmiles?\s+(?:per|an)\s+hour\b", "mph"),
        (r"\b(?:kilomet(?:er|re)s?\s+(?:per|an)\s+hour|km\s+per\s+hour|kmh|kph|km/hr)\b", "km/h"),
        (r"\b(?:met(?:er|re)s?|m)\s+per\s+second\b", "m/s"),
        (r"\b(?:square|sq\.?)\s+(k?m|cm|(?:kilo|centi)?met(?:er|re)s?)\b", r"\1²"),
        (r"\bper\s+cent\b|\bpour\s+cent\b|\bpor\s+cien(?:to)?\b|\bpor\s+cento\b|\bper\s+cento\b|\bprocent\b", "%"),
        (r"\bbasis\s+points?\b", "bps"),
        (r"(?<=\d)\s?(?:元|圓|圆|块)", " CNY"),
        (r"(?<=\d)\s?円", " JPY"),
        (r"(?<=\d)\s?원", " KRW"),
        (r"(?<=\d)\s?руб(?:\.|лей|ля|ль)?", " RUB"),
        (r"(?<=\d)\s?zł(?![a-z])", " PLN"),
        (r"\brs\.?\s?(?=\d)", "₹"),
        (r"\bnoon\b", "12:00"),
        (r"\bmidnight\b", "00:00"),
    )
)
_SMALL_FRACTION: Final = re.compile(r"(\d{0,20})([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,20})[⁄/∕]([₀₁₂₃₄₅₆₇₈₉]{1,20})")


def spell_plainly(text: str) -> str:
    """`text` with one spelling for each thing that has several.

    >>> spell_plainly("minus 5 at 25 degrees Celsius on 2024年3月5日")
    '−5 at 25 °C on 2024-3-5'
    >>> spell_plainly("1²⁄₃ of 5'10\\"")
    '1 2/3 of 5 ft 10 in'
    """
    text = text.translate(_SPACES).translate(_MARKS)
    text = _SMALL_FRACTION.sub(_write_fraction, text)
    text = _HEX.sub(lambda match: str(int(match[1], 16) if match[1] else int(match[2], 2)), text)
    text = _MIXED.sub(_join_mixed, text)
    text = _BRACKETED.sub(lambda match: f"−{match[1] or ''}{match[2] or match[3]}", text)
    for pattern, shown in _REWRITTEN:
        text = pattern.sub(shown, text)
    return re.sub(r"(k?m|cm|(?:kilo|centi)?met(?:er|re)s?)²", _shorten_area, text)


def _write_fraction(match: re.Match[str]) -> str:
    before = f"{match[1]} " if match[1] else ""
    return f"{before}{match[2].translate(_SUPER)}/{match[3].translate(_SUPER)}"


def _join_mixed(match: re.Match[str]) -> str:
    """2-2/3 and "2 and 2/3" are 2 2/3; 5-3/2 is a difference."""
    return f"{match[1]} {match[2]}/{match[3]}" if int(match[2]) < int(match[3]) else match[0]


def _shorten_area(match: re.Match[str]) -> str:
    word = match[1].lower()
    unit = "km" if word.startswith("k") else "cm" if word.startswith("c") else "m"
    return f"{unit}²"


# -- words ------------------------------------------------------------------------------------------

_UNITS: Final = {
    name: number
    for number, name in enumerate(
        re.findall(
            r"\w+",
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen",
        )
    )
}
_TENS: Final = {
    name: 10 * number
    for number, name in enumerate(re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety"), 2)
}
_SCALES: Final = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS: Final = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8,
                 "tenth": 10}  # fmt: skip
_COUNTED: Final = frozenset((*_SCALES, *_PARTS, "dozen"))
_WORD: Final = re.compile(r"[A-Za-z]+|[^A-Za-z\s-]")
_NUMERALS: Final = "〇零一二两兩三四五六七八九十百千万萬亿億"
_NUMERAL: Final = re.compile(
    rf"(?:^[^\S\n]*+|[是为為＝=:：は]\s*+)(?P<minus>负|負|マイナス)?(?P<number>[{_NUMERALS}]+)(?=[个個つ元円]?\s*(?:[。.!！,，、]|です|$))",
    re.M,
)


def find_number_words(text: str) -> list[float]:
    """Numbers that are written out, in order.

    >>> find_number_words("one hundred and five, or twenty-three"), find_number_words("two thirds")
    ([105.0, 23.0], [0.6666666666666666])
    >>> find_number_words("negative five"), find_number_words("答案是五十三"), find_number_words("none")
    ([-5.0], [53.0], [])
    """
    return _find_english(text) + [
        (-1 if match["minus"] else 1) * _read_numerals(match["number"]) for match in _NUMERAL.finditer(text)
    ]


def _find_english(text: str) -> list[float]:
    words = [word.lower() for word in _WORD.findall(text)]
    numbers: list[float] = []
    at = 0
    while at < len(words):
        value, end = _read_cardinal(words, at)
        if value is None:
            at += 1
            continue
        part = words[end].removesuffix("s") if end < len(words) else ""
        part = "half" if part in ("halve", "half") else part
        if part in _PARTS and value:
            value, end = value / _PARTS[part], end + 1
        negative = at > 0 and words[at - 1] in ("minus", "negative")
        numbers.append(-float(value) if negative else float(value))
        at = end
    return numbers


def _read_cardinal(words: list[str], at: int) -> tuple[float | None, int]:
    """The number that begins at a word, and the place after it; None where none begins."""
    total = group = 0
    begin = at
    if words[at] in ("a", "an") and at + 1 < len(words) and words[at + 1] in _COUNTED:
        group, at = 1, at + 1
        if words[at] in _PARTS:
            return 1.0, at
    while at < len(words):
        word = words[at]
        if word in _UNITS or word in _TENS:
            if group % (10 if word in _UNITS else 100):
                break  # "two three" are two numbers
            group += _UNITS.get(word, _TENS.get(word, 0))
        elif word in ("hundred", "dozen") and group:
            group *= 100 if word == "hundred" else 12
        elif word in _SCALES and group:
            total, group = total + group * _SCALES[word], 0
        elif not (word == "and" and _joins(words, at, begin)):
            break
        at += 1
    return (float(total + group), at) if at > begin else (None, begin)


def _joins(words: list[str], at: int, begin: int) -> bool:
    """Whether "and" stands within a number: one hundred and five."""
    after = words[at + 1] if at + 1 < len(words) else ""
    return at > begin and words[at - 1] in _SCALES and (after in _UNITS or after in _TENS)


def _read_numerals(text: str) -> float:
    """Chinese and Japanese numerals, positional (二〇二四) or with units (五十三)."""
    if not re.search("[十百千万萬亿億]", text):
        return float("".join(str(_read_digit(character)) for character in text))
    total = section = digit = 0
    for character in text:
        if character in "十百千":
            section += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[character]
            digit = 0
        elif character in "万萬":
            total, section, digit = total + (section + digit) * 10_000, 0, 0
        elif character in "亿億":
            total, section, digit = (total + section + digit) * 10**8, 0, 0
        else:
            digit = _read_digit(character)
    return float(total + section + digit)


def _read_digit(character: str) -> int:
    return 2 if character in "两兩" else int(unicodedata.numeric(character))
