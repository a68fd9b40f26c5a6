"""Where personal data is in a text: e-mail addresses, phone numbers, payment cards, IP addresses.

Pure functions from a text to spans. Knows nothing of what is done with a find. Every pattern is linear in the
text: quantifiers are possessive or bounded, and a pattern starts only where a run of its characters starts.

Why our own phone patterns and not `phonenumbers`: its matcher is pure Python, needs a list of regions to guess
from, and takes bare digit groups of any table for numbers. Here a number without `+` or `00` must have a national
shape with separators, or a word such as "phone" before it.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec

Kind = Literal["email", "phone", "payment_card", "ip_address"]


class PersonalSpan(msgspec.Struct, frozen=True, order=True):
    """`text[start:end]` is personal data of one kind."""

    start: int
    end: int
    kind: Kind


Spans = Iterator[tuple[int, int]]


def find_personal_data(text: str) -> list[PersonalSpan]:
    """All personal data in `text`, from left to right, without overlaps: the surer kind wins.

    >>> [(span.kind, span.start) for span in find_personal_data("bob@example.com, +49 30 901820")]
    [('email', 0), ('phone', 17)]
    """
    disguised = undisguise(text)
    return _find_plain(text) if disguised is None else _find_disguised(*disguised)


# Characters that look like ASCII ones and are others, and those that nobody sees: full width, mathematical letters and
# digits, small and raised forms, digits of other scripts; zero width, joiners, direction marks, variation selectors.
_INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e0fff"
)
_LOOKALIKE: Final = (
    "\u00b2\u00b3\u00b9\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u2024\u2070-\u2089\u2460-\u2473\u24b6-\u24ea\ufe52\ufe55\ufe6b"
    "\uff01-\uff5e\U0001d400-\U0001d7ff"
)
_DISGUISED: Final = re.compile(f"[{_INVISIBLE}{_LOOKALIKE}]")
_UNSEEN: Final = re.compile(f"[{_INVISIBLE}]")


def undisguise(text: str) -> tuple[str, list[int]] | None:
    """The text as if it had been written plainly, and where each letter of that stands; None: it was."""
    if not _DISGUISED.search(text):
        return None
    letters: list[str] = []
    origin: list[int] = []  # for each plain letter, where it came from
    for index, letter in enumerate(text):
        if not _UNSEEN.match(letter):
            digit = unicodedata.digit(letter, None)
            plain = (
                letter
                if letter.isascii()
                else str(digit)
                if digit is not None
                else unicodedata.normalize("NFKC", letter)
            )
            letters.append(plain)
            origin += [index] * len(plain)
    return "".join(letters), origin


def _find_disguised(plain: str, origin: list[int]) -> list[PersonalSpan]:
    """Spans are those of the text as it stands."""
    return [PersonalSpan(origin[span.start], origin[span.end - 1] + 1, span.kind) for span in _find_plain(plain)]


def _find_plain(text: str) -> list[PersonalSpan]:
    spans: list[PersonalSpan] = []
    digits = _DIGIT.search(text) is not None
    for kind, needs_digits, detect in _DETECTORS:
        if digits or not needs_digits:
            pairs = sorted(detect(text), key=lambda pair: (pair[0], -pair[1]))
            spans = sorted([*spans, *_select_free(spans, [PersonalSpan(start, end, kind) for start, end in pairs])])
    return spans


def _select_free(taken: list[PersonalSpan], found: list[PersonalSpan]) -> Iterator[PersonalSpan]:
    """Those of `found` that overlap neither each other nor `taken`; both are sorted."""
    end = 0
    for span in found:
        position = bisect_left(taken, span)
        before = position == 0 or taken[position - 1].end <= span.start
        after = position == len(taken) or span.end <= taken[position].start
        if span.start >= end and before and after:
            yield span
            end = span.end


_DIGIT: Final = re.compile("[0-9]")

# -- e-mail addresses (RFC 5321 without quoted local parts, so that no find needs escaping in JSON) ------------

# A backslash and n, r or t in front are an escaped line end or tab of JSON, not a part of the name.
_NAME: Final = re.compile(r"(?<![\w.+'-])(?:(?<=\\)[nrt](?=\w))?+[.'-]*+([\w+][\w.+'-]*+)@")
_DOMAIN: Final = re.compile(r"[^\W_]++(?:-++[^\W_]++)*+(?:\.[^\W_]++(?:-++[^\W_]++)*+)++")
_TOP: Final = re.compile(r"[^\W\d_]{2,63}|xn--[0-9A-Za-z-]{1,59}")
_IMAGE: Final = re.compile(r"[1-4]x\.")  # icon@2x.png


def emails(text: str) -> Spans:
    for name in _NAME.finditer(text):
        domain = _DOMAIN.match(text, name.end())
        if domain is None or _IMAGE.match(text, name.end()):
            continue
        labels = domain[0].split(".")
        while len(labels) > 1 and not _TOP.fullmatch(labels[-1]):
            labels.pop()
        end = name.end() + len(".".join(labels))
        is_git = name[1] == "git" and text[end : end + 1] == ":"  # git@github.com:owner/repository
        if len(labels) > 1 and not is_git:
            yield name.start(1), end


# -- payment cards (ISO/IEC 7812-1: length by issuer number, Luhn's check digit) --------------------------------

_DIGITS: Final = re.compile("[0-9]++")
_CARD_RUN: Final = re.compile(r"(?<!\w)(?<![0-9][.,])[0-9]++(?:[ \u00a0-][0-9]++)*+")
# Issuer numbers and lengths as the networks publish them: American Express, Diners Club, Discover, JCB, Maestro,
# Mastercard, Mir, RuPay, UnionPay, Visa.
_ISSUERS: Final = re.compile(
    r"3[47][0-9]{13}"
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11,16}"
    r"|(?:6011|6[45][0-9]{2})[0-9]{12,15}"
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}"
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|220[0-4][0-9]{12,15}"
    r"|(?:60|65|81|82)[0-9]{14}|508[0-9]{13}"
    r"|62[0-9]{14,17}"
    r"|4[0-9]{12}(?:[0-9]{3}){0,2}"
)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B.

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    doubled = "0246813579"
    total = sum(int(d) for d in digits[-1::-2]) + sum(int(doubled[int(d)]) for d in digits[-2::-2])
    return total % 10 == 0


def payment_cards(text: str) -> Spans:
    for run in _CARD_RUN.finditer(text):
        groups = [(m.start(), m.end()) for m in _DIGITS.finditer(text, *run.span())]
        first = 0
        while first < len(groups):
            last = _card(text, groups, first)
            if last is None:
                first += 1
            else:
                yield groups[first][0], groups[last][1]
                first = last + 1


def _card(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last of the groups from `first` on that make up a card number, the longest possible; else None."""
    digits, last_end = "", None
    for last, (start, end) in enumerate(groups[first : first + 6], first):  # of 4 digits and five times 3
        if end - start < 3 or groups[first][1] - groups[first][0] < 4:
            break
        digits += text[start:end]
        if len(digits) > 19:
            break
        if not _word(text, end) and _ISSUERS.fullmatch(digits) and luhn(digits):
            last_end = last
    return last_end


def _word(text: str, at: int) -> bool:
    """Whether a letter, digit or underscore stands at `at`."""
    return at < len(text) and (text[at].isalnum() or text[at] == "_")


# -- IP addresses (RFC 791, RFC 4291) ---------------------------------------------------------------------------

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.[0-9])")
_VERSION: Final = re.compile(r"(?i)(?<![a-z])(?:version|release|build|ver)\.?[ :=]{0,2}$")
# Global unicast, unique local and link-local, which are all that belong to a machine; so that std::byte, a MAC
# address and a time are not taken for one.
_IPV6: Final = re.compile(r"(?i)(?<![\w:.])(?:[23][0-9a-f]{3}|f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):[0-9a-f:.]{1,42}+")
_MAPPED: Final = re.compile(rf"(?i)(?<![\w:.])::ffff:((?:{_OCTET}\.){{3}}{_OCTET})(?![\w]|\.[0-9])")


def ip_addresses(text: str) -> Spans:
    """Loopback, unspecified and netmask-like addresses are nobody's."""
    for match in (*_IPV4.finditer(text), *_MAPPED.finditer(text)):
        address = ipaddress.IPv4Address(match[match.lastindex or 0])
        nobody = address.is_loopback or address.is_unspecified or match[0].startswith("255.")
        if not nobody and not _VERSION.search(text, max(0, match.start() - 12), match.start()):
            yield match.span()
    for match in _IPV6.finditer(text):
        candidate = match[0].rstrip(".")
        candidate = candidate if candidate.endswith("::") else candidate.rstrip(":")
        end = match.start() + len(candidate)
        if not _word(text, end) and _is_ipv6(candidate):
            yield match.start(), end


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


# -- phone numbers (ITU-T E.164; national shapes of common plans) -----------------------------------------------

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
_NANP: Final = re.compile(
    rf"{_ALONE}(?<![0-9] )(?:1[ .-])?+(?:\([2-9][0-9]{{2}}\)[ -]?|[2-9][0-9]{{2}}([ .-]))[2-9][0-9]{{2}}(?(1)\1|[ .-])"
    r"[0-9]{4}(?![0-9]|[-. ][0-9])"
)
_AREA: Final = re.compile(r"(?<!\w)\([0-9]{2,5}\) ?[0-9]{3,5}[ -][0-9]{3,4}(?![0-9]|[-. ][0-9])")  # (11) 91234-5678
_CHINA: Final = re.compile(rf"{_ALONE}(?<![0-9] )1[3-9][0-9]([ -])[0-9]{{4}}\1[0-9]{{4}}(?![0-9]|[-. ][0-9])")
_TRUNK: Final = re.compile(rf"{_ALONE}(?<![0-9] )(?=\(?0[1-9]){_GROUPS}")  # 030 901820, 020 7946 0958, 01 23 45 67 89
_MOBILE: Final = re.compile(r"0(?:7[1-9]|6[0-9]|1[5-7]|4[0-9])[0-9]{7,9}")  # GB and FR, FR, DE, AU without separators
# A postal code of the United States (ZIP+4: Domestic Mail Manual 602.1.8) after a state or a town: MA 02110-1301.
_ZIP: Final = re.compile(r"0[0-9]{4}-[0-9]{4}")
_PLACE: Final = re.compile(r"\b[A-Z][A-Za-z]+[.,]?\s{1,3}$")
_DATE: Final = re.compile(r"[0-9]{1,2}[./ -][0-9]{1,2}[./ -](?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}[./-][0-9]{1,2}[./-]")
_NAMED: Final = re.compile(
    r"(?i)(?<![a-z])(?:tel(?:ephone|efon|éfono)?|phone|mobile|cell|fax|whatsapp|handy|móvil|call (?:me )?(?:at|on)"
    r"|reach me (?:at|on))(?:[_ ]?(?:number|no|nr|num|n°|#))?+\.?[\"']?"
    r"[ \u00a0]{0,2}(?:[:=]|is|at)?+[ \u00a0]{0,2}[\"']?"
    rf"({_GROUPS})"
)


def phones(text: str) -> Spans:
    for match in _INTERNATIONAL.finditer(text):
        if end := _international(text, match):
            yield match.start(), end
    for pattern in (_NANP, _AREA, _CHINA):
        for match in pattern.finditer(text):
            yield match.span()
    for match in _TRUNK.finditer(text):
        if number := _trunk(text, match):
            yield number
    for match in _NAMED.finditer(text):
        end = _longest(text, match.start(1), match.end(1), 7, 15)
        if end and not _DATE.match(text, match.start(1)):
            yield match.start(1), end


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
        if count >= least and not _word(text, group.end()):
            end = group.end()
    return end


def _trunk(text: str, match: re.Match[str]) -> tuple[int, int] | None:
    """Where a national number is: 9 to 12 digits in groups of two or more, the same separator after the first."""
    if _ZIP.fullmatch(match[0].strip()) and _PLACE.search(text, max(0, match.start() - 24), match.start()):
        return None
    groups = list(_GROUP.finditer(text, *match.span()))
    if len(groups) == 1:
        return groups[0].span(3) if _MOBILE.fullmatch(groups[0][3]) and not _word(text, match.end()) else None
    taken = groups[:2]
    for group in groups[2:]:
        if group[1] != (taken[2][1] if len(taken) > 2 else group[1]) or len(group[3]) < 2:
            break
        taken.append(group)
    digits = sum(len(group[3]) for group in taken)
    end = taken[-1].end()
    fits = 9 <= digits <= 12 and len(taken[1][3]) >= 2 and len(taken[0][3]) <= 5
    return (match.start(), end) if fits and not _DATE.match(match[0]) and not _word(text, end) else None


_DETECTORS: Final[tuple[tuple[Kind, bool, Callable[[str], Spans]], ...]] = (
    ("email", False, emails),
    ("payment_card", True, payment_cards),
    ("ip_address", True, ip_addresses),
    ("phone", True, phones),
)
