"""Payment cards: the networks' published test numbers, and ranges and lengths as they publish them (ISO/IEC 7812-1)."""

from __future__ import annotations

import pytest

from steward.privacy.cards import find_named_cards, is_word, luhn, read_cards


def complete(prefix: str, length: int) -> str:
    """`prefix` and zeros, with the check digit that makes the sum of Luhn's rule a multiple of ten."""
    body = prefix + "0" * (length - 1 - len(prefix))
    doubled = [int(digit) * (2 - number % 2) for number, digit in enumerate(reversed(body))]
    return body + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def cards(text: str, start: int = 0) -> list[str]:
    return [text[first:last] for first, last in read_cards(text, start)[0]]


def test_the_check_digit_follows_luhns_rule() -> None:
    assert luhn("79927398713") and not any(luhn(f"7992739871{digit}") for digit in "012456789")  # the patent's example
    assert luhn("4111111111111111") and luhn("378282246310005")


@pytest.mark.parametrize(
    ("prefix", "length", "is_card"),
    [
        ("34", 15, True), ("37", 15, True), ("34", 16, False), ("300", 14, True), ("305", 14, True), ("306", 14, False),
        ("309", 14, True), ("36", 14, True), ("38", 19, True), ("6011", 16, True), ("6011", 15, False),
        ("644", 16, True), ("65", 19, True), ("3528", 16, True), ("3527", 16, False), ("3589", 16, True),
        ("3590", 16, False), ("5018", 12, True), ("6759", 19, True), ("51", 16, True), ("55", 16, True),
        ("56", 16, False), ("2221", 16, True), ("2220", 16, False), ("2720", 16, True), ("2721", 16, False),
        ("2200", 16, True), ("2204", 19, True), ("2205", 16, False), ("60", 16, True), ("508", 16, True),
        ("62", 16, True), ("62", 19, True), ("4", 13, True), ("4", 16, True), ("4", 19, True), ("4", 14, False),
        ("1", 16, False), ("9", 16, False),
    ],
)  # fmt: skip
def test_lengths_belong_to_issuers(prefix: str, length: int, is_card: bool) -> None:
    number = complete(prefix, length)
    assert luhn(number) and cards(number) == ([number] if is_card else [])


@pytest.mark.parametrize(
    "number",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "3782 822463 10005",
        "4222 222 222 222",
    ],
)
def test_groups_may_be_parted(number: str) -> None:
    assert cards(number) == [number] and cards(f"{number}.") == [number]


def test_the_longest_card_of_a_row_is_read_and_then_the_next() -> None:
    row = "4111 1111 1111 1111 5555 5555 5555 4444"
    assert cards(row) == [row[:19], row[20:]] and read_cards(row, 0)[1] == len(row)
    assert cards("1234 4111 1111 1111 1111") == ["4111 1111 1111 1111"]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112", "4111111111111111a", "4111111111111111_", "411 1111 1111 1111 11", "41 11 11 11",
        "4111 11 11111111 11", "411111111111",
    ],
)  # fmt: skip
def test_what_is_no_card(text: str) -> None:
    assert cards(text) == []


@pytest.mark.parametrize(("text", "start"), [("x4111111111111111", 1), ("1.4111111111111111", 2), ("abc", 0)])
def test_no_row_begins_within_a_word_or_a_fraction(text: str, start: int) -> None:
    assert read_cards(text, start) == ([], start)


def test_the_first_group_of_a_card_has_four_digits_or_more() -> None:
    assert cards("card 411 1111 1111 11111", 5) == [] and cards("card 4111 1111 1111 1111", 5) != []


def test_a_short_row_is_passed_over() -> None:
    assert read_cards("12345678901 x", 0) == ([], 11)


def test_what_is_part_of_a_word() -> None:
    assert [is_word("a_9 ", at) for at in range(5)] == [True, True, True, False, False]


def test_a_row_is_read_once_and_holds_what_it_holds() -> None:
    text = "12 4111 1111 1111 1111 5555-5555-5555-4444 7 x"
    assert read_cards(text, 0) == ([(3, 22), (23, 42)], 44)
    assert read_cards(text, 45) == ([], 45)  # no digit
    assert read_cards("1234 5678", 0) == ([], 9)  # too short


@pytest.mark.parametrize(
    ("text", "is_card"),
    [
        ("my card is 213100000000001", True),  # JCB before 1989: an issuer of no list
        ("Visa: 213100000000001", True),
        ("number 213100000000001", False),
        ("card 213100000000002", False),  # Luhn
        ("card 00000000000", False),  # 11 digits: ISO/IEC 7812-1 has 12 at least in use (Maestro)
        ("card 000000000000", True),  # 12
        ("card 213100000000001x", False),
    ],
)
def test_a_word_for_a_card_makes_one_of_any_issuer(text: str, is_card: bool) -> None:
    assert bool(list(find_named_cards(text))) is is_card


def test_luhn_on_the_published_example() -> None:
    assert luhn("79927398713") and not any(luhn(f"7992739871{digit}") for digit in "012456789")


def test_words() -> None:
    assert is_word("a", 0) and is_word("_", 0) and is_word("5", 0)
    assert not is_word("-", 0) and not is_word("a", 1)
