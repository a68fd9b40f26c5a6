"""How each kind of number is written, and how sure it is alone and beside the word that names it.

Numbers with a check digit are the examples of who issues them; the others have the lengths that the table states. The
kinds whose numbers need no word, and how they are grouped, are tested in `test_identifiers.py`.
"""

from __future__ import annotations

import pytest

from steward.privacy.number_shapes import SHAPES
from steward.privacy.scan import scan_text

KINDS = frozenset(shape.entity for shape in SHAPES)


def find(text: str) -> list[tuple[str, str, float]]:
    return [(text[one.start : one.end], one.entity, one.score) for one in scan_text(text, KINDS)]


@pytest.mark.parametrize(
    ("entity", "word", "least", "most", "capitals", "score"),
    [
        ("MEDICAL_RECORD", "MRN", 5, 12, 3, 0.85),
        ("POLICY_NUMBER", "member id", 6, 14, 4, 0.85),
        ("ACCOUNT_NUMBER", "account number", 6, 17, 0, 0.7),
        ("LICENSE_NUMBER", "license no", 4, 14, 3, 0.7),
    ],
)
def test_a_row_that_a_word_names_has_so_many_digits_and_capitals(
    entity: str, word: str, least: int, most: int, capitals: int, score: float
) -> None:
    digits = "73918264503918274"
    for number in (digits[:least], digits[:most], "A" * capitals + digits[:least]):
        assert find(f"{word} {number}") == [(number, entity, score)]
        assert find(f"about {number}") == []
    if capitals:
        assert find(f"{word} {'A' * capitals}-{digits[:least]}") == [
            ("A" * capitals + f"-{digits[:least]}", entity, score)
        ]
    for number in (digits[: least - 1], digits[: most + 1] if most < 17 else digits + "1"):
        assert find(f"{word} {number}") == []
    assert find(f"{word} {'A' * (capitals + 1)}-{digits[:least]}") == []


@pytest.mark.parametrize("number", ["1" * 6, "1" * 19, "A1A2345", "ABCD-1A2345", "9-87654", "AB-" + "7" * 19])
def test_a_devices_number_has_six_to_nineteen_letters_and_digits(number: str) -> None:
    assert find(f"serial number {number}") == [(number, "DEVICE_ID", 0.7)]
    assert find(f"about {number}") == []


@pytest.mark.parametrize("number", ["1" * 5, "1" * 20, "ABCDE-123456"])
def test_what_is_no_devices_number(number: str) -> None:
    assert find(f"serial number {number}") == []


@pytest.mark.parametrize(
    ("entity", "number", "word", "alone", "named"),
    [
        ("US_ITIN", "912-50-1234", "ITIN", 0.6, 0.95),
        ("DK_CPR", "311299-1234", "CPR", 0.5, 0.95),
        ("US_SSN", "536-90-4399", "SSN", 0.8, 0.95),
        ("US_SSN", "536904399", "SSN", None, 0.9),
        ("DK_CPR", "3112991234", "CPR", None, 0.9),
        ("IN_AADHAAR", "234123412346", "Aadhaar", None, 0.95),
        ("IN_AADHAAR", "2341-2341-2346", "UIDAI", None, 0.95),
        ("CRYPTO", "0x" + "ab" * 20, "wallet", None, 0.9),
        ("US_ZIP_CODE", "10115-1234", "zip code", None, 0.65),
        ("US_ZIP_CODE", "10115", "postal code", None, 0.65),
        ("VIN", "ABC 1234", "plate", None, 0.8),
        ("VIN", "B-AB 1234", "Kennzeichen", None, 0.8),
        ("VIN", "1HGCM82633A004352", "chassis", None, 0.9),
    ],
)
def test_how_sure_a_number_is_alone_and_with_its_word(
    entity: str, number: str, word: str, alone: float | None, named: float
) -> None:
    assert find(f"about {number}") == ([] if alone is None else [(number, entity, alone)])
    assert find(f"{word} {number}") == [(number, entity, named)]


@pytest.mark.parametrize("word", ["ssn", "SSN", "ssns", "ssn no", "SSN-Nr", "social_security", "socialSecurity number"])
def test_a_phrase_counts_with_its_endings_and_joints(word: str) -> None:
    assert find(f"{word} 536-90-4399") == [("536-90-4399", "US_SSN", 0.95)]


@pytest.mark.parametrize("word", ["xssn", "ssnx", "social  security"])
def test_a_phrase_is_a_whole_one(word: str) -> None:
    assert find(f"{word} 536-90-4399") == [("536-90-4399", "US_SSN", 0.8)]
