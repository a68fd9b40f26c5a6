"""The shapes of numbers that name somebody: how each is written, its issuer's check digit, and the words that name it.

Data for `identifiers.py`, which says when a shape counts. Every pattern is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from steward.privacy import check_digits

Check = Callable[[str], bool]


class NumberShape(msgspec.Struct, frozen=True):
    """One way of writing one kind of number. Without one of `phrases` near it a find has `score`, with one `named`.

    `runs` are the lengths that its first row of digits can have; none: it may have none. `second` is how many digits
    the next row has; 0: any or none. Before the first row at most `letters` capitals and a hyphen belong to it; None:
    nothing does.
    """

    entity: str
    pattern: re.Pattern[str]
    check: Check | None
    score: float
    named: float
    words: re.Pattern[str] | None
    gates: frozenset[str]
    runs: tuple[int, ...]
    letters: int | None
    second: int


def _shape(
    entity: str,
    pattern: str,
    check: Check | None,
    score: float,
    phrases: tuple[str, ...] = (),
    named: float = 0.9,
    runs: Iterable[int] = (),
    letters: int | None = None,
    second: int = 0,
) -> NumberShape:
    return NumberShape(
        entity,
        re.compile(pattern),
        check,
        score,
        max(score, named),
        _compile_phrases(phrases) if phrases else None,
        frozenset(gate for phrase in phrases for gate in _gates(phrase)),
        tuple(runs),
        letters,
        second,
    )


def _compile_phrases(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Any of them as whole words; a blank may be a hyphen, an underscore or nothing (`patient_id`, `patientId`)."""
    alternatives = "|".join(re.escape(phrase).replace(r"\ ", "[ _-]?") for phrase in phrases)
    return re.compile(rf"(?i)(?<![^\W_])(?:{alternatives})(?:s|[ _-]?(?:number|no|nummer|nr))?(?![^\W_])")


_SUFFIXES: Final = ("", "s", "number", "no", "nummer", "nr")


def _gates(phrase: str) -> set[str]:
    """The words that a text has, in lower case, if it has the phrase."""
    first, joined = phrase.split(" ")[0], phrase.replace(" ", "")
    return {word + suffix for word in (first, joined) for suffix in _SUFFIXES}


_START: Final = r"(?<![\w.+/-])"
_END: Final = r"(?![\w/=]|[.-][\w])"
_SSN_PHRASES: Final = ("ssn", "social security")


def _row(
    entity: str, least: int, most: int, letters: int | None, phrases: tuple[str, ...], named: float
) -> NumberShape:
    """A row of `least` to `most` digits, after at most `letters` capitals, that one of the phrases has to name."""
    before = "" if letters is None else f"[A-Z]{{0,{letters}}}-?"
    pattern = f"{_START}{before}[0-9]{{{least},{most}}}{_END}"
    return _shape(entity, pattern, None, 0.0, phrases, named, range(least, most + 1), letters)


SHAPES: Final = (
    _shape("US_SSN", rf"{_START}[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}}{_END}", check_digits.is_us_ssn, 0.8,
           _SSN_PHRASES, 0.95, (3,), second=2),
    _shape("US_SSN", rf"{_START}[0-9]{{3}} ?[0-9]{{2}} ?[0-9]{{4}}{_END}", check_digits.is_us_ssn, 0.05, _SSN_PHRASES,
           runs=(3, 5, 9)),
    _shape("US_ITIN", rf"{_START}9[0-9]{{2}}-[0-9]{{2}}-[0-9]{{4}}{_END}", check_digits.is_us_itin, 0.6,
           ("itin", "taxpayer", "taxpayer id", "taxpayer identification"), 0.95, (3,), second=2),
    _shape("UK_NHS", rf"{_START}[0-9]{{3}}[ -]?[0-9]{{3}}[ -]?[0-9]{{4}}{_END}", check_digits.is_uk_nhs, 0.2,
           ("nhs", "national health service"), 0.95, (3, 6, 10)),
    _shape("DK_CPR", rf"{_START}[0-3][0-9][01][0-9]{{3}}-[0-9]{{4}}{_END}", check_digits.is_danish_cpr, 0.5,
           ("cpr", "personnummer"), 0.95, (6,), second=4),
    _shape("DK_CPR", rf"{_START}[0-3][0-9][01][0-9]{{7}}{_END}", check_digits.is_danish_cpr, 0.1,
           ("cpr", "personnummer"), runs=(10,)),
    _shape("PL_PESEL", rf"{_START}[0-9]{{11}}{_END}", check_digits.is_polish_pesel, 0.2, ("pesel",), 0.95, (11,)),
    _shape("IN_AADHAAR", rf"{_START}[2-9][0-9]{{3}}([ -]?)[0-9]{{4}}\1[0-9]{{4}}{_END}", check_digits.is_aadhaar, 0.25,
           ("aadhaar", "aadhar", "uidai"), 0.95, (4, 12)),
    _shape("BR_CPF", rf"{_START}[0-9]{{3}}\.[0-9]{{3}}\.[0-9]{{3}}-[0-9]{{2}}{_END}", check_digits.is_brazilian_cpf,
           0.95, ("cpf",), 1.0, (3,), second=3),
    _shape("BR_CPF", rf"{_START}[0-9]{{11}}{_END}", check_digits.is_brazilian_cpf, 0.2, ("cpf",), 0.95, (11,)),
    _shape("NL_BSN", rf"{_START}[0-9]{{9}}{_END}", check_digits.is_dutch_bsn, 0.1,
           ("bsn", "burgerservice", "sofi"), 0.95, (9,)),
    _shape("FR_NIR", rf"{_START}[12] ?[0-9]{{2}} ?[0-9]{{2}} ?(?:[0-9]{{2}}|2[AB]) ?[0-9]{{3}} ?[0-9]{{3}} ?[0-9]{{2}}"
           rf"{_END}", check_digits.is_french_nir, 0.9, ("nir", "sécurité sociale", "securite sociale", "sécu"), 0.97,
           (1, 3, 5, 6, 7, 10, 13, 15)),
    _shape("ES_NIF", rf"{_START}[0-9]{{8}}-?[A-HJ-NP-TV-Z]{_END}", check_digits.is_spanish_dni,
           0.75, ("dni", "nif", "nie", "documento"), 0.97, (8,)),
    _shape("ES_NIF", rf"[XYZ]{_START[:-1]}.)[0-9]{{7}}-?[A-HJ-NP-TV-Z]{_END}", check_digits.is_spanish_dni,
           0.75, ("dni", "nif", "nie", "documento"), 0.97, (7,), 1),
    _shape("IT_FISCAL_CODE",
           rf"[A-Z]{{6}}{_START[:-1]}.{{6}})[0-9]{{2}}[A-EHLMPRST][0-9]{{2}}[A-Z][0-9]{{3}}[A-Z]{_END}",
           check_digits.is_italian_codice_fiscale, 0.97, ("codice fiscale", "c.f.", "cf"), 1.0, (2,), 6),
    _shape("DE_TAX_ID", rf"{_START}[1-9][0-9] ?[0-9]{{3}} ?[0-9]{{3}} ?[0-9]{{3}}{_END}", check_digits.is_german_tax_id,
           0.2, ("steuer-id", "steuer id", "steuer", "steueridentifikations", "idnr", "identifikations", "tin"), 0.95,
           (2, 5, 8, 11)),
    _shape("CRYPTO", r"0x(?<!\w..)[0-9a-fA-F]{40}(?!\w)", None, 0.3,
           ("eth", "ethereum", "wallet", "address"), 0.9, (1,)),
    _row("MEDICAL_RECORD", 5, 12, 3,
         ("mrn", "medical record", "patient id", "patient number", "patient no", "patienten id", "patientennummer",
          "krankenakte"), 0.85),
    _row("POLICY_NUMBER", 6, 14, 4,
         ("policy number", "policy no", "policy id", "member id", "beneficiary", "beneficiary id", "versicherten",
          "health plan"), 0.85),
    _row("ACCOUNT_NUMBER", 6, 17, None,
         ("account number", "account no", "acct", "bank account", "kontonummer"), 0.7),
    _row("LICENSE_NUMBER", 4, 14, 3,
         ("license number", "licence number", "license no", "licence no", "driver's license", "driving licence",
          "driver license", "npi", "dea"), 0.7),
    _shape("DEVICE_ID", rf"{_START}[A-Z]{{0,4}}-?[0-9][0-9A-Z-]{{5,18}}{_END}", None, 0.0,
           ("serial number", "serial no", "device id", "device number", "imei", "udi"), 0.7,
           range(1, 20), 4),
    _shape("US_ZIP_CODE", rf"{_START}[0-9]{{5}}(?:-[0-9]{{4}})?(?![\w-])", None, 0.0,
           ("zip", "zip code", "zipcode", "postal code"), 0.65, (5,)),
    _shape("VIN", rf"{_START}[A-Z0-9]{{1,4}}[ -]?[A-Z0-9]{{2,4}}(?:[ -]?[A-Z0-9]{{1,4}})?{_END}", check_digits.is_plate,
           0.0, ("license plate", "licence plate", "plate number", "plate no", "registration plate", "plate",
                 "kennzeichen", "plaque"), 0.8),
    _shape("VIN", rf"{_START}[A-HJ-NPR-Z0-9]{{17}}{_END}", lambda text: not text.isdigit() and not text.isalpha(), 0.0,
           ("vin", "vehicle", "vehicle identification", "chassis", "fahrgestell"), 0.9),
)  # fmt: skip
