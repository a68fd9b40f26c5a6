"""Numbers that name somebody: shape, check digit, and the words around them. Examples are the issuers' published ones.

536-90-4399 and 943 476 5919 stand in the Social Security Administration's and the NHS's documentation of formats.
"""

from __future__ import annotations

import re

import pytest

from steward.privacy.identifiers import (
    choose_named,
    find_identifiers,
    read_iban,
    read_identifiers,
    read_lettered,
    read_named,
    read_wallet,
)
from steward.privacy.scan import scan_text

IBAN = "DE89 3704 0044 0532 0130 00"  # of the SWIFT registry


def ibans(text: str) -> list[str]:
    finds = [find for at in range(len(text)) if (find := read_iban(text, at))]
    return [text[start:end] for start, end, entity, score in finds if (entity, score) == ("IBAN_CODE", 0.98)]


def find_all(text: str, words: set[str]) -> list[tuple[int, int, str, float]]:
    """Those that letters begin, that words alone tell apart, and that no row of digits begins."""
    finds, named = list(find_identifiers(text, words)), choose_named(words)
    for row in re.finditer("[0-9]+", text):
        finds += read_lettered(text, row.start(), len(row[0]))
        finds += [wallet] if (wallet := read_wallet(text, row.start())) else []
        finds += [find for shape in named.get(len(row[0]), ()) if (find := read_named(text, row.start(), shape))]
    return finds


def found(text: str, *words: str) -> list[tuple[str, str, float]]:
    finds = find_all(text, {*text.lower().replace(":", " ").split(), *words})
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


def judged(text: str) -> dict[str, float]:
    """The surest find of each kind that is the whole number at the end of `text`, read both ways."""
    words = set("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())
    finds = find_all(text, words)
    for row in re.finditer("[0-9]+", text):
        finds += read_identifiers(text, row.start(), len(row[0]))
    sure: dict[str, float] = {}
    for _, end, entity, score in finds:
        if end == len(text):
            sure[entity] = max(score, sure.get(entity, 0.0))
    return sure


@pytest.mark.parametrize(
    ("entity", "number", "phrase", "alone", "named"),
    [
        ("US_SSN", "536-90-4399", "social security no", 0.8, 0.95),
        ("US_SSN", "536904399", "SSN", None, 0.9),
        ("US_ITIN", "912-50-1234", "taxpayer id", 0.6, 0.95),
        ("UK_NHS", "943 476 5919", "NHS", None, 0.95),
        ("DK_CPR", "311299-1234", "CPR-nr", 0.5, 0.95),
        ("DK_CPR", "3112991234", "personnummer", None, 0.9),
        ("PL_PESEL", "44051401359", "PESEL", None, 0.95),
        ("IN_AADHAAR", "2341 2341 2346", "Aadhaar", None, 0.95),
        ("BR_CPF", "529.982.247-25", "CPF", 0.95, 1.0),
        ("BR_CPF", "52998224725", "CPF", None, 0.95),
        ("NL_BSN", "111222333", "BSN", None, 0.95),
        ("FR_NIR", "2 55 08 14 168 025 38", "NIR", 0.9, 0.97),
        ("ES_NIF", "12345678Z", "DNI", 0.75, 0.97),
        ("ES_NIF", "X1234567L", "NIE", 0.75, 0.97),
        ("IT_FISCAL_CODE", "RSSMRA85T10A562S", "codice fiscale", 0.97, 1.0),
        ("DE_TAX_ID", "86 095 742 719", "Steuer-ID", None, 0.95),
        ("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "", 0.99, 0.99),
        ("CRYPTO", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "", 0.9, 0.9),  # BIP 173's form
        ("CRYPTO", "0x" + "ab" * 20, "wallet", None, 0.9),
        ("MEDICAL_RECORD", "AB-12345", "MRN", None, 0.85),
        ("POLICY_NUMBER", "ABCD-123456", "member id", None, 0.85),
        ("VIN", "1HGCM82633A004352", "chassis", None, 0.9),
    ],
)
def test_how_sure_each_number_is_alone_and_with_its_word(
    entity: str, number: str, phrase: str, alone: float | None, named: float
) -> None:
    assert judged(f"it is {number}").get(entity) == alone
    assert judged(f"{phrase}: {number}").get(entity) == named


@pytest.mark.parametrize("parted", [1, 3, 5, 7, 10, 13, 15])
def test_a_french_number_may_be_parted_anywhere(parted: int) -> None:
    number = "255081416802538"
    text = f"{number[:parted]} {number[parted:]}".strip()
    assert judged(text) == {"FR_NIR": 0.9}


def test_a_number_of_corsica_has_a_letter() -> None:
    """INSEE: 2A counts as 19; the key is 97 less the rest."""
    key = 97 - int("2550819168025") % 97
    assert judged(f"255082A168025{key:02d}")["FR_NIR"] == 0.9


@pytest.mark.parametrize("number", ["12345", "123456789012"])
def test_a_medical_record_has_5_to_12_digits(number: str) -> None:
    assert judged(f"MRN {number}").get("MEDICAL_RECORD") == 0.85
    assert "MEDICAL_RECORD" not in judged(f"MRN {'1' * 13}") and "MEDICAL_RECORD" not in judged("MRN 1234")


def test_the_next_row_of_digits_rules_shapes_out() -> None:
    assert [one[2] for one in read_identifiers("536-90-4399", 0, 3, 2)] == ["US_SSN"]
    assert list(read_identifiers("536-90-4399", 0, 3, 3)) == []
    assert [one[2] for one in read_identifiers("529.982.247-25", 0, 3, 3)] == ["BR_CPF"]


def test_a_bitcoin_address_begins_at_its_first_digit() -> None:
    segwit = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
    assert read_wallet(segwit, 2) == (0, len(segwit), "CRYPTO", 0.9)
    assert read_wallet(segwit, 0) is None and read_wallet(segwit[1:], 1) is None
    assert read_wallet(f"x{segwit}", 3) is None


@pytest.mark.parametrize(
    ("entity", "word", "text"),
    [
        *(("DE_TAX_ID", "steuer-id", text) for text in (
            "86 095 742 719", "86095 742 719", "86095742 719", "86095742719", "86 095742719",
        )),
        *(("UK_NHS", "nhs", text) for text in ("943 476 5919", "943-476-5919", "943476 5919", "9434765919")),
        *(("US_SSN", "ssn", text) for text in ("536 90 4399", "53690 4399", "536904399", "536-90-4399")),
        *(("FR_NIR", "nir", text) for text in (
            "2 55 08 14 168 025 38", "255 08 14 168 025 38", "25508 14 168 025 38", "2550814 168 025 38",
            "2550814168 025 38", "2550814168025 38", "255081416802538",
        )),
    ],
)  # fmt: skip
def test_a_number_is_found_however_its_groups_are_spaced(entity: str, word: str, text: str) -> None:
    finds = scan_text(f"{word} {text}", frozenset({entity}))
    assert [(one.entity, one.start, one.end) for one in finds] == [(entity, len(word) + 1, len(word) + 1 + len(text))]
