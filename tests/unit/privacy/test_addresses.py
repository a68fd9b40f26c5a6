"""Postal addresses by their street, in the spellings of eight languages."""

from __future__ import annotations

import pytest

from steward.privacy.addresses import find_addresses


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
