"""Finds and non-finds. Card numbers are the networks' published test numbers (Visa, Mastercard, American Express,
Diners Club, Discover, JCB, UnionPay); phone numbers are of the ranges kept for fiction (NANPA 555-01XX, Ofcom
020 7946 0XXX and 07700 900XXX, Bundesnetzagentur 030 23125 XXX, ARCEP 01 99 00 XX XX); addresses of RFC 5737, 3849.
"""

from __future__ import annotations

import pytest

from steward.privacy.cards import luhn
from steward.privacy.entities import ALIASES
from steward.privacy.finding import PersonalFinding
from steward.privacy.scan import scan_text

KINDS = {entity: kind for kind, entity in ALIASES.items()}


def find_personal_data(text: str) -> list[PersonalFinding]:
    return scan_text(text, KINDS)


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
    assert [(KINDS[span.entity], text[span.start : span.end]) for span in find_personal_data(text)] == [(kind, value)]


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


@pytest.mark.parametrize(
    "before",
    [
        "see section ", "Section ", "\xa7 ", "chapter ", "Table ", "clause ", "Appendix ", "sections 3.2.1.3 and ",
        "OID ",
        "Abschnitt ", "requirement ", "Fig. ", "Mozilla/5.0 Chrome/", "subsection ", "steps 1.1.1.1, 1.1.1.2 and ",
    ],
)  # fmt: skip
def test_d14_numbers_of_sections_and_browsers_are_no_addresses(before: str) -> None:
    assert not list(find_personal_data(f"{before}3.2.1.4 of it"))


@pytest.mark.parametrize(
    "before", ["observer ", "intersection ", "by rule ", "route via/", "table of hosts: ", "para "]
)
def test_d14_words_that_only_look_like_these_hide_no_address(before: str) -> None:
    text = f"{before}52.94.236.248 answers"
    assert [text[span.start : span.end] for span in find_personal_data(text)] == ["52.94.236.248"]


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
def test_300_kilobytes_of_anything_end(unit: str) -> None:
    """Quadratic work on as many characters would take minutes; the timeout is the bound."""
    find_personal_data(unit * (300_000 // len(unit)))


@pytest.mark.parametrize("word", ["server", "nameserver", "receiver", "driver", "Observer:"])
def test_d14_an_address_after_a_word_that_ends_in_ver_is_one(word: str) -> None:
    assert [(KINDS[span.entity], span.start) for span in find_personal_data(f"{word} 52.94.236.248")] == [
        ("ip_address", len(word) + 1)
    ]
    assert find_personal_data("ver 52.94.236.248") == find_personal_data("Version: 52.94.236.248") == []


@pytest.mark.parametrize("text", ["Boston, MA 02110-1301", "Boston, MA  02110-1301, USA", "Boston, Mass. 02110-1301"])
def test_d17_a_postal_code_is_no_phone_number(text: str) -> None:
    assert find_personal_data(text) == []
    assert [KINDS[span.entity] for span in find_personal_data("phone 02110-1301")] == ["phone"]


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in find_personal_data(text)]


@pytest.mark.parametrize(
    "value",
    [
        "b\u200bob@example.com",  # a zero-width space
        "bob＠ｅxample.com",
        "\U0001d41b\U0001d428\U0001d41b@example.com",  # mathematical bold
        "٤١١١ 1111 1111 1111",
        "４１１１１１１１１１１１１１１１",
        "192.0.2.⑫",  # one character for two digits
        "+49 30 23125 ¹²³",
    ],
)
def test_what_looks_like_it_is_found_where_it_stands(value: str) -> None:
    assert found(value) == [value] and found(f"to {value}, x") == [value]
    assert found(f"\u200b{value} \u200b.") == [value]


def test_two_finds_may_touch() -> None:
    assert found("2001:db8::+49 30 23125 123") == ["2001:db8::", "+49 30 23125 123"]
    assert found("+49 30 23125 (123)::ffff:203.0.113.9") == ["+49 30 23125 (123)", "::ffff:203.0.113.9"]
    assert found("4111 1111 1111 1111 5555 5555 5555 4444") == ["4111 1111 1111 1111", "5555 5555 5555 4444"]


def test_only_a_repository_is_no_address() -> None:
    assert found("git@example.com") == ["git@example.com"] and found("git@github.com:owner/it") == []
    assert found("bob@example.com: hi") == ["bob@example.com"]


@pytest.mark.parametrize(
    ("text", "is_card"),
    [
        ("4111 111 111 111 111", True),  # groups of three
        ("4111 11 1111 1111 11", False),
        ("411 1111 1111 11111", False),
        ("501800000009", True),  # Maestro has 12 to 19 digits
        ("6200000000000000000", True),  # UnionPay up to 19
        ("6200000000000000000 0000", True),
        ("62000000000000000003", False),
        ("4111111111111111x", False),
        ("4111111111111111_", False),
    ],
)
def test_the_shape_of_a_card_number(text: str, is_card: bool) -> None:
    assert [KINDS[span.entity] for span in find_personal_data(text)] == (["payment_card"] if is_card else [])


@pytest.mark.parametrize("text", ["2001:db8::1x", "2001:db8:::1", "2001:db8:", "2001:db8::1_"])
def test_what_is_no_address_of_ipv6_is_left(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(("digits", "is_phone"), [(6, False), (7, True), (15, True), (16, False)])
def test_a_number_after_a_word_has_7_to_15_digits(digits: int, is_phone: bool) -> None:
    """ITU-T E.164: 15 at most."""
    number = "9" * digits
    assert found(f"phone {number}") == ([number] if is_phone else [])


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("+49 1234567", None),  # 9 digits with the country's
        ("+49 123456", 10),
        ("+4912345", None),
    ],
)
def test_an_international_number_has_8_to_15_digits(text: str, end: int | None) -> None:
    assert bool(found(text)) is (sum(letter.isdigit() for letter in text) >= 8)
    assert found("+" + "49" + "1" * 13) == ["+49" + "1" * 13] and found("+49" + "1" * 14) == []
    assert found("00491234567") == [] and found("004912345678") == ["004912345678"]  # 10 without a plus


def test_after_country_code_1_there_are_10_digits() -> None:
    assert found("+1 212 555 012") == [] and found("+1 212 555 0123") == ["+1 212 555 0123"]


@pytest.mark.parametrize(
    ("text", "is_phone"),
    [
        ("030 23125", False),
        ("030 231251", True),  # 9 digits
        ("030 231 251 251", True),  # 12
        ("030 231 251 2512", False),
        ("03000 23125", True),
        ("030000 23125", True),  # an area of 6 digits, as in India
        ("0300000 23125", False),
        ("08-12 34 56", True),  # 8, and only the first group is parted otherwise
        ("08-12-34-56", False),
        ("03 06 35 51", False),  # pairs only are numbers of France, of five
        ("03 06 35 51 06", True),
        ("03 06 35 51 06 71", False),
        ("030 2 3125123", False),
        ("030 23 12 51 23", True),
        ("030 23-12-51-23", True),
    ],
)
def test_a_national_number_has_9_to_12_digits(text: str, is_phone: bool) -> None:
    assert found(text) == ([text] if is_phone else [])


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("Phone:\n25-47-68-80", "25-47-68-80"),
        ("call me at 35 84 45 please", "35 84 45"),
        ("my mobile number is 6931 24231", "6931 24231"),
        ("her number is 1234567", "1234567"),
        ("phone\t5551234", "5551234"),
        ("office: 395 3624", "395 3624"),
        ("395 3624-Office", "395 3624"),
        ("631 331 197 (mobile)", "631 331 197"),
        ("727.032.0217x9533", "727.032.0217x9533"),
        ("031.213.9831 ext. 971", "031.213.9831 ext. 971"),
        ("+1-278-316-9661x019-Fax", "+1-278-316-9661x019"),
        ("please ring Zora at the shop: 433 46 71", "433 46 71"),
        ("it is 601 234 567 now", "601 234 567"),
        ("it is 51 516 33 75 now", "51 516 33 75"),
    ],
)
def test_a_word_or_an_extension_makes_a_number_of_any_shape(text: str, phone: str) -> None:
    assert found(text) == [phone]


@pytest.mark.parametrize(
    "text",
    [
        "the phone has 16 000 000 colours", "reach 1 000 000 users", "number 1234567", "the office is at 7210 138 Rue",
        "fax 123456", "call 12 34", "desk 5 of 12", "dial 2024-01-01", "1234-Officer",
        "ring the shop about 433 46 71", "the call costs 12 34 56", "600 000 000",
        "we saw 401 234 567 of it", "$ 601 234 567",
        "601 234 567 km", "a mobile net of 12 345 67",
    ],
)  # fmt: skip
def test_a_word_that_is_not_about_it_makes_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("Rufen Sie mich bitte unter 616675081 an", "616675081"),
        ("meine Nummer ist 0664 1234567", "0664 1234567"),
        ("Handynummer: 32 12 68 32", "32 12 68 32"),
        ("Rappelez-moi au 12 306 87 58 svp", "12 306 87 58"),
        ("mon numéro est le 21 23 70 20", "21 23 70 20"),
        ("Llámame al 612 60 81 08", "612 60 81 08"),
        ("il mio numero è 317/512 6077", "317/512 6077"),
        ("meu número é 0850193248", "0850193248"),
        ("Bel mij op 081239 62546", "081239 62546"),
        ("Proszę dzwonić pod numer 21-236-3536", "21-236-3536"),
        ("my number's 40.64.20.33", "40.64.20.33"),
        ("Phone (home): 32 18 02 27", "32 18 02 27"),
        ("<td>Phone</td><td>32 18 02 27</td>", "32 18 02 27"),
        ("| Telefon | 32 18 02 27 |", "32 18 02 27"),
        ("caller=601-148-171 duration=33", "601-148-171"),
        ("T: 612 31 20 73", "612 31 20 73"),
        ("What is your phone number?\nCustomer: it is 395 3624", "395 3624"),
        ("İstanbul telefon 395 3624", "395 3624"),
        ("text me 5551234", "5551234"),
    ],
)
def test_words_of_eight_languages_make_a_number_of_any_shape(text: str, phone: str) -> None:
    assert [text[one.start : one.end] for one in scan_text(text, {"PHONE_NUMBER"})] == [phone]


@pytest.mark.parametrize(
    "phone",
    [
        "(506).268-2725", "(201)5964194", "(201)/820-5200", "222 169 5108", "(022).12669", "(11)-2173-3207",
        "(11)946781644", "607-234-709", "612 60 81 08", "54-290-21-24", "21 234 5678", "11 2345-6789", "98765 43210",
        "406 12 345", "212 877 542", "40 61 42 62", "406\u00a012\u202f345", "212\u2011555\u20110123",
    ],
)  # fmt: skip
def test_national_groups_need_no_word(phone: str) -> None:
    for text in (phone, f"| Novak | {phone} | active |", f"Anna;{phone};2026-01-02"):
        assert [text[one.start : one.end] for one in scan_text(text, {"PHONE_NUMBER"})] == [phone]


@pytest.mark.parametrize(
    "text",
    [
        "total: 558 073 021", "net 51 516 33 75", "558 073 021 EUR", "558 073 021 Rows", "SKU 87675-31524",
        "hexdump 00 48 35 35 59 82 52",
        "[40 61 42 62]", "scores 40 61 42 62 11", "we saw 40 61 42 62 of it", "portable 7259 725 MB",
        "text 12345678 bytes",
        "T: 25.456789", "m 612 31 20", "handyman 395 3624", "Telefon für Bestellung 395 3624", "microphone 395 3624",
        "912.094.535", "40-61-42-62",
    ],
)  # fmt: skip
def test_counts_amounts_and_parts_are_no_phones(text: str) -> None:
    assert scan_text(text, {"PHONE_NUMBER"}) == []


def phones(text: str) -> list[str]:
    return [text[one.start : one.end] for one in scan_text(text, {"PHONE_NUMBER", "PERSON", "EMAIL_ADDRESS"}) if
            one.entity == "PHONE_NUMBER"]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "call 6568789 returned 12",
        "call 6568789 took 5 ms",
        "call 6568789, ret=0",
        "ring 4410023 full",
        "cell 1234567 contains 4",
        "the number 6568789 is prime",
        "reached at 6568789 after 3 retries",
        "syscall 6568789: ret=1",
    ],
)
def test_what_programs_call_is_no_telephone(line: str) -> None:
    assert phones("\n".join([line] * 50)) == []


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("Please call 6568789.", "6568789"),
        ("call 6568789 before noon", "6568789"),
        ("Call 6568789 and ask for Zora", "6568789"),
        ("Her new number is 555 0123", "555 0123"),
        ("I can be reached at 22 555012", "22 555012"),
        ("messages from 5550 1234 all day", "5550 1234"),
        ("The emergency number is 555-0123", "555-0123"),
        ("My name is Zora Quill, 555 0123", "555 0123"),
        ("My name is Zora Quill\n55 50 12\nBremen", "55 50 12"),
        ("zora@example.com, 22 555 012", "22 555 012"),
        ("Is 555 0123 still in service?", "555 0123"),
        ("Please take 2125550123 from the list", "2125550123"),
        ("It says 20 212 555 0123 there", "20 212 555 0123"),
    ],
)
def test_short_numbers_by_what_is_said_around_them(text: str, phone: str) -> None:
    assert phones(text) == [phone]


@pytest.mark.parametrize(
    "text",
    [
        "Is 555 0123 the order that we lost?",  # another number
        "x 555 0123 y",  # no sentence
        "between 2019 2020 and then",
        "rows 555 0123 of 5550 1234 read",
        "We shipped 2125550123 units to the shop",
        "My name is Zora Quill, 02110-1301",  # a postal code
        "My name is Zora Quill, 555000",
        "zora@example.com, 1 000 000",
    ],
)
def test_short_numbers_that_are_no_telephones(text: str) -> None:
    assert phones(text) == []


@pytest.mark.parametrize(
    ("address", "is_found"),
    [("127.0.0.1", False), ("127.0.0.53", False), ("127.9.0.1", True), ("10.0.0.0/8", False), ("9.1.1.0/x", True)],
)
def test_loopback_addresses_and_whole_networks_are_nobodys(address: str, is_found: bool) -> None:
    assert bool(scan_text(f"from {address} on", {"IP_ADDRESS"})) is is_found


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("It is 8 (771) 000 9309.", "8 (771) 000 9309"),  # the trunk digit before the area: KZ, RU
        ("It is (8 12) 34-55-74.", "(8 12) 34-55-74"),  # within the brackets: TM
        ("It is (0-612) 30035.", "(0-612) 30035"),  # LT
        ("It is (06 1) 234 5686.", "(06 1) 234 5686"),  # HU
        ("They never answered at 76 795 550", "76 795 550"),
        ("Please stop sending messages to 97 70 84, thanks", "97 70 84"),
        ("I placed an order but got no text on my registered 614 5454.", "614 5454"),
        ("He rang me from 9865 2117 again.", "9865 2117"),
        ("Phone: 22129", "22129"),
        ('{"phone": "51236"}', "51236"),
        ("+6903751", "+6903751"),  # Tokelau's numbers have four digits
        ("+2908992", "+2908992"),
        ("+4915123456779", "+4915123456779"),  # its digits pass the check of a card
    ],
)
def test_numbers_of_plans_by_what_is_said_of_them(text: str, phone: str) -> None:
    assert [(text[find.start : find.end], find.entity) for find in find_personal_data(text)] == [
        (phone, "PHONE_NUMBER")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "We received 25 300 messages.",
        "We sent messages to 25 300 people",
        "He answered at 10 12 25.",  # a date
        "I called about my order 614 5454.",
        "She answered on 2 345 678 in total",
        "messages to 76 795 550 km",
        "+6803751",  # Palau's numbers have seven digits
        "cell: 22129",  # of a table
        "Phone: 2212",
        "It is (06 1) 234.",
    ],
)
def test_numbers_of_no_plan_are_left(text: str) -> None:
    assert find_personal_data(text) == []


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("write to bob at example dot com please", "bob at example dot com"),
        ("BOB DOT QUILL AT EXAMPLE DOT CO DOT UK", "BOB DOT QUILL AT EXAMPLE DOT CO DOT UK"),
        ("bob [at] example.com", "bob [at] example.com"),
        ("bob(at)example(dot)museum", "bob(at)example(dot)museum"),
        ("zora.quill arroba example punto es", "zora.quill arroba example punto es"),
        ("zora małpa example kropka pl", "zora małpa example kropka pl"),
    ],
)
def test_spelled_addresses(text: str, email: str) -> None:
    assert [(text[find.start : find.end], find.entity) for find in find_personal_data(text)] == [
        (email, "EMAIL_ADDRESS")
    ]


@pytest.mark.parametrize(
    "text", ["we met at example.com", "look at the dot on top", "meet at noon, dot", "prices (at) noon", "a at b dot c"]
)
def test_what_spells_no_address(text: str) -> None:
    assert find_personal_data(text) == []
