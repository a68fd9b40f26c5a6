"""What is personal data in a text, and what is not."""

from __future__ import annotations

import pytest

from steward.core.errors import UnknownName
from steward.privacy.custom import CustomDetector, CustomDetectors
from steward.privacy.entities import ENTITIES, PROFILES
from steward.privacy.scan import choose_entities, scan_text

ALL = choose_entities("all")


def found(text: str) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.entity) for one in scan_text(text, ALL)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail bob@example.com now", [("bob@example.com", "EMAIL_ADDRESS")]),
        ("call +49 30 901820", [("+49 30 901820", "PHONE_NUMBER")]),
        ("card 4111 1111 1111 1111", [("4111 1111 1111 1111", "CREDIT_CARD")]),
        ("IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFF", [("DE89 3704 0044 0532 0130 00", "IBAN_CODE")]),
        ("her SSN is 536-90-4399.", [("536-90-4399", "US_SSN")]),
        ("NHS number: 943 476 5919", [("943 476 5919", "UK_NHS")]),
        ("PESEL 44051401359", [("44051401359", "PL_PESEL")]),
        ("CPF 529.982.247-25", [("529.982.247-25", "BR_CPF")]),
        ("mon NIR: 2 55 08 14 168 025 38", [("2 55 08 14 168 025 38", "FR_NIR")]),
        ("DNI 12345678Z", [("12345678Z", "ES_NIF")]),
        ("BSN 111222333", [("111222333", "NL_BSN")]),
        ("codice fiscale RSSMRA85T10A562S", [("RSSMRA85T10A562S", "IT_FISCAL_CODE")]),
        ("Steuer-ID 86 095 742 719", [("86 095 742 719", "DE_TAX_ID")]),
        ("hwaddr 00:1A:2b:3c:4D:5e", [("00:1A:2b:3c:4D:5e", "MAC_ADDRESS")]),
        ("pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", [("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "CRYPTO")]),
        ("MRN: 12345678", [("12345678", "MEDICAL_RECORD")]),
        ("VIN 1HGCM82633A004352", [("1HGCM82633A004352", "VIN")]),
    ],
)
def test_numbers_that_name_somebody(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My name is Zora Quill, thanks", "Zora Quill"),
        ("Dear Mrs. Quill,\nhello", "Quill"),
        ("see you\nBest regards,\nZora Quill\n", "Zora Quill"),
        ('{"name": "Zora Quill", "n": 1}', "Zora Quill"),
        ("Patient: Zora van der Quill was seen", "Zora van der Quill"),
        ("Ich heiße Zora Quill.", "Zora Quill"),
        ("Je m'appelle Zora.", "Zora"),
        ("yesterday Maria Quill said so", "Maria Quill"),
        ("Dr. Zora O'Brien-Quill", "Zora O'Brien-Quill"),
    ],
)
def test_people_by_their_cues_also_with_names_that_no_list_has(text: str, expected: str) -> None:
    assert (expected, "PERSON") in found(text)


def test_who_is_named_once_is_named_everywhere() -> None:
    assert found("My name is Zora Quill. I told them: Zora Quill is right.").count(("Zora Quill", "PERSON")) == 2


@pytest.mark.parametrize(
    "address",
    [
        "12 Main Street", "742 N. Evergreen Terrace, Springfield, IL 62704", "Hauptstraße 12, 10115 Berlin",
        "12 rue de la Paix, 75002 Paris", "Calle Mayor 5", "Via Roma 3", "ul. Długa 3", "Kerkstraat 5", "P.O. Box 123",
    ],
)  # fmt: skip
def test_addresses(address: str) -> None:
    assert (address, "STREET_ADDRESS") in found(f"I live at {address}")


def test_a_date_of_birth_is_told_from_another_date() -> None:
    assert found("DOB: 03/12/1985") == [("03/12/1985", "DATE_OF_BIRTH")]
    assert found("geboren am 3. März 1985") == [("3. März 1985", "DATE_OF_BIRTH")]
    assert found("released on 2024-05-01") == [("2024-05-01", "DATE_TIME")]


def test_organisations_by_their_form() -> None:
    assert ("Quill & Sons Ltd", "ORGANIZATION") in found("sold by Quill & Sons Ltd today")
    assert ("Zorawerke GmbH", "ORGANIZATION") in found("die Zorawerke GmbH")


@pytest.mark.parametrize(
    "text",
    [
        "commit 3f2504e04f8911d39a0c0305e82c3301, sha256:9f86d081884c7d659a2feaa0c55ad015",
        "order 536904399, invoice 9434765919, tracking 44051401359",
        "isbn 978-3-16-148410-0, version 1.2.3.4, build 20240501, port 8080",
        "def total(self): return Sum(items=12345678901, width=1024)",
        "The Quick Brown Fox visited New York with Python and Linux.",
        "52.5200, 13.4050", "uuid 550e8400-e29b-41d4-a716-446655440000", "2 + 2 = 4; 10/11 of them", "id=123456789",
    ],
)  # fmt: skip
def test_what_is_nobodys(text: str) -> None:
    assert found(text) == []


def test_offsets_are_those_of_the_text_as_it_stands() -> None:
    text = "x ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ and b\u200bob@example.com"
    assert [text[one.start : one.end] for one in scan_text(text, ALL)] == [
        "ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        "b\u200bob@example.com",
    ]


def test_a_profile_or_names_choose_what_is_looked_for() -> None:
    text = "bob@example.com, 4111 1111 1111 1111"
    assert [one.entity for one in scan_text(text, choose_entities("pci"))] == ["CREDIT_CARD"]
    assert [one.entity for one in scan_text(text, choose_entities(names=["EMAIL_ADDRESS"]))] == ["EMAIL_ADDRESS"]
    with pytest.raises(UnknownName, match="did you mean 'EMAIL_ADDRESS'"):
        choose_entities(names=["EMAIL_ADRESS"])
    with pytest.raises(UnknownName, match="profile 'gdrp'"):
        choose_entities("gdrp")
    assert all(set(entities) <= set(ENTITIES) for entities in PROFILES.values())


@pytest.mark.parametrize("profile", ["secrets-only", "all"])
def test_a_password_before_a_host_is_a_secret_and_no_address_of_a_person(profile: str) -> None:
    text = "see postgresql://bob:Tr0ub4dor@db.acme.io/x"
    [one] = scan_text(text, choose_entities(profile))
    assert (text[one.start : one.end], one.entity) == ("bob:Tr0ub4dor", "SECRET")


def test_the_surer_find_wins_an_overlap() -> None:
    (one,) = scan_text("NHS number 943 476 5919", ALL)
    assert (one.entity, one.score) == ("UK_NHS", 0.95)


@pytest.mark.parametrize(
    ("text", "entities", "expected"),
    [
        # hidden before by a longer or surer find that nobody asked for
        ("Bolek Nowicki of Waste Management Inc. called", ["PERSON"], ["Bolek Nowicki"]),
        ("Vilhelm N. Aström of Alliance Growers Corp", ["PERSON", "EMAIL_ADDRESS"], ["Vilhelm N. Aström"]),
        ("Ladolfo Caldera MD of the Biopharma Group", ["ORGANIZATION"], ["Biopharma Group"]),
        ("see postgresql://bob:Tr0ub4dor@db.acme.io/x", ["SECRET"], ["bob:Tr0ub4dor"]),
        # what a surer find covers is no find of its own
        ("NHS number 943 476 5919", ["PHONE_NUMBER"], []),
        ("bob@example.com,103.183.115.166", ["PHONE_NUMBER"], []),
        ("later Metkore Alloys & Industries Ltd", ["PERSON"], []),
        ("Address: Calle Mindrabre 12, Madrid", ["PERSON"], []),
    ],
)
def test_a_kind_that_nobody_asked_for_hides_what_it_is_surer_of_and_nothing_else(
    text: str, entities: list[str], expected: list[str]
) -> None:
    assert [text[one.start : one.end] for one in scan_text(text, entities)] == expected


@pytest.mark.parametrize(
    ("unasked", "score", "found"),
    [
        ("blue wren nest", 0.9, False),  # covers it and is surer
        ("blue wren nest", 0.8, True),
        ("blue wren nest", 0.7, True),
        ("blue wren", 0.9, True),  # covers a part
        ("old blue", 0.9, True),  # begins before it
        ("blue wren nest box", 0.9, True),  # nothing itself, since an e-mail address is surer
    ],
)
def test_who_wins_over_what_somebody_asked_for(unasked: str, score: float, found: bool) -> None:
    detectors = (
        CustomDetector(name="asked", entity="VIN", pattern="wren nest", score=0.8),
        CustomDetector(name="unasked", entity="DEVICE_ID", pattern=unasked, score=score),
        CustomDetector(name="surest", entity="ACCOUNT_NUMBER", pattern="box 1", score=1.0),
    )
    finds = scan_text("an old blue wren nest box 1", ["VIN"], custom=CustomDetectors(detectors))
    assert [one.entity for one in finds] == ["VIN"] * found


@pytest.mark.parametrize("text", ["", "name", "name_17", "123456"])
def test_one_word_in_lower_case_is_nothing(text: str) -> None:
    assert scan_text(text, ENTITIES) == []


def test_a_word_that_could_be_more_is_looked_at() -> None:
    assert [one.entity for one in scan_text("bob@example.com", ENTITIES)] == ["EMAIL_ADDRESS"]
    assert [one.entity for one in scan_text("07700900123", ENTITIES)] == ["PHONE_NUMBER"]


@pytest.mark.parametrize(
    ("text", "entity", "value"),
    [
        ("ask <b>bob</b>@example.com now", "EMAIL_ADDRESS", "bob</b>@example.com"),
        ("ask bob&#64;example.com now", "EMAIL_ADDRESS", "bob&#64;example.com"),
        ("mailto:bob%40example.com", "EMAIL_ADDRESS", "bob%40example.com"),
        ("ask bob\\u0040example.com now", "EMAIL_ADDRESS", "bob\\u0040example.com"),
        ("card 4111<b>1111</b>11111111.", "CREDIT_CARD", "4111<b>1111</b>11111111"),
        ("card 4111 **1111** 1111 1111.", "CREDIT_CARD", "4111 **1111** 1111 1111"),
        ("ssn 536-<i>90</i>-4399.", "US_SSN", "536-<i>90</i>-4399"),
        ("call +49&nbsp;30&nbsp;901820 now", "PHONE_NUMBER", "+49&nbsp;30&nbsp;901820"),
    ],
)
def test_what_markup_splits_or_spells_is_found_where_it_stands(text: str, entity: str, value: str) -> None:
    finds = scan_text(text, choose_entities())
    assert [(one.entity, text[one.start : one.end]) for one in finds] == [(entity, value)]


def test_markup_hides_nothing_that_is_found_without_it() -> None:
    text = "<p>bob@example.com</p> <b>536-90-4399</b> & &amp;amp;#64;"
    assert [one.entity for one in scan_text(text, choose_entities())] == ["EMAIL_ADDRESS", "US_SSN"]
