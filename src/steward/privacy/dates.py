"""Dates with a year or a month in words, and which of them are somebody's date of birth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Final

from steward.privacy.wordlists import CUES

_MONTH: Final = (
    r"(?:Jan(?:uary|uar)?|Feb(?:ruary|ruar)?|Mar(?:ch)?|März|Apr(?:il)?|May|[Mm]ai|Jun[ei]?|Jul[yi]?"
    r"|Aug(?:ust)?|Sept?(?:ember)?"
    r"|O[ck]t(?:ober)?|Nov(?:ember)?|De[cz](?:ember)?|janvier|février|mars|avril|juin|juillet|août"
    r"|septembre|octobre|novembre"
    r"|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre"
    r"|diciembre|gennaio|febbraio"
    r"|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|stycznia|lutego|marca|kwietnia|maja"
    r"|czerwca|lipca|sierpnia"
    r"|września|października|listopada|grudnia|maart|mei|augustus|janeiro|fevereiro|março|maio|junho"
    r"|julho|setembro|outubro"
    r"|dezembro)\.?"
)
_AFTER: Final = r"(?![\w/-]|\.[0-9])"
_DAY: Final = r"[0-9](?<![\w./-].)(?:(?<=0)[1-9]|(?<=[12])[0-9]|(?<=3)[01]|(?<=[1-9]))"
_SECOND: Final = r"(?:0?[1-9]|[12][0-9]|3[01])"
_ISO: Final = re.compile(
    r"(?:19|20)[0-9]{2}(?<![\w./-].{4})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[T ][0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?(?: ?(?:Z|UTC|[+-][0-2][0-9]:?[0-5][0-9]))?)?"
    rf"{_AFTER}"
)
_NUMERIC: Final = re.compile(rf"{_DAY}([./-]){_SECOND}\1(?:19|20)?[0-9]{{2}}{_AFTER}")
_DAY_FIRST: Final = re.compile(
    rf"{_DAY}(?:st|nd|rd|th|\.|er|º)?(?: of| de)? {_MONTH}(?:,| de)? (?:19|20)[0-9]{{2}}{_AFTER}"
)
_MONTH_FIRST: Final = re.compile(
    rf"(?<![\w./-]){_MONTH} (?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?,? (?:19|20)[0-9]{{2}}{_AFTER}"
)
_DAY_ONLY_FIRST: Final = re.compile(
    rf"{_DAY}(?:st|nd|rd|th|\.|er|º)?(?: of| de)? {_MONTH}(?![\w/-]|(?:,| de)? (?:19|20)[0-9]{{2}})"
)
_MONTH_ONLY_FIRST: Final = re.compile(
    rf"(?<![\w./-]){_MONTH} (?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?"
    r"(?![\w/:-]|\.[0-9]| [a-z]+s\b|,? (?:19|20)[0-9]{2})"
)
_DAY_OF_WEEK: Final = re.compile(r"[MTWFS](?<!\w.)(?:on|ues|ednes|hurs|ri|atur|un)day(?!\w)")
_IN_YEAR: Final = re.compile(r"(?<=(?:in|by|ce|ng|il|re|of) )(?:19|20)[0-9]{2}(?![\w/-]|\.[0-9])")
_YEAR: Final = re.compile("(?:19|20)[0-9]{2}")
_BIRTH: Final = re.compile(
    r"(?i)(?<![^\W_])(?:dob|d\.o\.b\.?|date[ _]?of[ _]?birth|birth[ _]?da(?:te|y)|born(?: in [^\W\d_]{2,24})?(?: on)?"
    r"|geboren(?: am)?|geb\.(?:[ -]?datum)?|geburts(?:datum|tag)|né(?:e|[(·./-]e\)?)? le|date de naissance"
    r"|fecha (?:de )?nac(?:imiento|\.)|nacid[oa](?:[/(]a\)?)? el|data di nascita"
    r"|nat[oa](?:[/(]a\)?)?(?: a [^\W\d_]{2,24})? il|data de nascimento|geboortedatum|data urodzenia|ur\.)"
    r"(?: ?\([dmyjtagr/. -]{6,12}\))?(?:</t[dh]>\s?<t[dh]>|>)?[\"']?[ \t]*[:=|is]{0,2}[ \t]*[\"']?$"
)


# As `_BIRTH`, which goes back where what follows begins with an s or an i.
_BIRTH_CUE: Final = re.compile(_BIRTH.pattern.removesuffix("$").replace("[:=|is]", r"(?:[:=|]|is(?=[ \t]))"))
_AFTER_CUE: Final = (_ISO, _NUMERIC, _DAY_FIRST, _MONTH_FIRST, _DAY_ONLY_FIRST, _MONTH_ONLY_FIRST)
_MONTHS: Final = CUES["months"]
_BIRTH_WORDS: Final = CUES["births"]
DATE_WORDS: Final = _MONTHS | _BIRTH_WORDS


def may_tell_birth(words: Set[str]) -> bool:
    """Whether one of the words, in lower case, could stand before a date of birth."""
    return not _BIRTH_WORDS.isdisjoint(words)


def find_dates(text: str, words: Set[str]) -> Iterator[tuple[int, int]]:
    """`words` are those of the text, in lower case."""
    has_month = not _MONTHS.isdisjoint(words)
    patterns: tuple[re.Pattern[str], ...] = (_DAY_ONLY_FIRST, _MONTH_ONLY_FIRST) if has_month else ()
    if _YEAR.search(text):
        in_words = (_DAY_FIRST, _MONTH_FIRST) if has_month else ()
        patterns = (_ISO, *in_words, _IN_YEAR, *patterns)
    for pattern in (_NUMERIC, _DAY_OF_WEEK, *patterns):
        for match in pattern.finditer(text):
            yield match.span()


def find_births(text: str) -> Iterator[tuple[int, int]]:
    """The dates of birth alone, each by the words before it."""
    for cue in _BIRTH_CUE.finditer(text):
        at = cue.end()
        ends = [match.end() for pattern in _AFTER_CUE if (match := pattern.match(text, at))]
        if ends:
            yield at, max(ends)


def is_birth(text: str, start: int) -> bool:
    """Whether what stands before the date at `start` says that somebody was born then."""
    return _BIRTH.search(text, max(0, start - 40), start) is not None
