"""Labelled texts for `bench_privacy.py`, made anew from a seed: sentences, and a second set of another shape.

Each row is (text, spans); a span is (start, end, entity). Numbers are made by their issuers' rules, written here a
second time. Names are of three kinds, chosen in equal parts: given names that steward's list has, given names that it
lacks, and names made of syllables, which stand in no list of anybody. The sentences differ from all that the detectors'
tests contain. Negatives hold nothing personal.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import NamedTuple


class Labelled(NamedTuple):
    text: str
    spans: list[tuple[int, int, str]]


def split(words: str) -> list[str]:
    return words.split()


LISTED = split("Thomas Maria Julia Peter Anna Katarzyna François Giulia Pedro Sanne Laura Robert Emma Hans Isabel")
UNLISTED = split("Ignatius Thandiwe Oluwaseun Kerttu Baptistine Eithne Xiomara Dzmitry Nomvula Tihomir Aroha Brunhilde")
SURNAMES = split(
    "Ackerley Brzozowska Cavendish Dlamini Eberhardt Fontanelle Gwozdz Hallström Ikonen Jovanović Kowalewski Lindqvist"
    " Mbeki Nakashima Okonkwo Papadakis Quiroga Rautiainen Szczepaniak Thorvaldsen Ueland Vantongeren Wojcik Yılmaz"
    " Zamperini"
)
MONTHS = split("January February March April May June July August September October November December")


class Maker:
    """Values of each entity, by their issuers' rules."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def digits(self, count: int, first: str = "123456789") -> str:
        return self.random.choice(first) + "".join(self.random.choices(string.digits, k=count - 1))

    def syllables(self) -> str:
        parts = self.random.choices(
            ["ka", "zor", "vel", "min", "tu", "bre", "lo", "shi", "dra", "pe", "qui", "fa"], k=3
        )
        return "".join(parts).capitalize()

    def person(self) -> str:
        given = self.random.choice([self.random.choice(LISTED), self.random.choice(UNLISTED), self.syllables()])
        return f"{given} {self.random.choice([*SURNAMES, self.syllables()])}"

    def email(self) -> str:
        name = self.random.choice(["{a}.{b}", "{b}", "{a}_{b}", "{a}+{b}"]).format(
            a=self.syllables().lower(), b=self.syllables().lower()
        )
        host = self.random.choice(["example.com", "mail.example.org", "x-y.co.uk", "firma.de", "bücher.example"])
        return f"{name}@{host}"

    def phone(self) -> str:
        two, three, four = self.digits(2), self.digits(3, "23456789"), self.digits(4)
        return self.random.choice(
            [
                f"+1 {three}-555-{four}", f"({three}) 555-{four}", f"{three}-555-{four}", f"+49 30 {self.digits(8)}",
                f"+44 20 7946 {four}", f"020 7946 {four}", f"+33 6 {two} {two} {two} {two}",
                f"06 {two} {two} {two} {two}",
                f"+48 {three} {three} {three}", f"+34 6{two} {three} {three}", f"+31 20 {self.digits(7)}",
                f"+39 02 {self.digits(8)}", f"00351 21 {self.digits(7)}", f"+86 138 {four} {four}",
            ]
        )  # fmt: skip

    def card(self) -> str:
        body = self.random.choice(["4" + self.digits(14), "5" + self.digits(14, "12345"), "37" + self.digits(12)])
        number = body + luhn_digit(body)
        if self.random.random() < 0.5 or len(number) != 16:
            return number
        joint = self.random.choice(" -")
        return joint.join(number[at : at + 4] for at in range(0, 16, 4))

    def iban(self) -> str:
        country, body = self.random.choice(
            [("DE", self.digits(18)), ("NL", f"INGB{self.digits(10)}"), ("GB", f"NWBK{self.digits(14)}"),
             ("ES", self.digits(20)), ("PL", self.digits(24)), ("FR", self.digits(23))]
        )  # fmt: skip
        rest = int("".join(str(int(letter, 36)) for letter in f"{body}{country}00")) % 97
        iban = f"{country}{98 - rest:02d}{body}"
        spaced = " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))
        return self.random.choice([iban, spaced])

    def ssn(self) -> str:
        return f"{self.random.randint(100, 665)}-{self.random.randint(10, 99)}-{self.random.randint(1000, 9999)}"

    def ip(self) -> str:
        if self.random.random() < 0.3:
            return "2001:db8:" + ":".join(f"{self.random.randint(256, 65535):x}" for _ in range(6))
        return ".".join(str(self.random.randint(11, 223)) for _ in range(4))

    def mac(self) -> str:
        return self.random.choice(":-").join(f"{self.random.randint(0, 255):02x}" for _ in range(6))

    def nhs(self) -> str:
        while True:
            body = self.digits(9)
            check = 11 - sum(int(digit) * weight for digit, weight in zip(body, range(10, 1, -1), strict=True)) % 11
            if check != 10:
                number = f"{body}{check % 11}"
                return self.random.choice([number, f"{number[:3]} {number[3:6]} {number[6:]}"])

    def cpf(self) -> str:
        digits = self.digits(9)
        for length in (10, 11):
            total = sum(int(digit) * (length - at) for at, digit in enumerate(digits))
            digits += str(0 if total % 11 < 2 else 11 - total % 11)
        return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"

    def pesel(self) -> str:
        year, month, day = self.random.randint(40, 99), self.random.randint(1, 12), self.random.randint(1, 28)
        body = f"{year}{month:02d}{day:02d}{self.digits(4)}"
        total = sum(int(digit) * (1, 3, 7, 9)[at % 4] for at, digit in enumerate(body))
        return f"{body}{-total % 10}"

    def nif(self) -> str:
        number = self.digits(8)
        return number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]

    def bsn(self) -> str:
        while True:
            body = self.digits(8)
            check = sum(int(digit) * (9 - at) for at, digit in enumerate(body)) % 11
            if check < 10:
                return f"{body}{check}"

    def nir(self) -> str:
        sex, year, month = self.random.randint(1, 2), self.random.randint(40, 99), self.random.randint(1, 12)
        number = f"{sex}{year}{month:02d}75{self.digits(6)}"
        return f"{number}{97 - int(number) % 97:02d}"

    def mrn(self) -> str:
        return self.digits(self.random.randint(6, 9))

    def address(self) -> str:
        number = self.random.randint(1, 999)
        return self.random.choice(
            [
                f"{number} {self.syllables()} {self.random.choice(['Street', 'Avenue', 'Rd', 'Lane', 'Drive'])}",
                f"{self.syllables()}straße {number % 90 + 1}",
                f"{number} rue de {self.syllables()}",
                f"Calle {self.syllables()} {number}",
                f"Via {self.syllables()} {number}",
                f"{self.syllables()}straat {number}",
                f"{number} {self.syllables()} Street, {self.syllables()}, CA {self.digits(5)}",
            ]
        )

    def organisation(self) -> str:
        form = self.random.choice(["Ltd", "GmbH", "Inc.", "LLC", "S.p.A", "B.V.", "AG", "Group"])
        return f"{self.syllables()} {form}"

    def birth(self) -> str:
        day, month, year = self.random.randint(1, 28), self.random.randint(1, 12), self.random.randint(1930, 2010)
        return self.random.choice(
            [f"{year}-{month:02d}-{day:02d}", f"{day:02d}.{month:02d}.{year}", f"{MONTHS[month - 1]} {day}, {year}"]
        )


def luhn_digit(body: str) -> str:
    total = 0
    for at, digit in enumerate(reversed(body)):
        value = int(digit) * (1 if at % 2 else 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


ENTITIES: dict[str, Callable[[Maker], str]] = {
    "EMAIL_ADDRESS": Maker.email, "PHONE_NUMBER": Maker.phone, "CREDIT_CARD": Maker.card, "IBAN_CODE": Maker.iban,
    "US_SSN": Maker.ssn, "IP_ADDRESS": Maker.ip, "MAC_ADDRESS": Maker.mac, "UK_NHS": Maker.nhs, "BR_CPF": Maker.cpf,
    "PL_PESEL": Maker.pesel, "ES_NIF": Maker.nif, "NL_BSN": Maker.bsn, "FR_NIR": Maker.nir,
    "MEDICAL_RECORD": Maker.mrn, "PERSON": Maker.person, "STREET_ADDRESS": Maker.address,
    "ORGANIZATION": Maker.organisation, "DATE_OF_BIRTH": Maker.birth,
}  # fmt: skip
SENTENCES = [
    "You can write to {EMAIL_ADDRESS} until noon, or ring {PHONE_NUMBER}.",
    "We charged {CREDIT_CARD} twice; please refund to {IBAN_CODE}.",
    "{PERSON} said that the parcel went to {STREET_ADDRESS} instead.",
    "Her social security number, {US_SSN}, is on the second page.",
    "The login came from {IP_ADDRESS} although {PERSON} was asleep.",
    "NHS number {UK_NHS} belongs to the patient that {PERSON} referred.",
    "O CPF dela é {BR_CPF}.", "Jej PESEL to {PL_PESEL}.", "Mi DNI es {ES_NIF}, gracias.", "Mijn BSN is {NL_BSN}.",
    "Mon numéro de sécurité sociale (NIR) : {FR_NIR}.", "The medical record number is {MEDICAL_RECORD}.",
    "Yesterday I met {PERSON}, who works for {ORGANIZATION}.",
    "I was born on {DATE_OF_BIRTH} and still live at {STREET_ADDRESS}.",
    "Could somebody tell {PERSON} that {ORGANIZATION} moved?", "Forward it to {EMAIL_ADDRESS}; cc {EMAIL_ADDRESS}.",
    "The printer with MAC {MAC_ADDRESS} answers on {IP_ADDRESS}.", "Überweisen Sie bitte auf {IBAN_CODE}, {PERSON}.",
    "Mr. {PERSON} asked whether {PHONE_NUMBER} still works.", "Her card {CREDIT_CARD} expired in spring.",
]  # fmt: skip
SHAPES = [
    "[2026-03-04 10:11:12] INFO login user={EMAIL_ADDRESS} ip={IP_ADDRESS} status=200",
    '{{"customer": {{"name": "{PERSON}", "phone": "{PHONE_NUMBER}", "iban": "{IBAN_CODE}"}}}}',
    "Name: {PERSON}\nDOB: {DATE_OF_BIRTH}\nMRN: {MEDICAL_RECORD}\nAddress: {STREET_ADDRESS}\nPhone: {PHONE_NUMBER}",
    "| field | value |\n|---|---|\n| ssn | {US_SSN} |\n| card | {CREDIT_CARD} |",
    "user: hi, my name is {PERSON}\nassistant: Hello! How can I help?\nuser: reach me at {PHONE_NUMBER}",
    "id,email,ip\n17,{EMAIL_ADDRESS},{IP_ADDRESS}\n18,{EMAIL_ADDRESS},{IP_ADDRESS}",
    "Dear {PERSON},\n\nyour IBAN {IBAN_CODE} was updated.\n\nKind regards,\n{PERSON}\n{ORGANIZATION}\n{STREET_ADDRESS}",
    "nhs_number={UK_NHS};pesel={PL_PESEL};cpf={BR_CPF};dni={ES_NIF};bsn={NL_BSN};nir={FR_NIR}",
    "eth0: link/ether {MAC_ADDRESS} inet {IP_ADDRESS}/24", "patient_id: {MEDICAL_RECORD}, ssn: {US_SSN}",
    "Ticket from {PERSON} <{EMAIL_ADDRESS}>\n> call {PHONE_NUMBER} before 5", "card_number\t{CREDIT_CARD}\tpaid",
]  # fmt: skip


def make_rows(templates: list[str], count: int, seed: int) -> list[Labelled]:
    maker = Maker(seed)
    return [_fill(maker.random.choice(templates), maker) for _ in range(count)]


def _fill(template: str, maker: Maker) -> Labelled:
    text, spans = "", []
    for literal, field, _, _ in string.Formatter().parse(template):
        text += literal
        if field:
            value = ENTITIES[field](maker)
            spans.append((len(text), len(text) + len(value), field))
            text += value
    return Labelled(text, spans)


def make_negatives(seed: int) -> dict[str, str]:
    """About 10 kB of each kind; nothing in it is anybody's."""
    maker = Maker(seed)
    choose, digits = maker.random, maker.digits

    def hexes(length: int) -> str:
        return "".join(choose.choices("0123456789abcdef", k=length))

    def uuid() -> str:
        return "-".join(hexes(size) for size in (8, 4, 4, 4, 12))

    def number(*lengths: int, joint: str = ".") -> str:
        return joint.join(map(digits, lengths))

    lines: dict[str, Callable[[], str]] = {
        "code": lambda: (
            f"    def {choose.choice(['read', 'merge'])}_{hexes(3)}(self, width: int = {digits(4)}) -> Result:\n"
            f"        return Buffer(self.items[{digits(2)}:{digits(3)}], mask=0x{hexes(8)}, ratio={number(1, 6)})"
        ),
        "logs": lambda: (
            f"2026-0{digits(1)}-1{digits(1)}T1{digits(1)}:2{digits(1)}:3{digits(1)}.{digits(6)}Z WARN w-{digits(2)} "
            f"retry={digits(1)} took {digits(4)}ms pid={digits(5)} offset {digits(10)} Connection Reset by peer"
        ),
        "hashes": lambda: f"sha256:{hexes(64)} md5 {hexes(32)} commit {hexes(40)}",
        "json ids": lambda: f'{{"id": {digits(12)}, "trace": "{uuid()}", "seq": {digits(9)}, "ts": 17{digits(11)}}}',
        "isbns": lambda: f"ISBN 978-{number(1, 2, 6, 1, joint='-')}, ISSN {number(4, 4, joint='-')}",
        "versions": lambda: (
            f"numpy=={number(1, 2, 1)}; version {number(1, 1, 2, 3)} build {digits(8)}; v{number(1, 1)}.0-rc{digits(1)}"
        ),
        "orders": lambda: (
            f"order {digits(9)}, invoice {digits(10)}, tracking 1Z{hexes(6).upper()}{digits(10)}, ticket #{digits(6)}"
        ),
        "calls": lambda: choose.choice(
            [
                f"call {digits(7)} returned {digits(3)}",
                f"call {digits(8)} took {digits(2)} ms",
                f"cell {digits(7)} contains {digits(4)}",
                f"syscall {digits(7)}: ret={digits(1)}",
                f"rpc call {digits(9)} failed after {digits(3)} retries",
                f"ring {digits(7)} full, dropping {digits(5)}",
                f"handle {digits(7)} reached at {digits(8)}",
                f"dial {digits(7)} timed out",
                f"text {digits(7)} indexed",
            ]
        ),
        "traces": lambda: (
            f"#{digits(2)} 0x{hexes(12)} in fetch ({number(3, 4, joint='-')}) at pool.c:{digits(4)} tid {digits(7)} "
            f"span={hexes(16)} rev {digits(6)}-{hexes(7)} rows {digits(4)} {digits(4)} page {number(2, 6, joint=' ')}"
        ),
        "tables": lambda: (
            f"{number(3, 4, joint=' ')} | {number(2, 6, joint=' ')} | {number(4, 4, joint=' ')}"
            f" | {number(3, 7, joint='-')}"
            f"\n{digits(7)}\t{digits(8)}\t{digits(10)}"
        ),
        "amounts": lambda: (
            f"total EUR {number(1, 3, 3)},{digits(2)}, net $ {number(3, 3, joint=',')}.{digits(2)}, "
            f"{digits(10)} bytes of {digits(7)} rows, {number(2, 3, 3, joint=' ')} people, "
            f"{number(1, 3, 3, joint=' ')} users"
        ),
        "coordinates": lambda: f"{number(2, 6)}, -{number(2, 6)}; bbox [{number(2, 4)}, {number(2, 4)}]",
    }
    return {kind: "\n".join(make() for _ in range(10_000 // len(make()))) for kind, make in lines.items()}
