"""Numbers that name somebody: a shape, the issuer's check digit, and the words around them.

A shape that anything could have counts only where a whole word near it says what it is ("SSN", "NHS number"), and
not at all where a word says that it is something else ("order", "sha256"). Every pattern is linear in the text.
A shape is looked for only where it can be: at numbers whose first digits are as many as it begins with, or, if it
counts by its words alone, in texts that have one of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Final

import msgspec

from steward.privacy import check_digits

Check = Callable[[str], bool]
Find = tuple[int, int, str, float]
WINDOW: Final = 48  # characters before a find that are looked at for words; half as many after it
_NEXT_TO: Final = 12  # characters
LEAST: Final = 0.5  # a find that is less sure counts for nothing

_OTHER: Final = re.compile(
    r"(?i)\b(?:order|invoice|tracking|ticket|case|sku|part|model|serial|commit|sha(?:1|256|512)?|md5|hash|uuid|isbn|issn"
    r"|doi|version|build|port|bug|issue|pull|pid|epoch|timestamp|checksum|bestellung|rechnung|commande|pedido)\b"
)
_CLAUSE: Final = re.compile(r"[^,;.|\n]*")  # what follows a number and still speaks of it
_JOINTS: Final = str.maketrans("", "", " .-/\u00a0")


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
    _shape("MEDICAL_RECORD", rf"{_START}[A-Z]{{0,3}}-?[0-9]{{5,12}}{_END}", None, 0.0,
           ("mrn", "medical record", "patient id", "patient number", "patient no", "patienten id", "patientennummer",
            "krankenakte"), 0.85, range(5, 13), 3),
    _shape("POLICY_NUMBER", rf"{_START}[A-Z]{{0,4}}-?[0-9]{{6,14}}{_END}", None, 0.0,
           ("policy number", "policy no", "policy id", "member id", "beneficiary", "beneficiary id", "versicherten",
            "health plan"), 0.85, range(6, 15), 4),
    _shape("ACCOUNT_NUMBER", rf"{_START}[0-9]{{6,17}}{_END}", None, 0.0,
           ("account number", "account no", "acct", "bank account", "kontonummer"), 0.7, range(6, 18)),
    _shape("LICENSE_NUMBER", rf"{_START}[A-Z]{{0,3}}-?[0-9]{{4,14}}{_END}", None, 0.0,
           ("license number", "licence number", "license no", "licence no", "driver's license", "driving licence",
            "driver license", "npi", "dea"), 0.7, range(4, 15), 3),
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
_BITCOIN: Final = re.compile(r"[13](?<!\w.)[1-9A-HJ-NP-Za-km-z]{25,33}(?!\w)")
_SEGWIT: Final = re.compile(r"bc1(?<!\w.{3})[qp][02-9ac-hj-np-z]{38,58}(?!\w)")
_MAC: Final = re.compile(r"(?<![\w.+/=:-])(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])")
_WITHOUT_RUN: Final = tuple(shape for shape in SHAPES if not shape.runs and shape.score < LEAST)
LETTERED_WORDS: Final = frozenset().union(*(shape.gates for shape in _WITHOUT_RUN))
_BY_WORDS: Final = tuple(shape for shape in SHAPES if shape.runs and shape.score < LEAST)
_GATES: Final = frozenset().union(*(shape.gates for shape in _BY_WORDS))
NUMBER_WORDS: Final = frozenset().union(*(shape.gates for shape in SHAPES))  # one of these names each such number


def _index_runs(shapes: Iterable[NumberShape]) -> Mapping[int, Sequence[NumberShape]]:
    table: defaultdict[int, list[NumberShape]] = defaultdict(list)
    for shape in shapes:
        for run in shape.runs:
            table[run].append(shape)
    return dict(table)


BY_RUN: Final = _index_runs(shape for shape in SHAPES if shape.score >= LEAST and shape.letters is None)
_BY_LETTERED_RUN: Final = _index_runs(shape for shape in SHAPES if shape.score >= LEAST and shape.letters is not None)
NamedShapes = Mapping[int, Sequence[NumberShape]]  # by the length of their first row of digits


_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}(?<!\w.{4})(?= ?[A-Z0-9]{4})")
_IBAN_RESTS: Final = {  # what follows the first four, by the length of the whole
    length: re.compile(rf"(?:[ \u00a0]?[A-Z0-9]){{{length - 4}}}(?![^\W_])") for length in range(15, 35)
}
_BLANKS: Final = str.maketrans("", "", " \u00a0")


def read_iban(text: str, start: int) -> Find | None:
    """The one that begins at `start`, of the length that its country gives it, whatever follows: `DE89 3704 0044 0532
    0130 00 BIC` ends before BIC."""
    match = _IBAN.match(text, start)
    if match is None:
        return None
    rest = _IBAN_RESTS.get(check_digits.iban_length(match[0][:2]), _IBAN_RESTS[15]).match(text, match.end())
    if rest is None or not check_digits.is_iban((match[0] + rest[0]).translate(_BLANKS)):
        return None
    return start, rest.end(), "IBAN_CODE", 0.98


def read_identifiers(text: str, start: int, run: int, second: int | None = None) -> Iterator[Find]:
    """Numbers that begin with `run` digits at `start`, before a row of `second` ones, and need no word beside them.
    `second`: 0 where none follows, None where nobody counted."""
    for shape in BY_RUN.get(run, ()):
        if (
            (second is None or shape.second in (0, second))
            and (match := shape.pattern.match(text, start))
            and (find := _judge(shape, text, match))
        ):
            yield find


def read_lettered(text: str, start: int, run: int) -> Iterator[Find]:
    """Numbers that begin with capitals before the `run` digits at `start`."""
    if start >= 2 <= run and (iban := read_iban(text, start - 2)):
        yield iban
    for shape in _BY_LETTERED_RUN.get(run, ()):
        if find := read_named(text, start, shape):
            yield find


def read_named(text: str, start: int, shape: NumberShape) -> Find | None:
    """A number of this shape whose first digit is at `start`."""
    begin = start if shape.letters is None else _find_letters(text, start, shape.letters)
    match = shape.pattern.match(text, begin)
    return _judge(shape, text, match) if match else None


def read_wallet(text: str, start: int) -> Find | None:
    """A Bitcoin address whose first digits are at `start`."""
    if (match := _BITCOIN.match(text, start)) and check_digits.is_bitcoin_address(match[0]):
        return *match.span(), "CRYPTO", 0.99
    match = _SEGWIT.match(text, start - 2) if text.startswith("bc", start - 2) and start >= 2 else None
    return (*match.span(), "CRYPTO", 0.9) if match else None


def find_identifiers(text: str, words: Set[str]) -> Iterator[Find]:
    """Those that no row of digits begins: long ones of letters and digits."""
    if text.count(":") >= 5 or text.count("-") >= 5:
        for match in _MAC.finditer(text):
            yield *match.span(), "MAC_ADDRESS", 0.9
    for shape in _WITHOUT_RUN if words else ():
        if not shape.gates.isdisjoint(words):
            yield from _find_shape(shape, text)


def _find_shape(shape: NumberShape, text: str) -> Iterator[Find]:
    for match in shape.pattern.finditer(text):
        if find := _judge(shape, text, match):
            yield find


def choose_named(words: Set[str]) -> NamedShapes:
    """The shapes that count by their words alone and that a text with `words` may have."""
    return {} if _GATES.isdisjoint(words) else _choose_named(_GATES & words)


@lru_cache(maxsize=1024)
def _choose_named(gates: frozenset[str]) -> NamedShapes:
    return _index_runs(shape for shape in _BY_WORDS if not shape.gates.isdisjoint(gates))


def _find_letters(text: str, start: int, most: int) -> int:
    """Where the capitals and the hyphen before the digits at `start` begin."""
    begin = start - 1 if text.startswith("-", start - 1) and start else start
    first = max(0, begin - most)
    while begin > first and "A" <= text[begin - 1] <= "Z":
        begin -= 1
    return begin


def _judge(shape: NumberShape, text: str, match: re.Match[str]) -> Find | None:
    """Start, end, entity and score, where the check digit fits."""
    if shape.check is not None and not shape.check(match[0].translate(_JOINTS)):
        return None
    start, end = match.span()
    score = _score(shape, text, start, end)
    return (start, end, shape.entity, score) if score >= LEAST else None


def _score(shape: NumberShape, text: str, start: int, end: int) -> float:
    line = text[max(0, start - WINDOW) : start].rpartition("\n")[2]
    if shape.words is not None:
        after = _CLAUSE.match(text, end, end + WINDOW // 2)
        before = [phrase.end() for phrase in shape.words.finditer(line)]
        if before:  # of several kinds the one that is named next to the number
            return shape.named - 0.003 * max(0, len(line) - before[-1] - _NEXT_TO)
        if after is not None and shape.words.search(after[0]):
            return shape.named
    return shape.score * 0.4 if _OTHER.search(line[-24:]) else shape.score
