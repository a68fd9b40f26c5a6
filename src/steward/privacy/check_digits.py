"""Check digits of national and financial numbers, each by the rule of whoever issues it.

Every function takes the bare characters (no spaces, dots or hyphens) and says whether they can be such a number. A
random number passes a check modulo 10 one time in ten and modulo 97 one time in 97: what passing is worth is for the
caller to say.
"""

from __future__ import annotations

import datetime
import hashlib
import string
from typing import Final

_VERHOEFF_PRODUCT: Final = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_PERMUTATION: Final = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_IBAN_LENGTHS: Final = dict(  # ISO 13616 registry, release 98
    AD=24, AE=23, AL=28, AT=20, AZ=28, BA=20, BE=16, BG=22, BH=22, BI=27, BR=29, BY=28, CH=21, CR=22, CY=28, CZ=24,
    DE=22, DJ=27, DK=18, DO=28, EE=20, EG=29, ES=24, FI=18, FK=18, FO=18, FR=27, GB=22, GE=22, GI=23, GL=18, GR=27,
    GT=28, HN=28, HR=21, HU=28, IE=22, IL=23, IQ=23, IS=26, IT=27, JO=30, KW=30, KZ=20, LB=28, LC=32, LI=21, LT=20,
    LU=20, LV=21, LY=25, MC=27, MD=24, ME=22, MK=19, MN=20, MR=27, MT=31, MU=30, NI=28, NL=18, NO=15, OM=23, PK=24,
    PL=28, PS=29, PT=25, QA=29, RO=24, RS=22, RU=33, SA=24, SC=31, SD=18, SE=24, SI=19, SK=24, SM=27, SO=23, ST=25,
    SV=28, TL=23, TN=24, TR=26, UA=29, VA=22, VG=24, XK=20, YE=30,
)  # fmt: skip
_LETTER_VALUES: Final = str.maketrans({letter: str(int(letter, 36)) for letter in string.ascii_uppercase})
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"


def iban_length(country: str) -> int:
    """Characters of an IBAN of a country; 0: it has none."""
    return _IBAN_LENGTHS.get(country, 0)


def is_iban(text: str) -> bool:
    """ISO 13616: length by country, ISO 7064 modulo 97.

    >>> is_iban("GB82WEST12345698765432"), is_iban("GB82WEST12345698765431")
    (True, False)
    """
    if _IBAN_LENGTHS.get(text[:2]) != len(text) or not text.isascii() or not text.isalnum():
        return False
    return int((text[4:] + text[:4]).upper().translate(_LETTER_VALUES)) % 97 == 1


def is_us_ssn(digits: str) -> bool:
    """Social Security Administration: no area 000, 666 or 9xx, no group 00, no serial 0000; no famous one.

    >>> is_us_ssn("536904399"), is_us_ssn("000123456"), is_us_ssn("078051120")
    (True, False, False)
    """
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    known_fake = digits in ("078051120", "219099999", "123456789")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000" and not known_fake


def is_us_itin(digits: str) -> bool:
    """Internal Revenue Service: 9xx, with a group of 50-65, 70-88, 90-92 or 94-99."""
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def is_uk_nhs(digits: str) -> bool:
    """NHS Data Dictionary: weights 10 to 2, modulo 11.

    >>> is_uk_nhs("9434765919"), is_uk_nhs("9434765918")
    (True, False)
    """
    rest = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return rest != 10 and int(digits[9]) == rest % 11


def is_danish_cpr(digits: str) -> bool:
    """A date and four digits; since 2007 without a check digit."""
    return _is_day(digits[:2], digits[2:4])


def is_polish_pesel(digits: str) -> bool:
    """Weights 1, 3, 7, 9 in turn, modulo 10; the month carries the century."""
    total = sum(int(digit) * (1, 3, 7, 9)[index % 4] for index, digit in enumerate(digits[:10]))
    month = int(digits[2:4]) % 20
    return (10 - total % 10) % 10 == int(digits[10]) and _is_day(digits[4:6], f"{month:02d}")


def is_aadhaar(digits: str) -> bool:
    """Verhoeff's check digit; no first digit 0 or 1, no palindrome."""
    check = 0
    for index, digit in enumerate(reversed(digits)):
        check = int(_VERHOEFF_PRODUCT[check][int(_VERHOEFF_PERMUTATION[index % 8][int(digit)])])
    return check == 0 and digits[0] > "1" and digits != digits[::-1]


def is_brazilian_cpf(digits: str) -> bool:
    """Receita Federal: two check digits modulo 11; not one digit eleven times."""
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(digit) * weight for digit, weight in zip(digits, range(length + 1, 1, -1), strict=False))
        if (total * 10) % 11 % 10 != int(digits[length]):
            return False
    return True


def is_dutch_bsn(digits: str) -> bool:
    """The eleven test: weights 9 to 2 and -1."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
    return total % 11 == 0 and len(set(digits)) > 1


def is_french_nir(text: str) -> bool:
    """INSEE: thirteen characters and the complement of them modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and text[13:].isdigit() and 97 - int(number) % 97 == int(text[13:])


def is_spanish_dni(text: str) -> bool:
    """Eight digits (or X, Y, Z and seven: NIE) and the letter of them modulo 23."""
    number = text[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return number.isdigit() and _DNI_LETTERS[int(number) % 23] == text[-1]


def is_italian_codice_fiscale(text: str) -> bool:
    """The sixteenth letter, by the table of the decree of 23 December 1976."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    total = 0
    for index, letter in enumerate(text[:15]):
        value = int(letter) if letter.isdigit() else ord(letter) - ord("A")
        total += value if index % 2 else odd[value]
    return chr(ord("A") + total % 26) == text[15]


def is_german_tax_id(digits: str) -> bool:
    """Bundeszentralamt für Steuern: eleven digits, ISO 7064 modulo 11, 10; one digit twice or thrice."""
    counts = sorted((digits[:10].count(digit) for digit in set(digits[:10])), reverse=True)
    if digits[0] == "0" or counts[0] not in (2, 3) or counts[1] > 1:
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def is_plate(text: str) -> bool:
    """No check digit: four to nine letters and digits with a digit among them."""
    return 4 <= len(text) <= 9 and any(map(str.isdigit, text))


def is_bitcoin_address(text: str) -> bool:
    """Base58Check: the last four bytes are the beginning of a double SHA-256."""
    number = 0
    for letter in text:
        if letter not in _BASE58:
            return False
        number = number * 58 + _BASE58.index(letter)
    data = number.to_bytes(25, "big") if number.bit_length() <= 200 else b""
    return len(data) == 25 and hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]


def _is_day(day: str, month: str) -> bool:
    try:
        datetime.date(2000, int(month), int(day))
    except ValueError:
        return False
    return True
