"""Numbers that name somebody: a shape, the issuer's check digit, and the words around them.

A shape that anything could have counts only where a whole word near it says what it is ("SSN", "NHS number"), and
not at all where a word says that it is something else ("order", "sha256"). Every pattern is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from steward.privacy import check_digits

Check = Callable[[str], bool]
WINDOW: Final = 48  # characters before a find that are looked at for words; half as many after it

_OTHER: Final = re.compile(
    r"(?i)\b(?:order|invoice|tracking|ticket|case|sku|part|model|serial|commit|sha(?:1|256|512)?|md5|hash|uuid|isbn|issn"
    r"|doi|version|build|port|bug|issue|pull|pid|epoch|timestamp|checksum|bestellung|rechnung|commande|pedido)\b"
)
_JOINTS: Final = str.maketrans("", "", " .-/\u00a0")


class NumberShape(msgspec.Struct, frozen=True):
    """One way of writing one kind of number. Without `words` near it a find has `score`, with them `named`."""

    entity: str
    pattern: re.Pattern[str]
    check: Check | None
    score: float
    named: float
    words: re.Pattern[str] | None


def _words(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)(?<![^\W_])(?:{text})(?![^\W_])")


def _shape(
    entity: str, pattern: str, check: Check | None, score: float, words: str = "", named: float = 0.9
) -> NumberShape:
    return NumberShape(entity, re.compile(pattern), check, score, max(score, named), _words(words) if words else None)


_START: Final = r"(?<![\w.+/=-])"
_END: Final = r"(?![\w/=]|[.-][\w])"

SHAPES: Final = (
    _shape("US_SSN", rf"{_START}[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}}{_END}", check_digits.is_us_ssn, 0.8,
           "ssns?|social security(?: (?:number|no))?", 0.95),
    _shape("US_SSN", rf"{_START}[0-9]{{3}} ?[0-9]{{2}} ?[0-9]{{4}}{_END}", check_digits.is_us_ssn, 0.05,
           "ssns?|social security(?: (?:number|no))?", 0.9),
    _shape("US_ITIN", rf"{_START}9[0-9]{{2}}-[0-9]{{2}}-[0-9]{{4}}{_END}", check_digits.is_us_itin, 0.6,
           "itin|taxpayer(?: id(?:entification)?)?", 0.95),
    _shape("UK_NHS", rf"{_START}[0-9]{{3}}[ -]?[0-9]{{3}}[ -]?[0-9]{{4}}{_END}", check_digits.is_uk_nhs, 0.2,
           "nhs(?: (?:number|no))?|national health service", 0.95),
    _shape("DK_CPR", rf"{_START}[0-3][0-9][01][0-9]{{3}}-[0-9]{{4}}{_END}", check_digits.is_danish_cpr, 0.5,
           "cpr(?:-?(?:nummer|nr))?|personnummer", 0.95),
    _shape("PL_PESEL", rf"{_START}[0-9]{{11}}{_END}", check_digits.is_polish_pesel, 0.2, "pesel", 0.95),
    _shape("IN_AADHAAR", rf"{_START}[2-9][0-9]{{3}}([ -]?)[0-9]{{4}}\1[0-9]{{4}}{_END}", check_digits.is_aadhaar, 0.25,
           "aadhaar|aadhar|uidai", 0.95),
    _shape("BR_CPF", rf"{_START}[0-9]{{3}}\.[0-9]{{3}}\.[0-9]{{3}}-[0-9]{{2}}{_END}", check_digits.is_brazilian_cpf,
           0.95, "cpf", 1.0),
    _shape("BR_CPF", rf"{_START}[0-9]{{11}}{_END}", check_digits.is_brazilian_cpf, 0.2, "cpf", 0.95),
    _shape("NL_BSN", rf"{_START}[0-9]{{9}}{_END}", check_digits.is_dutch_bsn, 0.1,
           "bsn(?:-?nummer)?|burgerservicenummer|sofinummer", 0.95),
    _shape("FR_NIR", rf"{_START}[12] ?[0-9]{{2}} ?[0-9]{{2}} ?(?:[0-9]{{2}}|2[AB]) ?[0-9]{{3}} ?[0-9]{{3}} ?[0-9]{{2}}"
           rf"{_END}", check_digits.is_french_nir, 0.9, "nir|sécurité sociale|securite sociale|sécu", 0.97),
    _shape("ES_NIF", rf"{_START}(?:[0-9]{{8}}|[XYZ][0-9]{{7}})-?[A-HJ-NP-TV-Z]{_END}", check_digits.is_spanish_dni,
           0.75, "dni|nif|nie|documento", 0.97),
    _shape("IT_FISCAL_CODE", rf"{_START}[A-Z]{{6}}[0-9]{{2}}[A-EHLMPRST][0-9]{{2}}[A-Z][0-9]{{3}}[A-Z]{_END}",
           check_digits.is_italian_codice_fiscale, 0.97, "codice fiscale|c\\.?f\\.?", 1.0),
    _shape("DE_TAX_ID", rf"{_START}[1-9][0-9] ?[0-9]{{3}} ?[0-9]{{3}} ?[0-9]{{3}}{_END}", check_digits.is_german_tax_id,
           0.2, "steuer-?id(?:entifikationsnummer|-?nr)?|idnr|steuernummer|identifikationsnummer", 0.95),
    _shape("MAC_ADDRESS", rf"{_START}(?:[0-9A-Fa-f]{{2}}([:-]))(?:[0-9A-Fa-f]{{2}}\1){{4}}[0-9A-Fa-f]{{2}}(?![\w:-])",
           None, 0.85, "mac|ethernet|hwaddr|wi-?fi", 0.95),
    _shape("CRYPTO", r"(?<!\w)[13][1-9A-HJ-NP-Za-km-z]{25,33}(?!\w)", check_digits.is_bitcoin_address, 0.99),
    _shape("CRYPTO", r"(?<!\w)bc1[qp][02-9ac-hj-np-z]{38,58}(?!\w)", None, 0.9),
    _shape("CRYPTO", r"(?<!\w)0x[0-9a-fA-F]{40}(?!\w)", None, 0.3, "eth(?:ereum)?|wallet|address", 0.9),
    _shape("MEDICAL_RECORD", rf"{_START}[A-Z]{{0,3}}-?[0-9]{{5,12}}{_END}", None, 0.0,
           "mrn|medical record(?: (?:number|no))?|patient(?:en)?[ -]?(?:id|number|no|nummer)|krankenakte", 0.85),
    _shape("POLICY_NUMBER", rf"{_START}[A-Z]{{0,4}}-?[0-9]{{6,14}}{_END}", None, 0.0,
           "policy (?:number|no|id)|member id|beneficiary(?: (?:number|no|id))?|versichertennummer|health plan", 0.85),
    _shape("VIN", rf"{_START}[A-HJ-NPR-Z0-9]{{17}}{_END}", lambda text: not text.isdigit() and not text.isalpha(), 0.0,
           "vin|vehicle(?: identification)?|chassis|fahrgestellnummer", 0.9),
)  # fmt: skip


_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?= ?[A-Z0-9]{4})")
_LETTER: Final = re.compile(r"[ \u00a0]?([A-Z0-9])")


def find_ibans(text: str) -> Iterator[tuple[int, int, str, float]]:
    """Of the length that its country gives it, whatever follows: `DE89 3704 0044 0532 0130 00 BIC` ends before BIC."""
    for match in _IBAN.finditer(text):
        letters, end = [match[0]], match.end()
        for _ in range(check_digits.iban_length(match[0][:2]) - 4):
            letter = _LETTER.match(text, end)
            if letter is None:
                break
            letters.append(letter[1])
            end = letter.end()
        if not text[end : end + 1].isalnum() and check_digits.is_iban("".join(letters)):
            yield match.start(), end, "IBAN_CODE", 0.98


def find_identifiers(text: str) -> Iterator[tuple[int, int, str, float]]:
    """Start, end, entity and score of every number that could be one; they may overlap."""
    yield from find_ibans(text)
    for shape in SHAPES:
        for match in shape.pattern.finditer(text):
            start, end = match.span()
            if shape.check is None or shape.check(match[0].translate(_JOINTS)):
                score = _score(shape, text, start, end)
                if score > 0.0:
                    yield start, end, shape.entity, score


def _score(shape: NumberShape, text: str, start: int, end: int) -> float:
    before, after = text[max(0, start - WINDOW) : start], text[end : end + WINDOW // 2]
    line = before.rpartition("\n")[2]
    if shape.words is not None and (shape.words.search(line) or shape.words.search(after.partition("\n")[0])):
        return shape.named
    return shape.score * 0.4 if _OTHER.search(line[-24:]) else shape.score
