"""How somebody is reached: e-mail addresses, phone numbers, IP addresses.

Every pattern is linear in the text: quantifiers are possessive or bounded, and a row of digit groups is read once.

Why our own phone patterns and not `phonenumbers`: its matcher is pure Python, needs a list of regions to guess
from, and takes bare digit groups of any table for numbers. Here a number without `+` or `00` must have a national
shape with separators, or a word such as "phone" before it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Set
from typing import Final

from steward.privacy.cards import is_word
from steward.privacy.wordlists import CUES

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
            start = _find_local(text, at)
            labels = domain[0].split(".")
            while len(labels) > 1 and not _TOP.fullmatch(labels[-1]):
                labels.pop()
            end = at + 1 + len(".".join(labels))
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


# -- IP addresses (RFC 791, RFC 4291) ---------------------------------------------------------------------------

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.[0-9])")
_VERSION: Final = re.compile(r"(?i)(?<![a-z])(?:version|release|build|ver)\.?[ :=]{0,2}$")
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
    """The address that begins at `start`; loopback, unspecified and netmask-like ones are nobody's."""
    match = _IPV4.match(text, start)
    return match.span() if match and _is_somebodys(text, match[0], match.start()) else None


def _is_somebodys(text: str, digits: str, start: int) -> bool:
    nobody = digits.startswith(("127.", "255.")) or not digits.strip(".0")
    return not nobody and not _VERSION.search(text, max(0, start - 12), start)


def find_ipv6(text: str) -> Spans:
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
_INTERNATIONAL: Final = re.compile(rf"(?<![\w+])(?:\+|(?<![0-9][.,])00)[ ]?+(?=[1-9(]){_GROUPS}")
# Country codes as assigned by the ITU (list annexed to Operational Bulletin 994).
_COUNTRY: Final = re.compile(
    r"1|7|2(?:0|7|1[1-368]|[2-6][0-9]|9[0-1789])|3(?:[0-469]|5[0-9]|7[0-8]|8[0-35-79])|4(?:[013-9]|2[013])"
    r"|5(?:[1-8]|0[0-9]|9[0-9])|6(?:[0-6]|7[02-9]|8[0-9]|9[0-2])|8(?:[1246]|0[08]|5[0-9]|7[08]|8[0-9])"
    r"|9(?:[0-58]|6[0-9]|7[0-9]|9[0-9])"
)
_EXTENSION: Final = r"(?: ?(?:x|ext\.?) ?[0-9]{1,5})?+"
_AND_EXTENSION: Final = re.compile(r" ?(?:x|ext\.?) ?[0-9]{1,5}(?!\w)")
# Three, three and four digits that an extension follows, of no valid area or exchange either.
_EXTENDED: Final = re.compile(rf"{_ALONE}[0-9]{{3}}([ .-])[0-9]{{3}}\1[0-9]{{4}} ?(?:x|ext\.?) ?[0-9]{{1,5}}(?!\w)")
_NANP: Final = re.compile(
    rf"{_ALONE}(?<![0-9] )(?:1[ .-])?+(?:\([2-9][0-9]{{2}}\)[ -]?|[2-9][0-9]{{2}}([ .-]))[2-9][0-9]{{2}}(?(1)\1|[ .-])"
    rf"[0-9]{{4}}{_EXTENSION}(?![0-9]|[-. ][0-9])"
)
_AREA: Final = re.compile(
    r"(?<!\w)\([0-9]{2,5}\) ?[0-9]{3,5}[ -][0-9]{3,4}" + _EXTENSION + r"(?![0-9]|[-. ][0-9])"
)  # (11) 91234-5678
_CHINA: Final = re.compile(rf"{_ALONE}(?<![0-9] )1[3-9][0-9]([ -])[0-9]{{4}}\1[0-9]{{4}}(?![0-9]|[-. ][0-9])")
_BEFORE_PHONE: Final = frozenset("+(")  # what a number with a country or an area in brackets has before its digits
_NATIONAL_RUNS: Final = (1, 2, 3)  # digits that the first group of any has
_TRUNK: Final = re.compile(rf"{_ALONE}(?<![0-9] )(?=\(?0[1-9]){_GROUPS}")  # 030 901820, 020 7946 0958, 01 23 45 67 89
_MOBILE: Final = re.compile(r"0(?:7[1-9]|6[0-9]|1[5-7]|4[0-9])[0-9]{7,9}")  # GB and FR, FR, DE, AU without separators
# A postal code of the United States (ZIP+4: Domestic Mail Manual 602.1.8) after a state or a town: MA 02110-1301.
_ZIP: Final = re.compile(r"0[0-9]{4}-[0-9]{4}")
_PLACE: Final = re.compile(r"\b[A-Z][A-Za-z]+[.,]?\s{1,3}$")
_DATE: Final = re.compile(r"[0-9]{1,2}[./ -][0-9]{1,2}[./ -](?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}[./-][0-9]{1,2}[./-]")
# A word for a telephone, then the number: "Phone:", "my mobile number is", "call her back on". Only these words part
# them, so that "the phone has 16 000 000 colours" is none.
_NAMED: Final = re.compile(
    r"(?i)(?<![a-z])(?:(?:tel(?:ephone|efon|éfono|éphone)?|phone|mobile|cell(?:phone)?|fax|whatsapp|sms|handy|móvil|hotline"
    r"|helpline|landline|dial|call(?:ing)?|ring|(?:text|reach|contact)(?= (?:me|us|him|her|them)\b)|contact(?= ?:)"
    r"|(?:my|his|her|their|our|your) number)(?![a-z])(?:[ _](?:is|was|at|on|under|via|me|us|him|her|them|back|directly"
    r"|please|now|number|line|no|nr|num|can|be|reached|my|his|our|their|office|home|mobile|cell|work|phone|fax|ist|es|est"
    r"|op|unter|al|au|en|em|numéro|número|nummer)(?![a-z])|[ _](?:n°|#)){0,4}|(?:desk|office|home|work)(?= ?[:=]))\.?"
    r"[\"']?[ \u00a0\t]{0,2}[:=]?[ \u00a0\t]{0,2}(?:\n[ \t]*)?[\"']?(?<![a-z])"
    rf"({_GROUPS})"
)
# A telephone's kind after its number: "631 331 197-Office", "555 0100 (mobile)"; begun at the last digit, since a digit
# is searched for faster than a group.
_KIND_AFTER: Final = re.compile(
    r"[0-9](?=[ -]?\(?(?:Office|Fax|Mobile|Cell|Home|Work|Tel|Phone|office|fax|mobile|cell|home|work|tel|phone)(?!\w))"
)
_KIND_OF: Final = re.compile(rf"{_ALONE}(?<![0-9] ){_GROUPS}\Z")
_LONGEST_PHONE: Final = 24  # characters of a number with its separators


class PhoneReader:
    """The phone numbers of one text, asked for at each place where a number begins, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._international = self._trunk = 0  # up to where rows of digit groups have been read

    def may_begin(self, start: int, run: int) -> bool:
        """Whether one could begin with the `run` digits at `start`, which cost less to look at than to read."""
        text = self._text
        return (
            run in _NATIONAL_RUNS or text[start] == "0" or not _BEFORE_PHONE.isdisjoint(text[max(0, start - 3) : start])
        )

    def read(self, start: int, end: int) -> list[tuple[int, int]]:
        """Those that begin with the digits from `start` to `end`, or with the bracket or the plus before them."""
        text, phones = self._text, list[tuple[int, int] | None]()
        plus = text.rfind("+", max(0, start - 3), start)
        first = start - 1 if text.startswith(")", end) and start and text[start - 1] == "(" else start
        if plus >= 0 or text.startswith("00", start):
            phones.append(self._read_international(plus if plus >= 0 else start))
        if text[start] == "0":
            extended = _EXTENDED.match(text, start)
            phones.append(extended.span() if extended else self._read_trunk(first))
        elif end - start in _NATIONAL_RUNS and (
            match := _NANP.match(text, first)
            or _CHINA.match(text, start)
            or _EXTENDED.match(text, start)
            or _NATIONAL.match(text, start)
        ):
            phones.append(match.span())
        if first < start and (match := _AREA.match(text, first)):
            phones.append(match.span())
        return [phone for phone in phones if phone]

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


# Farther from such a word, in the same sentence: digits in groups only, and no count of thousands.
_NEAR: Final = re.compile(
    r"(?i)(?<![a-z])(?:phone|telephone|tel|mobile|cell(?:phone)?|call(?:ing|ed)?|sms|whatsapp|dial|ring|fax|handy"
    rf"|(?:phone|telephone|contact) number)(?![a-z])([^0-9.!?\n]{{1,60}}){_ALONE}({_GROUPS})"
)
_OTHER_NUMBER: Final = re.compile(
    r"(?i)\b(?:order|ticket|case|invoice|account|card|ids?|code|pin|room|flight|version|price|costs?|usd|eur|dollars?|cents"
    r"|euros?|million|about|than|has|have|with|for|of)\b|[$€£%]"
)
# Groups that few but telephones have: 601 234 567 (ES, PL, CZ, PT), 51 516 33 75 (PL).
_NATIONAL: Final = re.compile(
    rf"{_ALONE}(?<![0-9$€£] )"
    r"(?:[5-9][0-9]{2} (?!000)[0-9]{3} (?!000)[0-9]{3}|[1-9][0-9] [0-9]{3} [0-9]{2} [0-9]{2})"
    r"(?![0-9]|[-. ,][0-9]| ?(?:[$€£%]|km|m²|kg|people|million|eur|usd)\b)"
)
_LEAST_ALONE: Final = 7  # digits of a named number without groups


def find_named_phones(text: str, words: Set[str]) -> Spans:
    """Digits of any shape beside a word that says what they are. `words` are those of the text, in lower case."""
    if PHONE_WORDS.isdisjoint(words) and ("number" not in words or _OWNERS.isdisjoint(words)):
        return
    for match in _NAMED.finditer(text):
        if phone := _read_named(text, *match.span(1)):
            yield phone
    for match in _NEAR.finditer(text):
        phone = None if _OTHER_NUMBER.search(match[1]) else _read_named(text, *match.span(2))
        if phone and not text[slice(*phone)].isdigit() and "000" not in _DIGITS.findall(text, *phone):
            yield phone
    for kind in _KIND_AFTER.finditer(text):
        before = _KIND_OF.search(text, max(0, kind.end() - _LONGEST_PHONE), kind.end())
        if before and (phone := _read_named(text, *before.span())):
            yield phone


def _read_named(text: str, start: int, limit: int) -> tuple[int, int] | None:
    end = _longest(text, start, limit, 6, 15)
    if end is None or _DATE.match(text, start) or (end - start < _LEAST_ALONE and text[start:end].isdigit()):
        return None
    return start, _extend(text, end)


def _extend(text: str, end: int) -> int:
    """Where the extension ends that follows a number."""
    match = _AND_EXTENSION.match(text, end)
    return match.end() if match else end


PHONE_WORDS: Final = CUES["phones"]
_OWNERS: Final = frozenset(("my", "his", "her", "their", "our", "your"))


def _international(text: str, match: re.Match[str]) -> int | None:
    """Where the number ends; None where it is none. 8 to 15 digits of an assigned country; 10 after 1 (E.164)."""
    start = match.start() + (1 if match[0].startswith("+") else 2)
    digits = "".join(_DIGITS.findall(text, start, match.end()))
    if not _COUNTRY.match(digits):
        return None
    if digits.startswith("1"):
        return _longest(text, start, match.end(), 11, 11)
    return _longest(text, start, match.end(), 8 if match[0].startswith("+") else 10, 15)


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
    """Where a national number is: 9 to 12 digits in groups of two or more, the same separator after the first."""
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
    digits = sum(len(group[3]) for group in taken)
    end = taken[-1].end()
    fits = 9 <= digits <= 12 and len(taken[1][3]) >= 2 and len(taken[0][3]) <= 5
    return (match.start(), end) if fits and not _DATE.match(match[0]) and not is_word(text, end) else None
