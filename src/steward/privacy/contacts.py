"""How somebody is reached: e-mail addresses, phone numbers, IP addresses.

Every pattern is linear in the text: quantifiers are possessive or bounded, and a row of digit groups is read once.

Why our own phone patterns and not `phonenumbers`: its matcher is pure Python, needs a list of regions to guess
from, and takes bare digit groups of any table for numbers. Here a number without `+` or `00` must have a national
shape with separators, or a word such as "phone" before it, in one of eight languages.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Final

from steward.privacy.cards import is_word
from steward.privacy.wordlists import CUES, lower_letters

Spans = Iterator[tuple[int, int]]

# -- e-mail addresses (RFC 5321 without quoted local parts, so that no find needs escaping in JSON) ------------

_LOCAL: Final = re.compile(r"[\w.+'-]*")
_LONGEST_LOCAL: Final = 256  # RFC 5321 section 4.5.3.1.1 has 64
_DOMAIN: Final = re.compile(r"[^\W_]++(?:-++[^\W_]++)*+(?:\.[^\W_]++(?:-++[^\W_]++)*+)++")
_TOP: Final = re.compile(r"[^\W\d_]{2,63}|xn--[0-9A-Za-z-]{1,59}")
_IMAGE: Final = re.compile(r"[1-4]x\.")  # icon@2x.png


def find_emails(text: str) -> Spans:
    at = text.find("@")
    while at >= 0:
        if (domain := _DOMAIN.match(text, at + 1)) and not _IMAGE.match(text, at + 1):
            start, end = _find_local(text, at), domain.end()
            labels = domain[0].split(".")
            while len(labels) > 1 and not _TOP.fullmatch(labels[-1]):
                end -= len(labels.pop()) + 1
            is_git = text[start:at] == "git" and text[end : end + 1] == ":"  # git@github.com:owner/repository
            if start < at and len(labels) > 1 and not is_git:
                yield start, end
        at = text.find("@", at + 1)


def _find_local(text: str, at: int) -> int:
    """Where the name before the `@` begins; `at` where there is none."""
    reversed_text = text[max(0, at - _LONGEST_LOCAL) : at][::-1]
    match = _LOCAL.match(reversed_text)
    start = at - (match.end() if match else 0)
    while start < at and text[start] in ".'-":
        start += 1
    return start


# Spelled so that programs do not read them: "bob at example dot com", "bob [at] example.com", "bob arroba a punto es".
SPELLED_WORDS: Final = CUES["spelled_ats"] | {"at"}  # one of them is in each
_SPELLED_DOTS: Final = sorted(CUES["spelled_dots"])
_DOT_WORDS: Final = "|".join(_SPELLED_DOTS)
_SPELLED_DOT: Final = rf"(?: ?[(\[{{<](?:{_DOT_WORDS})[)\]}}>] ?| (?:{_DOT_WORDS}) )"
_SPELLED_AT: Final = rf"(?: ?[(\[{{<]at[)\]}}>] ?| (?:at|{'|'.join(sorted(CUES['spelled_ats']))}) )"
_BRACKETED_AT: Final = re.compile(r"[(\[{<](?i:at)[)\]}>]")
_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_SPELLED: Final = re.compile(
    rf"(?i)(?<![\w@.])[^\W_][\w+-]{{0,63}}(?:(?:\.|{_SPELLED_DOT})[\w+-]{{1,63}}){{0,3}}"
    rf"({_SPELLED_AT}){_LABEL}(?:(?:\.|({_SPELLED_DOT})){_LABEL}){{0,3}}(?:\.|({_SPELLED_DOT}))([a-z]{{2,24}})(?![\w-])"
)
# Top domains that are plain words together with "at" and "dot"; where brackets stand, any will do.
_SPELLED_TOPS: Final = CUES["spelled_tops"]


def find_spelled_emails(text: str) -> Spans:
    """Without brackets a dot has to be spelled, too: "at example.com" is a place."""
    lowered = text.lower()
    if not any(word in lowered for word in _SPELLED_DOTS) and not _BRACKETED_AT.search(text):
        return
    for match in _SPELLED.finditer(text):
        at, first_dot, last_dot, top = match.groups()
        is_bracketed = not at.strip().isalpha()
        if is_bracketed or ((first_dot or last_dot or at.strip().lower() != "at") and top.lower() in _SPELLED_TOPS):
            yield match.span()


# -- IP addresses (RFC 791, RFC 4291) ---------------------------------------------------------------------------

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.[0-9])")
_NUMBERED: Final = re.compile(  # what numbers with dots are versions or places in a document of, also of several
    r"(?i)(?:(?<![a-z])(?:version|release|build|ver|(?:(?:sub)?section|chapter|(?:sub)?clause|paragraph|figure|table|annex"
    r"|appendix|requirement|control|article|step|item|oid|kapitel|abschnitt|artikel)s?|fig|sect)\.?[ :=]{0,2}"
    r"|\xa7{1,2} ?)"
    r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){1,5}(?:,| and| or| to|\u2013|-)? ?){0,4}$"
    r"|\b(?:Chrome|Chromium|Firefox|Safari|Edge?|OPR|Version|AppleWebKit)/$"  # of a browser's header
)
_NUMBERED_CHARACTERS: Final = 60  # before an address in which such a word is looked for
_NUMBERED_WORDS: Final = (
    "version", "release", "build", "ver", "section", "chapter", "clause", "paragraph", "figure", "table", "annex",
    "appendix", "requirement", "control", "article", "step", "item", "oid", "kapitel", "abschnitt", "artikel", "fig",
    "sect", "and", "or", "to",
)  # fmt: skip
# How what stands before an address ends where `_NUMBERED` may find something: told faster than by trying it.
_NUMBERED_ENDS: Final = (*_NUMBERED_WORDS, *(f"{word}s" for word in _NUMBERED_WORDS), *"0123456789,-\u2013\xa7/")
# Global unicast, unique local and link-local, which are all that belong to a machine; so that std::byte, a MAC
# address and a time are not taken for one.
_IPV6: Final = re.compile(
    r"[23fF](?:(?<=[23])[0-9a-fA-F]{3}|(?<=[fF])(?:[cCdD][0-9a-fA-F]{2}|[eE][89abAB][0-9a-fA-F])):(?<![\w:.].{5})"
    r"[0-9a-fA-F:.]{1,42}+"
)
_FULL_IPV6: Final = re.compile(  # all eight groups, two of them of three digits or more, unlike an EUI-64
    r"[0-9a-fA-F](?<![\w:.].)[0-9a-fA-F]{2,3}:(?:[0-9a-fA-F]{1,4}:){6}[0-9a-fA-F]{1,4}(?![\w:])"
)
_MAPPED: Final = re.compile(rf"(?i)::ffff:(?<![\w:.].{{7}})((?:{_OCTET}\.){{3}}{_OCTET})(?![\w]|\.[0-9])")


def read_ipv4(text: str, start: int) -> tuple[int, int] | None:
    """The address that begins at `start`; unspecified and netmask-like ones are nobody's, nor are the loopback's that
    programs use (127.0.0.1, 127.0.0.53, 127.0.1.1)."""
    match = _IPV4.match(text, start)
    return match.span() if match and _is_somebodys(text, match[0], match.start()) else None


def _is_somebodys(text: str, digits: str, start: int) -> bool:
    nobody = digits.startswith(("127.0.", "255.")) or not digits.strip(".0") or _is_network(text, digits, start)
    return not nobody and not _is_numbered(text, start)


def _is_numbered(text: str, start: int) -> bool:
    """Whether a word says that the number at `start` is of a version or a place in a document."""
    before = text[max(0, start - _NUMBERED_CHARACTERS) : start].rstrip(" :=.").lower()
    if not before.endswith(_NUMBERED_ENDS):
        return False
    return _NUMBERED.search(text, max(0, start - _NUMBERED_CHARACTERS), start) is not None


def _is_network(text: str, digits: str, start: int) -> bool:
    """Whether it is a whole network, as in 10.0.0.0/8 (RFC 4632)."""
    end = start + len(digits)
    return digits.endswith(".0") and text[end : end + 1] == "/" and text[end + 1 : end + 2].isdigit()


def find_ipv6(text: str) -> Spans:
    """Those of a text with colons."""
    if "::" not in text and text.count(":") < 7:
        return
    for match in _MAPPED.finditer(text):
        if _is_somebodys(text, match[1], match.start()):
            yield match.span()
    for pattern in (_IPV6, _FULL_IPV6):
        yield from _find_ipv6(text, pattern)


def _find_ipv6(text: str, pattern: re.Pattern[str]) -> Spans:
    for match in pattern.finditer(text):
        candidate = match[0].rstrip(".")
        candidate = candidate if candidate.endswith("::") else candidate.rstrip(":")
        end = match.start() + len(candidate)
        if not is_word(text, end) and _is_ipv6(candidate):
            yield match.start(), end


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


# -- phone numbers (ITU-T E.164; national shapes of common plans) -----------------------------------------------

_DIGITS: Final = re.compile("[0-9]++")
_ALONE: Final = r"(?<![\w+])(?<![0-9][-/.:,])(?<!\w-)"  # not inside a number, a date, a time or an identifier
_GROUPS: Final = r"(?:\([0-9]++\)|[0-9]++)(?:[ \u00a0./-]?+(?:\([0-9]++\)|[0-9]++))*+"
_GROUP: Final = re.compile(r"([ \u00a0./-]?)(\()?([0-9]++)\)?")
_INTERNATIONAL: Final = re.compile(rf"(?<![\w+])(?:\+|(?<![0-9][., ])00)[ ]?+(?=[1-9(]){_GROUPS}")
# Country codes as assigned by the ITU (list annexed to Operational Bulletin 994).
_COUNTRY: Final = re.compile(
    r"1|7|2(?:0|7|1[1-368]|[2-6][0-9]|9[0-1789])|3(?:[0-469]|5[0-9]|7[0-8]|8[0-35-79])|4(?:[013-9]|2[013])"
    r"|5(?:[1-8]|0[0-9]|9[0-9])|6(?:[0-6]|7[02-9]|8[0-9]|9[0-2])|8(?:[1246]|0[08]|5[0-9]|7[08]|8[0-9])"
    r"|9(?:[0-58]|6[0-9]|7[0-9]|9[0-9])"
)
_OF_FOUR_DIGITS: Final = ("290", "683", "690")  # Saint Helena and Tristan da Cunha, Niue, Tokelau: so many follow
_EXTENSION: Final = r"(?: ?(?:x|ext\.?) ?[0-9]{1,5})?+"
_AND_EXTENSION: Final = re.compile(r" ?(?:x|ext\.?) ?[0-9]{1,5}(?!\w)")
# Three, three and four digits that an extension follows, of no valid area or exchange either.
_EXTENDED: Final = re.compile(rf"{_ALONE}[0-9]{{3}}([ .-])[0-9]{{3}}\1[0-9]{{4}} ?(?:x|ext\.?) ?[0-9]{{1,5}}(?!\w)")
_NANP: Final = (
    re.compile(  # area and exchange; no exchange begins with 0 or 1, but numbers of Mexico and Italy look alike
        rf"{_ALONE}(?<![0-9] )(?:1[ .-])?+(?:\([2-9][0-9]{{2}}\)[ ./-]{{0,2}}[2-9][0-9]{{2}}[ .-]?[0-9]{{4}}"
        rf"|[2-9][0-9]{{2}}([ .-])(?!000)[0-9]{{3}}\1[0-9]{{4}}){_EXTENSION}(?![0-9]|[-. ][0-9])"
    )
)
_AREA: Final = re.compile(  # (11) 91234-5678, (022) 12669, (11)912345678
    r"(?<!\w)\((?:[0-9]{2,5}\)[ ./-]{0,2}[0-9]{3,5}[ .-][0-9]{3,4}|0[0-9]{1,4}\)[ ./-]{0,2}[0-9]{5,8}"
    rf"|[1-9][0-9]\)[ ]?9[0-9]{{8}}){_EXTENSION}(?![0-9]|[-. ][0-9])"
)
# The trunk digits of BY, HU, KZ, LT, RU and TM before an area in brackets or with it: 8 (771) 000 9309, (8 12) 34-55.
_EIGHT: Final = re.compile(
    rf"{_ALONE}(?<![0-9] )(?:8[ -]?\([0-9]{{2,5}}\)|\((?:8 |8-|0-|06 )[0-9]{{1,4}}\))(?:[ -]?[0-9]{{1,3}}){{1,4}}"
    r"(?![0-9]|[-. ][0-9]|\w)"
)
_CHINA: Final = re.compile(rf"{_ALONE}(?<![0-9] )1[3-9][0-9]([ -])[0-9]{{4}}\1[0-9]{{4}}(?![0-9]|[-. ][0-9])")
# How many digits the first and the second group of a national number without a leading zero have, and what parts them.
NATIONAL_GROUPS: Final = {
    groups: frozenset(joints)
    for groups, joints in (
        ((1, 3), " .-"), ((2, 2), " -"), ((2, 3), " -"), ((2, 4), " "), ((2, 5), " "), ((2, 6), " "), ((3, 2), " -"),
        ((3, 3), " .-)"), ((3, 4), " -"), ((3, 7), ")-"), ((4, 3), " -"), ((4, 4), " "), ((5, 5), " "),
        ((10, 0), ("", " ", ".", ",", ";", "!", "?", ")", "\n")),
    )
}  # fmt: skip
_TRUNK: Final = re.compile(rf"{_ALONE}(?<![0-9] )(?=\(?0[1-9]){_GROUPS}")  # 030 901820, 020 7946 0958, 01 23 45 67 89
_MOBILE: Final = re.compile(r"0(?:7[1-9]|6[0-9]|1[5-7]|4[0-9])[0-9]{7,9}")  # GB and FR, FR, DE, AU without separators
# A postal code of the United States (ZIP+4: Domestic Mail Manual 602.1.8) after a state or a town: MA 02110-1301.
_ZIP: Final = re.compile(r"0[0-9]{4}-[0-9]{4}")
_PLACE: Final = re.compile(r"\b[A-Z][A-Za-z]+[.,]?\s{1,3}$")
_PAIRS: Final = 5  # of digits, in numbers of France
_DATE: Final = re.compile(r"[0-9]{1,2}[./ -][0-9]{1,2}[./ -](?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}[./-][0-9]{1,2}[./-]")
# What parts a word for a telephone from its number: "Phone:", "my mobile number is", "Rufen Sie mich bitte unter". Only
# these words, so that "the phone has 16 000 000 colours" is none.
_LINKS: Final = "|".join(sorted(map(re.escape, CUES["after_phones"]), reverse=True))
_TO_NUMBER: Final = (
    rf"(?:[ _'’-]\(?(?:{_LINKS})(?![^\W_])\)?|[ _](?:n°|nº|#)){{0,5}}\.?"
    r"[\"']?[ \t]{0,2}[:=]?[ \t]{0,2}(?:\n[ \t]*)?(?:\| ?|</?t[dh]>){0,2}[\"']?(?<![a-zA-Z])"
    rf"({_GROUPS})"
)


def _after(condition: str) -> re.Pattern[str]:
    return re.compile(rf"(?i){condition}{_TO_NUMBER}")


_AFTER_NAME: Final = _after("")
_AFTER_ACT: Final = _after(r"(?: (?:me|us|him|her|them)\b|(?= ?:))")
_AFTER_OWNER: Final = _after(r"[ _](?:number|nummer|numéro|numero|número|numer)(?:['’]s)?(?![^\W\d_])")
_AFTER_FIELD: Final = _after("(?= ?[:=])")
_AFTER_REACHED: Final = _after(r"(?: (?:me|us|him|her|them))?(?= (?:at|on|via|by|under|from|through)\b)")
_AFTER_LETTER: Final = _after("(?=:? ?(?:[+(0]|[0-9]{2,4} [0-9]))")
# A telephone's kind after its number: "631 331 197-Office", "555 0100 (mobile)"; begun at the last digit, since a digit
# is searched for faster than a group.
_KIND_AFTER: Final = re.compile(
    r"[0-9](?=[ -]?\(?(?:Office|Fax|Mobile|Cell|Home|Work|Tel|Phone|office|fax|mobile|cell|home|work|tel|phone)(?!\w))"
)
_KINDS: Final = frozenset(("office", "fax", "mobile", "cell", "home", "work", "tel", "phone"))
_KIND_OF: Final = re.compile(rf"{_ALONE}(?<![0-9] ){_GROUPS}\Z")
_LONGEST_PHONE: Final = 24  # characters of a number with its separators
_NANP_SECOND: Final = (3, 7)  # digits of the group after an area in brackets, or another
_CHINA_SECOND: Final = 4
_EXTENDED_SECOND: Final = 3


def may_begin_phone(text: str, start: int) -> bool:
    """Whether one with a zero, a country or an area in brackets could begin with the digits at `start`."""
    before = text[start - 3 : start] if start > 2 else text[:start]
    return text[start] == "0" or "+" in before or "(" in before


class PhoneReader:
    """The phone numbers of one text, asked for at each place where a number begins, from left to right. `calls`: it has
    a word of `CALLED_WORDS`."""

    def __init__(self, text: str, calls: bool = True) -> None:
        self._text, self._calls = text, calls
        self._international = self._trunk = 0  # up to where rows of digit groups have been read

    def read(self, start: int, end: int, second: int) -> list[tuple[int, int]]:
        """Those that begin with the digits from `start` to `end`, or with the bracket or the plus before them.
        `second`: how many digits the next group has."""
        text, phones, groups = self._text, list[tuple[int, int]](), (end - start, second)
        before, after = text[start - 3 : start] if start > 2 else text[:start], text[end : end + 1]
        has_plus = "+" in before
        if has_plus and (phone := self._read_international(start - len(before) + before.rfind("+"))):
            return [phone]
        first = start - 1 if after == ")" and before[-1:] == "(" else start
        if text[start] == "0":
            if not has_plus and text[start + 1 : start + 2] == "0" and (phone := self._read_international(start)):
                phones.append(phone)
            extended = _EXTENDED.match(text, start)
            if phone := extended.span() if extended else self._read_trunk(first):
                phones.append(phone)
        elif after in NATIONAL_GROUPS.get(groups, ()) and (phone := self._read_grouped(start, first, second)):
            phones.append(phone)
        if first < start and (match := _AREA.match(text, first)):
            phones.append(match.span())
        if "(" in before and (phone := self._read_eight(start)):
            phones.append(phone)
        if phones:
            return phones
        short = read_short_phone(text, start, first) if groups in _SHORT_GROUPS else None
        if short is None and self._calls and (groups in _SHORT_GROUPS or groups in _CALLED_GROUPS):
            short = read_called_phone(text, start, first)
        return [short] if short else []

    def _read_eight(self, start: int) -> tuple[int, int] | None:
        """One with a trunk digit before the bracket at `start` or within it."""
        text, bracket = self._text, self._text.rfind("(", max(0, start - 3), start)
        begin = bracket - 2 if text.startswith(("8 ", "8-"), bracket - 2) and bracket > 1 else bracket
        match = _EIGHT.match(text, begin)
        return match.span() if match and sum(map(str.isdigit, match[0])) >= _LEAST_TRUNK else None

    def _read_grouped(self, start: int, first: int, second: int) -> tuple[int, int] | None:
        """A national number without a leading zero; `first` is before its bracket."""
        text = self._text
        match = _NANP.match(text, first) if second in _NANP_SECOND else None
        if match is None and second == _CHINA_SECOND:
            match = _CHINA.match(text, start)
        if match is None and second == _EXTENDED_SECOND:
            match = _EXTENDED.match(text, start)
        match = match or self._read_national(start)
        return match.span() if match else None

    def _read_national(self, start: int) -> re.Match[str] | None:
        match = _NATIONAL.match(self._text, start)
        if match is None and (match := _FIELD.match(self._text, start)):
            match = match if _FIELD_BEGINS.search(self._text, max(0, start - 5), start) else None
        return match if match and not _SOMETHING_ELSE.search(self._text, max(0, start - 24), start) else None

    def _read_international(self, start: int) -> tuple[int, int] | None:
        match = _INTERNATIONAL.match(self._text, start) if start >= self._international else None
        if match is None:
            return None
        self._international = match.end()
        end = _international(self._text, match)
        return (start, _extend(self._text, end)) if end else None

    def _read_trunk(self, start: int) -> tuple[int, int] | None:
        match = _TRUNK.match(self._text, start) if start >= self._trunk else None
        if match is None:
            return None
        self._trunk = match.end()
        return _trunk(self._text, match)


# Farther from such a word, in the same sentence or in the answer to a question: digits in groups only, and no count of
# thousands.
_NEAR: Final = re.compile(
    r"([^0-9.!?\n]{1,60}|[^0-9.!?\n]{0,40}\?[\"']?\s{1,3}(?:[A-Za-z ]{1,20}: ?)?(?:[A-Za-z']{1,6},? ){0,3})"
    rf"{_ALONE}({_GROUPS})"
)
_OTHER_NUMBER: Final = re.compile(
    r"(?i)\b(?:order|ticket|case|invoice|account|card|ids?|code|pin|room|flight|version|price|costs?|usd|eur|dollars?|cents"
    r"|euros?|million|about|than|has|have|with|for|of|bestellung|rechnung|konto|kundennummer|commande|facture|compte|pedido"
    r"|factura|cuenta|ordine|fattura|conto|fatura|conta|bestelling|factuur|rekening|zamówienie|faktura|für|pour|para|per"
    r"|voor|dla|pixels?|colou?rs?|bytes|rows|users|serial|imei)\b|[$€£%]"
)
# Groups that few but telephones have: 601 234 567 (ES, PL, CZ, PT), 51 516 33 75 (PL), 612 34 56 78 (ES), 21 234 5678
# (PT), 11 2345-6789 (BR), 98765 43210 (IN), 406 12 345 (NO).
_UNITS: Final = (
    "km|m²|kg|mm|cm|px|people|million|eur|euros?|usd|gbp|pln|zł|kr|dollars?|cents|[kmg]b|bytes|rows|users|ms|seconds"
)
_NO_MORE: Final = rf"(?![0-9]|[-. ,][0-9]|[\w/]| ?[$€£%°]|(?i: ?(?:{_UNITS})\b))"
_NATIONAL: Final = re.compile(
    rf"{_ALONE}(?<![0-9$€£] )(?:[1-9][0-9] [2-9][0-9]{{2}} [0-9]{{3}} [0-9]{{4}}"
    rf"|[5-9][0-9]{{2}}([ -])(?!000)[0-9]{{3}}\1(?!000)[0-9]{{3}}"
    r"|[1-9][0-9]([ -])[0-9]{3}\2[0-9]{2}\2[0-9]{2}|[5-9][0-9]{2}([ -])[0-9]{2}\3[0-9]{2}\3[0-9]{2}"
    rf"|[1-9][0-9]([ -])[0-9]{{3}}\4[0-9]{{4}}|[1-9][0-9] 9?[0-9]{{4}}-[0-9]{{4}}|[6-9][0-9]{{4}} [0-9]{{5}}"
    rf"|[4-9][0-9]{{2}} [0-9]{{2}} [0-9]{{3}}){_NO_MORE}"
)
_SOMETHING_ELSE: Final = re.compile(
    r"(?i)\b(?:order|ticket|case|invoice|sku|ref|ean|gtin|upc|isbn|total|net|gross|sum|population|tracking|version|build|utm"
    r"|bestellung|rechnung|commande|facture|pedido|factura|ordine|fattura|zamówienie|faktura|summe|somme)\b[^a-z\n]{0,12}\Z"
)
# Those that other numbers have as well count alone in their field: 212 345 678 (CZ), 40 61 42 62 (NO, DK).
_FIELD: Final = re.compile(
    r"[2-9][0-9](?:[0-9] (?!000)[0-9]{3} (?!000)[0-9]{3}|(?: [0-9]{2}){3})(?=[\n|;)\"<]| \||[.,]?\s*\Z)"
)
_FIELD_BEGINS: Final = re.compile(r"(?:\A|[\n|;(\">]|[a-z],)[ \t-]{0,4}\Z")
_COUNTED: Final = re.compile(rf"(?i) ?(?:(?:{_UNITS})\b|[$€£%])")
_MOST_DIGITS: Final = 15  # of an international number (E.164)
_LEAST_TRUNK: Final = 9  # digits of a number with a trunk digit
_LEAST_ALONE: Final = 7  # digits of a named number without groups
_WHOLE: Final = 10  # digits of a number with its area
_CALLS: Final = CUES["ambiguous_phones"]
_LOOSE_WORDS: Final = CUES["loose_owners"]
# What follows "call 6568789" where somebody is to be called, unlike "call 6568789 returned".
_SENTENCE_GOES_ON: Final = re.compile(
    r"(?:[.!?]?[\"')]?(?:\s*\Z|\s*\n)|[.!?;] [A-Z]| (?:and|or|to|for|if|when|before|after|between|during|today|tomorrow"
    r"|tonight|now|please|any|anytime|as|because|so|until|till|unless|und|oder|um|für|wenn|vor|nach|bitte|ab|pour|avant"
    r"|après|si|et|ou|para|y|antes|per|se|e|dopo|voor|als|en|i|lub|aby)\b)"
)


def find_named_phones(text: str, words: Set[str]) -> Spans:
    """Digits of any shape beside a word that says what they are. `words` are those of the text, in lower case."""
    cues = PHONE_WORDS & words
    if not OWNED_WORDS.isdisjoint(words):
        cues |= OWNER_WORDS & words
    if not cues:
        return
    lowered = lower_letters(text)
    for cue, pattern in (entry for first in sorted(cues) for entry in _PHONE_CUES[first]):
        for end in _find_word(text, lowered, cue):
            match = pattern.match(text, end)
            if match and (phone := _read_named(text, *match.span(1))) and _is_told(text, cue, pattern, phone):
                yield phone
            if pattern is _AFTER_NAME and (match := _NEAR.match(text, end)) and not _OTHER_NUMBER.search(match[1]):
                phone = _read_named(text, *match.span(2))
                if phone and not text[slice(*phone)].isdigit() and "000" not in _DIGITS.findall(text, *phone):
                    yield phone
    for kind in () if _KINDS.isdisjoint(cues) else _KIND_AFTER.finditer(text):
        before = _KIND_OF.search(text, max(0, kind.end() - _LONGEST_PHONE), kind.end())
        if before and (phone := _read_named(text, *before.span())):
            yield phone


# Short numbers of towns, which much else looks like: 555 0123, 22 555012, 5550 1234, 22-55-01-23, (5) 555-0123. They
# count in a sentence that speaks of no other number.
_SHORT_GROUPS: Final = frozenset(((3, 4), (2, 6), (4, 4), (3, 7), (2, 2), (1, 3), (10, 0)))
_CALLED_GROUPS: Final = frozenset(((2, 3), (2, 4), (3, 3), (4, 3)))
_SHORT: Final = re.compile(
    rf"{_ALONE}(?<![0-9$€£] )(?:[2-9][0-9]{{2}}[ -][0-9]{{4}}|[1-9][0-9] [0-9]{{6}}|[2-9][0-9]{{3}} [0-9]{{4}}"
    rf"|[2-9][0-9]{{2}}-[0-9]{{7}}|[2-9][0-9](?:-[0-9]{{2}}){{3}}|\([1-9]\) [0-9]{{3}}-[0-9]{{4}}"
    r"|(?:[2-9][0-9]{2}){2}[0-9]{4}(?=[.,;!?)]?(?:\s*\Z|\n)|[,;.!?)] | (?:and|or|is|was|from|to|for|on|at|in|if|when"
    rf"|but|any|again|today|instead|please|now)\b)){_NO_MORE}"
)
_YEARS: Final = re.compile("(?:19|20)[0-9]{2} (?:19|20)[0-9]{2}")
_NO_SENTENCE: Final = re.compile(r"[0-9={}\[\]<>|\\_@#/%$€£]")
_PLAIN_WORDS: Final = re.compile(r"(?<![\w.-])[A-Za-z][a-z']+(?![\w-])")
_LEAST_WORDS: Final = 3
_LONGEST_SENTENCE: Final = 160  # characters on each side
_ANOTHER_NUMBER: Final = re.compile(
    r"(?i)\b(?:order|tickets?|case|invoice|account|accounts|card|ids?|code|pin|room|flight|version|prices?|costs?|usd|eur"
    r"|serial|imei|sku|ref|reference|isbn|ean|total|sum|tracking|build|part|model|bug|issue|error|offset|address|zip|postal"
    r"|page|pages|chapter|row|rows|line|lines|bytes|seconds|records|items|users|people|population|score|coordinates"
    r"|bestellung|rechnung|konto|kundennummer|commande|facture|compte|pedido|factura|cuenta|ordine|fattura|conto)\b"
)


# What follows "messages from", "answers at" or "texts to my old": any groups of 6 to 10 digits that end their clause.
CALLED_WORDS: Final = CUES["called"]
_CALLED: Final = re.compile(
    rf"(?i)\b(?:{'|'.join(sorted(CALLED_WORDS))})\b"
    r"[^.!?\n]{0,80} (?:at|on|to|from|via|by|under|through|is|was"
    r"|(?:my|his|her|our|your|their)(?: (?!orders?\b|case\b|tickets?\b)[a-z]{2,12}){1,2}) \(?\Z"
)
_ANY_GROUPS: Final = re.compile(
    rf"{_ALONE}(?<![0-9$€£] )\(?[1-9][0-9]{{1,3}}\)?(?:[ -][0-9]{{2,6}}){{1,3}}(?=[.,;!?)]?(?:\s*\Z|\n)|[,;.!?)] "
    rf"| (?:and|or|if|when|but|any|again|today|instead|please|now|since|because)\b){_NO_MORE}"
)
_SHORT_DATE: Final = re.compile("(?:0?[1-9]|[12][0-9]|3[01])[ -](?:0?[1-9]|1[0-2])[ -]")


def read_called_phone(text: str, start: int, first: int) -> tuple[int, int] | None:
    """A number in groups of any size at `start`, of which words say that somebody is called or written to by it."""
    match = _ANY_GROUPS.match(text, first)
    if match is None or not 6 <= sum(map(str.isdigit, match[0])) <= _WHOLE or "000" in match[0]:
        return None
    before = text[max(text.rfind("\n", 0, start) + 1, start - _LONGEST_SENTENCE) : first + (first < start)]
    is_date = _SHORT_DATE.match(text, start) or _DATE.match(text, start) or _YEARS.fullmatch(match[0])
    if is_date or not _CALLED.search(before) or _ANOTHER_NUMBER.search(before[-_NEXT_TO:]):
        return None
    return match.span()


_NEXT_TO: Final = 24  # characters


def read_short_phone(text: str, start: int, first: int) -> tuple[int, int] | None:
    """A short number whose digits begin at `start`, in a sentence of words alone; `first` is before its bracket."""
    match = _SHORT.match(text, first)
    if match is None or _YEARS.fullmatch(match[0]) or "000" in match[0]:
        return None
    begin = max(text.rfind("\n", 0, start) + 1, start - _LONGEST_SENTENCE)
    stop = text.find("\n", match.end())
    rest = text[match.end() : min(stop if stop >= 0 else len(text), match.end() + _LONGEST_SENTENCE)]
    sentence = f"{text[begin:first]} {rest}"
    words = len(_PLAIN_WORDS.findall(sentence))
    plain = words >= _LEAST_WORDS and not _NO_SENTENCE.search(sentence) and not _ANOTHER_NUMBER.search(sentence)
    return match.span() if plain else None


# After somebody's name or address: "Zora Quill, 555 0123", or on the next line, alone.
_BESIDE: Final = re.compile(rf"[ \t]?(?:[,:;|(]|[-–][ \t]|\n)[ \t]?({_GROUPS})(?=[ \t]*(?:[\n,;|)]|[.?!](?!\w)|\Z))")
_CODES: Final = re.compile(r"[0-9]{5}-[0-9]{3,4}|[0-9]{3}-[0-9]{4}|[0-9]{2}-[0-9]{3}|[0-9]{3} [0-9]{2,3}")  # postal
_LEAST_BESIDE: Final = 6


def read_phone_beside(text: str, end: int, least: int = _LEAST_BESIDE) -> tuple[int, int] | None:
    """The number in groups, of `least` digits or more, that stands beside what ends at `end` and in nothing else."""
    match = _BESIDE.match(text, end)
    if match is None or match[1].isdigit() or _CODES.fullmatch(match[1]):
        return None
    groups = _DIGITS.findall(match[1])
    if sum(map(len, groups)) < least or "000" in groups or len(groups) > _MOST_GROUPS:
        return None
    phone = _read_named(text, *match.span(1))
    return phone if phone and phone[1] >= match.end(1) else None


_MOST_GROUPS: Final = 5


def _is_told(text: str, cue: str, pattern: re.Pattern[str], phone: tuple[int, int]) -> bool:
    """Whether what stands after the cue could be a telephone's: words that announce other numbers as well need groups,
    or the ten digits of a whole number; those for a call need a sentence that goes on as one to a person does."""
    number = text[slice(*phone)]
    if len(number) >= _WHOLE or number[0] in "0+" or not number.isdigit():
        return True
    if cue in _LOOSE_WORDS or pattern is _AFTER_REACHED:
        return False
    return cue not in _CALLS or _SENTENCE_GOES_ON.match(text, phone[1]) is not None


def _find_word(text: str, lowered: str, word: str) -> Iterator[int]:
    """Where it ends, as a whole word; digits may follow, and a single letter counts as a capital only."""
    at = lowered.find(word)
    while at >= 0:
        end = at + len(word)
        follows = end < len(text) and text[end].isalpha()
        if not follows and (at == 0 or not text[at - 1].isalnum()) and (len(word) > 1 or text[at].isupper()):
            yield end
        at = lowered.find(word, end)


_IN_FIELD: Final = re.compile(r"(?i:(?:phone|tel|telefon|mobile|fax)\"?) ?[:=|] ?\"?\Z")


def _read_named(text: str, start: int, limit: int) -> tuple[int, int] | None:
    """In a field of its own ("Phone: 22129") five digits are enough."""
    in_field = _IN_FIELD.search(text, max(0, start - 16), start) is not None
    end = _longest(text, start, limit, 5 if in_field else 6, 15)
    least = 5 if in_field else _LEAST_ALONE
    if (
        end is None
        or _DATE.match(text, start)
        or _COUNTED.match(text, end)
        or (end - start < least and text[start:end].isdigit())
    ):
        return None
    return start, _extend(text, end)


def _extend(text: str, end: int) -> int:
    """Where the extension ends that follows a number."""
    match = _AND_EXTENSION.match(text, end)
    return match.end() if match else end


def _index_cues() -> Mapping[str, Sequence[tuple[str, re.Pattern[str]]]]:
    """Each word for a telephone and what may follow it, by the word that a text has in lower case if it has it."""
    patterns = (
        ("phones", _AFTER_NAME),
        ("calls", _AFTER_NAME),
        ("phone_acts", _AFTER_ACT),
        ("owners", _AFTER_OWNER),
        ("loose_owners", _AFTER_OWNER),
        ("reached", _AFTER_REACHED),
        ("phone_initials", _AFTER_FIELD),
        ("phone_fields", _AFTER_FIELD),
        ("phone_letters", _AFTER_LETTER),
    )
    cues: defaultdict[str, list[tuple[str, re.Pattern[str]]]] = defaultdict(list)
    for name, pattern in patterns:
        for cue in sorted(CUES[name]):
            cues[cue.partition("-")[0]].append((cue, pattern))
    return cues


_PHONE_CUES: Final = dict(_index_cues())
# Words that own numbers ("the", "my"): in a text without a word for a number they tell nothing.
OWNED_WORDS: Final = frozenset(("number", "nummer", "numéro", "numero", "número", "numer"))
OWNER_WORDS: Final = frozenset(
    cue for cue, entries in _PHONE_CUES.items() if all(pattern is _AFTER_OWNER for _, pattern in entries)
)
# One of these, or an owner of a number, stands beside each named number.
PHONE_WORDS: Final = frozenset(_PHONE_CUES) - OWNER_WORDS


def _international(text: str, match: re.Match[str]) -> int | None:
    """Where the number ends; None where it is none. 8 to 15 digits of an assigned country; 10 after 1 (E.164)."""
    start, end = match.span()
    has_plus = text[start] == "+"
    start += 1 if has_plus else 2
    groups = _DIGITS.findall(text, start, end)
    if not has_plus and text[start] == " " and all(len(group) == 2 for group in groups):  # a dump
        return None
    digits = "".join(groups)
    if not _COUNTRY.match(digits):
        return None
    if digits.startswith("1"):
        return _longest(text, start, end, 11, 11)
    least = (7 if digits.startswith(_OF_FOUR_DIGITS) else 8) if has_plus else 10
    if least <= len(digits) <= _MOST_DIGITS and not is_word(text, end):
        return end
    return _longest(text, start, end, least, _MOST_DIGITS)


def _longest(text: str, start: int, limit: int, least: int, most: int) -> int | None:
    """The end of the longest row of whole digit groups from `start` that has `least` to `most` digits."""
    count, end = 0, None
    for group in _GROUP.finditer(text, start, limit):
        count += len(group[3])
        if count > most:
            break
        if count >= least and (not is_word(text, group.end()) or _AND_EXTENSION.match(text, group.end())):
            end = group.end()
    return end


def _trunk(text: str, match: re.Match[str]) -> tuple[int, int] | None:
    """Where a national number is: 9 to 12 digits in groups of two or more, the same separator after the first; 8 where
    only the first has another (08-12 34 56)."""
    if _ZIP.fullmatch(match[0].strip()) and _PLACE.search(text, max(0, match.start() - 24), match.start()):
        return None
    groups = list(_GROUP.finditer(text, *match.span()))
    if len(groups) == 1:
        return groups[0].span(3) if _MOBILE.fullmatch(groups[0][3]) and not is_word(text, match.end()) else None
    taken = groups[:2]
    for group in groups[2:]:
        if group[1] != (taken[2][1] if len(taken) > 2 else group[1]) or len(group[3]) < 2:
            break
        taken.append(group)
    parted_otherwise = len(taken) > 2 and taken[2][1] != taken[1][1]
    if len(taken) != _PAIRS and not parted_otherwise and all(len(group[3]) == 2 for group in taken):
        return None  # numbers that were drawn, or a dump
    digits = sum(len(group[3]) for group in taken)
    end = taken[-1].end()
    least = 8 if parted_otherwise else 9
    fits = least <= digits <= 12 and len(taken[1][3]) >= 2 and len(taken[0][3]) <= 6
    return (match.start(), end) if fits and not _DATE.match(match[0]) and not is_word(text, end) else None
