"""Numbers that name somebody: shape, check digit, and the words around them. Examples are the issuers' published ones.

536-90-4399 and 943 476 5919 stand in the Social Security Administration's and the NHS's documentation of formats.
"""

from __future__ import annotations

import pytest

from steward.privacy.identifiers import find_ibans, find_identifiers, read_identifiers

IBAN = "DE89 3704 0044 0532 0130 00"  # of the SWIFT registry


def ibans(text: str) -> list[str]:
    return [text[start:end] for start, end, entity, score in find_ibans(text) if (entity, score) == ("IBAN_CODE", 0.98)]


def found(text: str, *words: str) -> list[tuple[str, str, float]]:
    finds = find_identifiers(text, {*text.lower().replace(":", " ").split(), *words})
    return [(text[start:end], entity, score) for start, end, entity, score in finds]


def read(text: str, start: int, run: int) -> list[tuple[str, str, float]]:
    return [(text[first:last], entity, score) for first, last, entity, score in read_identifiers(text, start, run)]


@pytest.mark.parametrize("before", ["", "IBAN ", "to:"])
@pytest.mark.parametrize("after", ["", " BIC COBADEFF", ".", ", 5"])
def test_an_iban_ends_at_its_countrys_length(before: str, after: str) -> None:
    assert ibans(before + IBAN + after) == [IBAN]
    assert ibans(before + IBAN.replace(" ", "") + after) == [IBAN.replace(" ", "")]


@pytest.mark.parametrize(
    "text", [IBAN[:-1], IBAN + "1", IBAN.replace("89", "88"), "x" + IBAN, "XX89 3704 0044 0532 0130 00", "DE89"]
)
def test_what_is_no_iban(text: str) -> None:
    assert ibans(text) == []


@pytest.mark.parametrize(
    ("text", "start", "run", "expected"),
    [
        ("536-90-4399", 0, 3, [("536-90-4399", "US_SSN", 0.8)]),
        ("SSN 536-90-4399", 4, 3, [("536-90-4399", "US_SSN", 0.95)]),
        ("536-90-4399 is my social security number", 0, 3, [("536-90-4399", "US_SSN", 0.95)]),
        ("order 536-90-4399", 6, 3, []),  # 0.8 * 0.4 is less than a half
        ("000-90-4399", 0, 3, []),
        ("529.982.247-25", 0, 3, [("529.982.247-25", "BR_CPF", 0.95)]),
        ("12345678Z", 0, 8, [("12345678Z", "ES_NIF", 0.75)]),
        ("DNI 12345678Z", 4, 8, [("12345678Z", "ES_NIF", 0.97)]),
        ("12345678A", 0, 8, []),
        ("536-90-4399", 0, 4, []),
        ("x536-90-4399", 1, 3, []),
        ("536-90-43991", 0, 3, []),
    ],
)
def test_numbers_that_need_no_word(text: str, start: int, run: int, expected: list[tuple[str, str, float]]) -> None:
    assert read(text, start, run) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NHS number: 943 476 5919", [("943 476 5919", "UK_NHS", 0.95)]),
        ("943 476 5919 nhs", [("943 476 5919", "UK_NHS", 0.95)]),
        ("943 476 5919", []),
        ("nhs 943 476 5918", []),
        ("PESEL 44051401359", [("44051401359", "PL_PESEL", 0.95)]),
        ("MRN: 12345", [("12345", "MEDICAL_RECORD", 0.85)]),
        ("MRN: 1234", []),
        ("vin 1HGCM82633A004352", [("1HGCM82633A004352", "VIN", 0.9)]),
        ("vin 12345678901234567", []),
    ],
)
def test_numbers_that_a_word_tells(text: str, expected: list[tuple[str, str, float]]) -> None:
    assert found(text) == expected


def test_a_word_counts_within_48_characters_before_and_24_after_on_the_same_line() -> None:
    number = "943 476 5919"
    for gap, seen in ((45, True), (46, False)):
        assert bool(found("nhs" + " " * gap + number)) is seen
    for gap, seen in ((21, True), (22, False)):
        assert bool(found(number + " " * gap + "nhs")) is seen
    assert found(f"nhs\n{number}") == [] and found(f"{number}\nnhs") == []


def test_a_word_that_says_something_else_counts_within_24_characters() -> None:
    for gap, seen in ((18, False), (20, True)):  # "order" is cut off by then
        assert bool(read("order" + " " * gap + "536-90-4399", 5 + gap, 3)) is seen


def test_what_begins_with_letters() -> None:
    assert found("RSSMRA85T10A562S") == [("RSSMRA85T10A562S", "IT_FISCAL_CODE", 0.97)]
    wallet = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"  # the first block's
    assert found(wallet) == [(wallet, "CRYPTO", 0.99)] and found(wallet[:-1] + "b") == []
    assert ("X1234567L", "ES_NIF", 0.75) in found("X1234567L")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:1A:2b:3c:4D:5e", ["00:1A:2b:3c:4D:5e"]),
        ("00-1A-2b-3c-4D-5e", ["00-1A-2b-3c-4D-5e"]),
        ("00:1A-2b:3c:4D:5e", []),
        ("00:1A:2b:3c:4D:5e:6f", []),
        ("00:1A:2b:3c:4D", []),
    ],
)
def test_addresses_of_network_cards(text: str, expected: list[str]) -> None:
    assert [one for one, entity, score in found(text) if (entity, score) == ("MAC_ADDRESS", 0.9)] == expected
