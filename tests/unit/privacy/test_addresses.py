"""Postal addresses by their street, in the spellings of eight languages."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.privacy import addresses as module
from steward.privacy.addresses import find_addresses
from steward.privacy.scan import split_words


def addresses(text: str) -> list[str]:
    words = set("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())
    return [text[start:end] for start, end in find_addresses(text, words)]


@pytest.mark.parametrize(
    "address",
    [
        "12 Main Street", "742 N. Evergreen Terrace, Springfield, IL 62704", "1 Elm Rd., Apt 5b", "Hauptstraße 12",
        "Hauptstraße 12, 10115 Berlin", "Lange Straße 3a", "Kerkstraat 5", "12 rue de la Paix, 75002 Paris",
        "3 bis avenue Foch", "Calle Mayor 5", "Via Roma 3", "ul. Długa 3", "P.O. Box 123", "Postfach 4711",
    ],
)  # fmt: skip
def test_addresses_are_found_whole(address: str) -> None:
    assert addresses(f"I live at {address}; you?") == [address]


@pytest.mark.parametrize(
    "text",
    ["Main Street", "12 main street", "the road 5", "Weg 5", "x12 Main Street", "Box 12", "Via 3", "a street 5 times"],
)
def test_what_is_no_address(text: str) -> None:
    assert addresses(text) == []


def test_two_houses_are_two_addresses() -> None:
    assert addresses("Hauptstraße 12 und Ringstraße 3") == ["Hauptstraße 12", "Ringstraße 3"]
    many = [f"Lange Straße {number}" for number in range(1, 30)]
    assert addresses(", ".join(many)) == many
    assert addresses("Hauptstraße 12, 10115 Berlin") == ["Hauptstraße 12, 10115 Berlin"]


def found(text: str) -> list[str]:
    words = set(text.lower().replace(",", " ").replace(".", " ").split())
    return [text[start:end] for start, end in find_addresses(text, words)]


@pytest.mark.parametrize(
    "address",
    [
        "12 Main Street",
        "742 N. Evergreen Terrace, Springfield, IL 62704",
        "221 Baker St Apt. 4",
        "1600 Amphitheatre Parkway\nMountain View, CA 94043",
        "Hauptstraße 12, 10115 Berlin",
        "Kurt-Schumacher-Straße 7",
        "Feldstrasse 61",
        "Lange Straße 5",
        "12 rue de la Paix, 75002 Paris",
        "Calle Mayor 5",
        "ul. Długa 3",
        "Kerkstraat 5",
        "Mannerheimintie 12",
        "P.O. Box 123",
        "PSC 9407, Box 3597\nAPO AA 14066",
        "USNS Hansson\nFPO AE 45600",
        "117 Zorabrink 55\n Suite 7\n Runkel\n Belgium 65601",
    ],
)
def test_streets(address: str) -> None:
    assert address in found(f"I live at {address}") or address in found(f"I live at {address}.")


def test_a_town_that_may_be_anything_is_left() -> None:
    assert found("12 Main Street, Bob said") == ["12 Main Street"]
    assert found("12 Main Street, Suite 3, Bob said") == ["12 Main Street, Suite 3"]


@pytest.mark.parametrize(
    "text",
    [
        "During 2015 it rose",
        "Spring 2024",
        "String 5",
        "Engineering 12",
        "add 3 Apples to 4 Pears",
        "A1 3.4 Beta",
        "5 Way",
    ],
)
def test_what_is_no_street(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("she lives at Pod Zorou 10 now", "Pod Zorou 10"),
        ("my address is 14084 Zorustri 44", "14084 Zorustri 44"),
        (
            "we moved to 598 Zoraby 2 Apt. 961, Agios Quill, Cyprus for good",
            "598 Zoraby 2 Apt. 961, Agios Quill, Cyprus",
        ),
        ("at 84 Zora Springs", "84 Zora Springs"),  # Publication 28 of the Postal Service has `Springs`
        ("the corner of Zora 10 and Quill Lane, later", "the corner of Zora 10 and Quill Lane"),
        ("0384 Zorer Bundesstrasse 31", "0384 Zorer Bundesstrasse 31"),
        ("1 Quill Road Suite 4 Apt. 9", "1 Quill Road Suite 4 Apt. 9"),
    ],
)
def test_streets_by_what_stands_beside_them(text: str, address: str) -> None:
    assert [text[start:end] for start, end in find_addresses(text, split_words(text))] == [address]


@pytest.mark.parametrize("text", ["Pod Zorou 10", "14084 Zorustri 44", "lives at 12 34", "84 zora springs"])
def test_without_it_they_are_none(text: str) -> None:
    assert list(find_addresses(text, split_words(text))) == []


@pytest.mark.parametrize(
    "address",
    [
        "Hauptstraße 12a\n80331 München", "Keizersgracht 123\n1015 CJ Amsterdam", "Rua Augusta 100, 1100-053 Lisboa",
        "Calle Mayor 5\n28013 Madrid", "12 rue de la République\n69002 Lyon",
    ],
)  # fmt: skip
def test_a_form_has_the_town_on_its_next_line(address: str) -> None:
    assert addresses(f"{address}\nTél. : 04 72 10 30 30") == [address] == addresses(address)


@pytest.mark.parametrize("phone", ["046 608 8269", "(021) 0025-967", "02507 88 64 30", "0389 0506426"])
def test_a_telephone_on_the_next_line_is_no_part_of_an_address(phone: str) -> None:
    text = f"7132 Quill Street\n{phone} office"
    assert [text[start:end] for start, end in find_addresses(text, split_words(text))] == ["7132 Quill Street"]


def test_a_postal_code_on_the_next_line_is_a_part_of_it() -> None:
    text = "7132 Quill Street\nZoraville\n02110-1301"
    assert [text[start:end] for start, end in find_addresses(text, split_words(text))] == [text]


def test_words_of_an_address_elsewhere_in_a_text_make_no_number_one() -> None:
    text = "We counted 14084 Zorustri 44 of them. My address is private"
    assert list(find_addresses(text, split_words(text))) == []


PIECES = st.sampled_from(
    [
        *"0123456789",
        "12",
        "12345",
        "3a",
        "4/5",
        "6-7b",
        " ",
        ", ",
        ",",
        ".",
        "-",
        "\n",
        "Main",
        "Street",
        "N. ",
        "rue",
        "de",
    ]
)


@pytest.mark.parametrize("pattern", [module._ADDRESS_EN, module._ADDRESS_FR, module._STREET_LIKE])
@given(parts=st.lists(PIECES, max_size=24))
def test_a_street_begins_where_numbers_are_looked_for(pattern: re.Pattern[str], parts: list[str]) -> None:
    """What is looked for once for all patterns finds what each finds by itself."""
    text = "".join(parts)
    begins = [match.start() for match in module._BEGINS.finditer(text)]
    assert module._match_each(pattern, text, begins) == [match.span() for match in pattern.finditer(text)]


@pytest.mark.parametrize("code", ["12345-1234", "123456", "AB12C 3DE", "SW1A 1AA", "A1B 2C3", "123-4567"])
def test_no_postal_code_is_longer_than_what_is_looked_at(code: str) -> None:
    tail = f", Springfield {code}\n"
    assert bool(module._CODED.search(tail, len(tail) - module._LONGEST_CODE)) is bool(module._CODED.search(tail))


def test_a_house_has_five_digits_at_most() -> None:
    assert addresses("at 10012 Main Street now") == ["10012 Main Street"] and addresses("at 100123 Main Street") == []


def test_a_number_and_two_names_before_a_street_are_part_of_it_within_48_characters() -> None:
    near, far = (f"7 {'Z' + 'o' * 29} {'Q' + 'u' * length} Hauptstraße 12" for length in (13, 14))
    assert near.index("Haupt") == 48 and addresses(near) == [near]
    assert far.index("Haupt") == 49 and addresses(far) == ["Hauptstraße 12"]
    assert addresses("7 Zora, Hauptstraße 12") == ["Hauptstraße 12"]


@pytest.mark.parametrize(
    "ending",
    [
        "straße", "strasse", "str.", "weg", "platz", "allee", "gasse", "ring", "ufer", "damm", "hof", "steeg", "kade",
        "laan", "gracht", "singel", "straat", "dijk", "plein", "pad", "vej", "vägen", "gatan", "gata", "gade",
        "veien", "katu", "tie", "utca", "út",
    ],
)  # fmt: skip
def test_streets_end_in_german_dutch_nordic_and_hungarian(ending: str) -> None:
    assert addresses(f"at Zora{ending} 5 now") == [f"Zora{ending} 5"]
    assert addresses(f"at Zora{ending}x 5 now") == []


@pytest.mark.parametrize("word", ["Straße", "Strasse", "Str.", "Weg", "Platz", "Allee", "Ring"])
def test_a_german_street_may_be_two_words(word: str) -> None:
    assert addresses(f"at Lange {word} 5 now") == [f"Lange {word} 5"]


@pytest.mark.parametrize("country", ["Germany", "United Kingdom", "United States of America"])
def test_a_town_before_a_country_belongs_to_the_address(country: str) -> None:
    assert addresses(f"write to 12 Main Street, Quill, {country} and wait") == [f"12 Main Street, Quill, {country}"]
    assert addresses("write to 12 Main Street, Quill, Nowhere at All and wait") == ["12 Main Street"]
