"""Dates with a year, as eight languages write them, and dates of birth by the words before them."""

from __future__ import annotations

import pytest

from steward.privacy.dates import find_births, find_dates, is_birth, may_tell_birth
from steward.privacy.scan import split_words


def dates(text: str) -> list[str]:
    return [text[start:end] for start, end in find_dates(text, split_words(text))]


@pytest.mark.parametrize(
    "date",
    [
        "2024-05-01", "2024-05-01 12:30", "2024-05-01T12:30:59", "1999-12-31", "03/12/1985", "3.12.85", "31-01-2000",
        "3. März 1985", "1st of May 2001", "3 mars 1985", "3 de marzo de 1985", "May 3, 2001", "December 31st 1999",
        "10 października 2001", "5 mei 2010", "May 3", "3rd of May", "3 mars", "1er janvier", "3 mai 1985",
    ],
)  # fmt: skip
def test_dates_are_found_whole(date: str) -> None:
    assert dates(f"on {date}, then") == [date] and dates(date) == [date]


@pytest.mark.parametrize(
    "text",
    ["2024-13-01", "2024-05-32", "2124-05-01", "32/12/1985", "03/12-1985", "1.2.3.4", "10/11 of them",
     "May 3 items", "May 32", "March 5:1", "1.May2",
     "v1.2.2024.1", "x03/12/1985", "03/12/1985/7", "0/12/1985"],
)  # fmt: skip
def test_what_is_no_date(text: str) -> None:
    assert dates(text) == []


@pytest.mark.parametrize(
    ("before", "born"),
    [
        ("DOB: ", True), ("date of birth = ", True), ("born on ", True), ("geboren am ", True),
        ('"birthdate": "', True),
        ("né le ", True), ("fecha de nacimiento: ", True), ("released on ", False), ("", False), ("adobe ", False),
        ("born in Paris on ", True), ('"date_of_birth": "', True), ('"dateOfBirth":"', True), ("patient_dob=", True),
        ("<dob>", True), ("<td>DOB</td><td>", True), ("Né(e) le : ", True), ("Geb.-Datum: ", True),
        ("Geburtstag: ", True), ("Fecha nac.: ", True), ("Nato/a a Roma il ", True), ("Nacido/a el ", True),
        ("Date of Birth (DD/MM/YYYY): ", True), ("stillborn ", False), ("born, and released on ", False),
    ],
)  # fmt: skip
def test_words_tell_a_date_of_birth(before: str, born: bool) -> None:
    assert is_birth(f"{before}03/12/1985", len(before)) is born


def test_only_forty_characters_before_are_looked_at() -> None:
    for blanks, born in ((37, True), (38, False)):
        text = "dob" + " " * blanks + "1"
        assert is_birth(text, len(text) - 1) is born


def test_a_text_without_such_a_word_has_no_date_of_birth() -> None:
    assert may_tell_birth({"born", "x"}) and not may_tell_birth({"released"})


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in find_dates(text, split_words(text))]


@pytest.mark.parametrize(
    "date",
    [
        "2024-05-01", "2024-05-01T10:11:12", "01.02.2023", "1/2/23", "31-12-1999", "May 5, 1985", "5th of May 1985",
        "3. März 1985", "12 de enero de 2020", "1 stycznia 2021", "Monday",
    ],
)  # fmt: skip
def test_dates(date: str) -> None:
    assert found(f"on {date} it was") == [date]


@pytest.mark.parametrize(
    "text", ["2024-13-01", "32.02.2023", "1.2.3.4", "10/11 of them", "v2024.05", "port 1985", "/2024-05-01"]
)
def test_what_is_no_date_too(text: str) -> None:
    assert found(text) == []


def test_a_year_after_a_word_of_time() -> None:
    assert found("born in 1985, since 2001") == ["1985", "2001"]


@pytest.mark.parametrize(
    ("before", "born"), [("DOB: ", True), ("born on ", True), ("geboren am ", True), ("née le ", True), ("due ", False)]
)
def test_of_birth(before: str, born: bool) -> None:
    assert is_birth(f"{before}03/12/1985", len(before)) is born
    assert not born or may_tell_birth(set(before.lower().replace(":", "").split()))


@pytest.mark.parametrize(
    ("text", "births"),
    [
        ("DOB: 03/12/1985, seen 2026-05-01", ["03/12/1985"]),
        ("born on May 3, 2001 and on May 4, 2002", ["May 3, 2001"]),
        ("geboren am 3. März 1985; Geburtsdatum 1985-03-03", ["3. März 1985", "1985-03-03"]),
        ("her birthday is May 3", ["May 3"]),
        ("born on September 18, 2000", ["September 18, 2000"]),
        ("born 03/12/1985/7, dob x", []),
    ],
)
def test_dates_of_birth_alone(text: str, births: list[str]) -> None:
    assert [text[start:end] for start, end in find_births(text)] == births
