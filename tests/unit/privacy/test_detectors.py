"""Finds and non-finds. Card numbers are the networks' published test numbers (Visa, Mastercard, American Express,
Diners Club, Discover, JCB, UnionPay); phone numbers are of the ranges kept for fiction (NANPA 555-01XX, Ofcom
020 7946 0XXX and 07700 900XXX, Bundesnetzagentur 030 23125 XXX, ARCEP 01 99 00 XX XX); addresses of RFC 5737, 3849.
"""

from __future__ import annotations

import pytest

from steward.privacy.detectors import find_personal_data, luhn

EMAILS = [
    "bob@example.com",
    "bob.o'brien+x@sub.example.co.uk",
    "müller@bücher.example",
    "a@b.io",
    "x_y@xn--bcher-kva.example",
]
CARDS = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "5555-5555-5555-4444",
    "2223003122003222",
    "3782 822463 10005",
    "30569309025904",
    "6011111111111117",
    "3566002020360505",
    "6200000000000005",
    "4222222222222",
]
ADDRESSES = ["192.0.2.44", "10.1.2.3", "2001:db8::1", "2001:DB8:0:0:8:800:200C:417A", "fe80::1", "::ffff:203.0.113.9"]
PHONES = [
    "+49 30 23125 123",
    "+1 (212) 555-0123",
    "+12125550123",
    "+44 (0)20 7946 0958",
    "0049 30 23125123",
    "(212) 555-0123",
    "212-555-0123",
    "212.555.0123",
    "212 555 0123",
    "1-800-555-0199",
    "020 7946 0958",
    "07700 900123",
    "07700900123",
    "(030) 23125123",
    "030/23125 123",
    "01 99 00 12 34",
    "01.99.00.12.34",
    "(11) 91234-5678",
    "138-1234-5678",
]
ALL = [
    (kind, value)
    for kind, values in (("email", EMAILS), ("payment_card", CARDS), ("ip_address", ADDRESSES), ("phone", PHONES))
    for value in values
]


@pytest.mark.parametrize(
    "around", ["{}", "see {}.", "({})", "'{}'", '{{"x": "{}"}}', "a\n{}\nb", "| {} |", "x={}, y", "[{}]"]
)
@pytest.mark.parametrize(("kind", "value"), ALL)
def test_found_whole_whatever_stands_around(kind: str, value: str, around: str) -> None:
    text = around.format(value)
    assert [(span.kind, text[span.start : span.end]) for span in find_personal_data(text)] == [(kind, value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("phone: 2125550123", "2125550123"),
        ('{"customer_phone_number": "2125550123"}', "2125550123"),
        ("tel. 555-0123", "555-0123"),
        ("call me at 2125550123 today", "2125550123"),
        (r"{\"text\": \"hi\nbob@example.com\"}", "bob@example.com"),
        (r"CORP\bob@example.com", "bob@example.com"),
        ("12 5555 5555 5555 4444 7", "5555 5555 5555 4444"),
        ("4111 1111 1111 1111 2nd try", "4111 1111 1111 1111"),
        ("198.51.100.7:8080", "198.51.100.7"),
        ("+33 1 99 00 12 34 et 12", "+33 1 99 00 12 34"),
    ],
)
def test_context_and_edges(text: str, value: str) -> None:
    assert [text[span.start : span.end] for span in find_personal_data(text)] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:owner/repository icon@2x.png pkg@1.2.3 @app.route a@b",
        "2024-01-02 10:30:45 and 01.02.2023 10:30 and 01-02-2023 10:30 and 2023-01-02T10:30:45.123456+02:00",
        "v1.2.3.4 version 1.2.3.4 1.2.3.4.5 256.1.1.1 127.0.0.1 0.0.0.0 255.255.255.0",
        "std::byte face::add aa:bb:cc:dd:ee:ff 12:30:45 ::1 dead:beef",
        "4111111111111112 1234567890123456 0.4111111111111111 x4111111111111111",
        "300 400 5000 600 700 8000 1700000000 1700000000123 0123456789",
        "123e4567-e89b-12d3-a456-426614174000 3f786850e387550fdab836ed7e6dc881de23001b",
        "5 + 12345678 = 12345683; +0200; 00000000; phone: 2024-01-01; 1,234,567,890",
    ],
)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    assert [text[span.start : span.end] for span in find_personal_data(text)] == []


def test_luhn_agrees_with_the_published_example() -> None:
    assert luhn("79927398713") and not any(luhn(f"7992739871{digit}") for digit in "012456789")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    [
        *("a", "1", "1 ", "1-", "a.", "a@", "@a.", "a@a.", "+", "+1", "01 ", "(1", "1.", "::", "2001:", "\\n", "-'"),
        *("4111 ", "phone 1", "phone", "212-", "call me at ", "a@b-", "é", "a@b.co ", "1(", "00"),
    ],
)
def test_a_megabyte_of_anything_ends(unit: str) -> None:
    """Quadratic work on 10^6 characters would take minutes; the timeout is the bound."""
    find_personal_data(unit * (1_000_000 // len(unit)))


@pytest.mark.parametrize("word", ["server", "nameserver", "receiver", "driver", "Observer:"])
def test_d14_an_address_after_a_word_that_ends_in_ver_is_one(word: str) -> None:
    assert [(span.kind, span.start) for span in find_personal_data(f"{word} 52.94.236.248")] == [
        ("ip_address", len(word) + 1)
    ]
    assert find_personal_data("ver 52.94.236.248") == find_personal_data("Version: 52.94.236.248") == []


@pytest.mark.parametrize("text", ["Boston, MA 02110-1301", "Boston, MA  02110-1301, USA", "Boston, Mass. 02110-1301"])
def test_d17_a_postal_code_is_no_phone_number(text: str) -> None:
    assert find_personal_data(text) == []
    assert [span.kind for span in find_personal_data("phone 02110-1301")] == ["phone"]
