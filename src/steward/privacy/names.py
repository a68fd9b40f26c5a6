"""People, organisations, addresses and dates in running text and in forms, without a model.

A capital letter alone says nothing: a name needs a second signal, such as a title, a cue ("my name is"), a form's
field, a greeting, or a common given name before a capitalised word. What needs understanding is not found; the page
about privacy says how much that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

Finds = Iterator[tuple[int, int, str, float]]

_UPPER: Final = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪĶĹĽŁŃŇŐŒŔŘŚŞŠŢŤŪŮŰŹŻŽİ"
_LOWER: Final = "a-zà-öø-ÿāăąćčďđēęěğģīķĺľłńňőœŕřśşšţťūůűźżžı"
_TOKEN: Final = (
    rf"[{_UPPER}](?:[{_LOWER}]{{1,30}}+|'[{_UPPER}][{_LOWER}]{{1,30}}+)(?:[-'’][{_UPPER}]?[{_LOWER}]{{1,30}}+){{0,3}}+"
)
_PARTICLE: Final = r"(?:van der|van den|van de|van|von der|von|de la|de los|del|de|da|dos|di|du|le|la|bin|al|zu|ter)"
_INITIAL: Final = rf"[{_UPPER}]\."
_NAME: Final = rf"{_TOKEN}(?: {_INITIAL}){{0,3}}(?: (?:{_PARTICLE} )?{_TOKEN}){{0,3}}"
_FULL: Final = rf"{_TOKEN}(?: {_INITIAL}){{0,3}}(?: (?:{_PARTICLE} )?{_TOKEN}){{1,3}}"

_TITLE: Final = re.compile(
    r"(?<!\w)(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam|Rev|Hon|Herrn?|Frau|Monsieur|Madame|Mme"
    r"|Mlle|M|Señora?|Sra?"
    r"|Srta|Signora?|Sig|Sig\.ra|Dott|Dott\.ssa|Senhora?|Dhr|Mevr|Meneer|Mevrouw|Pani?)\.?"
    rf"(?: (?:Dr|Prof|Dott)\.)? ((?:{_INITIAL} ){{0,3}}{_NAME})"
)
_CUE: Final = re.compile(
    r"(?i:(?<!\w)(?:my name is|name's|i am called|this is|speak(?:ing)? (?:to|with)|signed(?: by)?|on behalf of"
    r"|patient|customer|client|employee|caller|mein name ist|ich heiße|ich bin|je m'appelle|mon nom est|me llamo"
    r"|mi nombre es|mi chiamo|il mio nome è|meu nome é|me chamo|mijn naam is|ik heet|nazywam się|mam na imię))"
    rf"[:,]? ({_FULL})"
)
_ONE_CUE: Final = re.compile(
    r"(?i:(?<!\w)(?:my name is|name's|i am called|mein name ist|ich heiße|je m'appelle|me llamo|mi chiamo|me chamo"
    rf"|mijn naam is|ik heet|nazywam się|mam na imię)) ({_TOKEN})(?!\w)"
)
_GREETING: Final = re.compile(
    r"(?:^|\n)[ \t]*(?:Dear|Hi|Hello|Hey|Hallo|Liebe[rs]?|Sehr geehrte[rs]?|Bonjour|Chère?|Hola"
    r"|Estimad[oa]|Querid[oa]|Ciao"
    rf"|Gentile|Olá|Prezad[oa]|Beste|Geachte|Drog[ia]|Szanown[ya])(?: (?:Mr|Mrs|Ms|Dr|Herr|Frau)\.?)? ({_NAME})[,!:\n]"
)
_CLOSING: Final = re.compile(
    r"(?i:(?:^|\n)[ \t]*(?:best regards|kind regards|regards|best wishes|best|sincerely(?: yours)?"
    r"|yours (?:truly|sincerely)"
    r"|thanks|thank you|cheers|mit freundlichen grüßen|viele grüße|cordialement|saludos|un saludo|cordiali saluti"
    rf"|met vriendelijke groet|pozdrawiam|atenciosamente)),?[ \t]*\n+[ \t]*({_NAME})[ \t]*(?:\n|$)"
)
_FIELD: Final = re.compile(
    r"(?im)(?:^|[,{;|\t(]|\\n)[ \t]*[\"']?(?:full |first |last |given |family |sur|patient |customer "
    r"|contact |account |card"
    r"holder |client |employee |user )?(?:name|nom|nombre|nome|naam|vorname|nachname|nazwisko|imię|prénom|apellidos?|"
    r"cardholder|patient|kunde)[\"']?[ \t]*[:=|\t][ \t]*[\"']?"
    rf"((?-i:{_TOKEN}(?:,? (?:{_INITIAL}|(?:{_PARTICLE} )?{_TOKEN})){{0,3}}))"
)
_NAME_RUN: Final = re.compile(rf"(?<![\w.@/-])({_FULL})(?![\w@]|\.\w)")

_COMPANY: Final = re.compile(
    rf"(?<![\w.@&'’-])((?:[{_UPPER}0-9][\w&'’.-]{{0,30}}+(?:,)? (?:(?:and|und|et|y|e|of|&) )?){{1,5}}"
    r"(?:Inc|Incorporated|LLC|L\.L\.C|LLP|Ltd|Limited|PLC|plc|Corp|Corporation|Co|Company|GmbH|AG|KG"
    r"|SE|OHG|e\.V|S\.A|SA|SARL"
    r"|SAS|S\.L|SL|S\.p\.A|SpA|S\.r\.l|Srl|Lda|Ltda|B\.V|BV|N\.V|NV|Sp\. z o\.o|Pty|Holdings|Group|Partners|Foundation"
    r"|University|Hospital|Bank|Clinic)\.?)(?!\w)"
)

_NUMBER: Final = r"[0-9]{1,5}[A-Za-z]?(?:[-/][0-9]{1,4}[A-Za-z]?)?"
_WORD: Final = rf"(?:[{_UPPER}][{_LOWER}'’.-]{{1,30}}+|[{_UPPER}]\.?|[0-9]{{1,3}}(?:st|nd|rd|th))"
_STREET_EN: Final = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Way|Court|Ct|Place|Pl|Square|Sq"
    r"|Terrace|Ter|Trail|Trl"
    r"|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Close|Crescent|Cres|Gardens|Grove|Mews|Row|Alley|Loop|Plaza|Walk|Hill|Ridge)"
)
_UNIT: Final = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|#)\.? ?[0-9A-Za-z-]{1,6})?"
_TOWN: Final = rf"(?:,? [{_UPPER}][{_LOWER}]{{1,30}}(?: [{_UPPER}][{_LOWER}]{{1,30}})?)"
_ADDRESS_EN: Final = re.compile(
    rf"(?<![\w.-])({_NUMBER} (?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East"
    rf"|West)\.? )?(?:{_WORD} ){{1,3}}{_STREET_EN}(?!\w)\.?"
    rf"{_UNIT}(?:{_TOWN},? (?:[A-Z]{{2}} )?[0-9]{{5}}(?:-[0-9]{{4}})?)?)"
)
_BOX: Final = re.compile(r"(?<!\w)((?:P\.? ?O\.? Box|Postfach|Apartado|Casella postale) [0-9]{1,6})(?!\w)")
_ADDRESS_DE: Final = re.compile(
    rf"(?<!\w)((?:[{_UPPER}][{_LOWER}]{{1,30}}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm"
    rf"|ufer|straat|laan|plein|gracht|"
    rf"kade|dijk)"
    rf"|[{_UPPER}][{_LOWER}-]{{1,30}}(?:[ -][{_UPPER}][{_LOWER}]{{1,30}}){{0,2}}[ -](?:Straße|Strasse|Str\.|Weg|Platz"
    r"|Allee|Ring))"
    rf" {_NUMBER}(?:,? (?:[A-Z]{{1,2}}-)?[0-9]{{4,5}}(?: [A-Z]{{2}})?{_TOWN})?)"
)
_LOOSE: Final = (
    rf"(?:(?:de|du|des|de la|del|della|dei|do|da|dos|la|le|les|l'|d'|św\.) ?)?[{_UPPER}][{_LOWER}'’-]{{1,30}}+"
)
_ADDRESS_FR: Final = re.compile(
    rf"(?<!\w)({_NUMBER},? (?:bis |ter )?(?:rue|avenue|boulevard|place|chemin|allée|impasse|quai|route"
    rf"|cours)(?: {_LOOSE}){{1,4}}"
    rf"(?:,? [0-9]{{5}}{_TOWN})?)"
)
_ADDRESS_SOUTH: Final = re.compile(
    r"(?<!\w)((?:Calle|C/|Avenida|Avda?\.|Paseo|Plaza|Via|Viale|Piazza|Corso|Vicolo|Rua|Travessa"
    r"|Praça|ul\.|ulica|al\.|pl\.)"
    rf"(?: {_LOOSE}){{1,4}},? (?:n[.º°] ?)?{_NUMBER}(?:,? [0-9]{{2}}-?[0-9]{{3}}{_TOWN})?)"
)

_MONTH: Final = (
    r"(?:Jan(?:uary|uar)?|Feb(?:ruary|ruar)?|Mar(?:ch)?|März|Apr(?:il)?|May|Mai|Jun[ei]?|Jul[yi]?"
    r"|Aug(?:ust)?|Sept?(?:ember)?"
    r"|O[ck]t(?:ober)?|Nov(?:ember)?|De[cz](?:ember)?|janvier|février|mars|avril|juin|juillet|août"
    r"|septembre|octobre|novembre"
    r"|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre"
    r"|diciembre|gennaio|febbraio"
    r"|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|stycznia|lutego|marca|kwietnia|maja"
    r"|czerwca|lipca|sierpnia"
    r"|września|października|listopada|grudnia|maart|mei|augustus|janeiro|fevereiro|março|maio|junho"
    r"|julho|setembro|outubro"
    r"|dezembro)\.?"
)
_DATE: Final = re.compile(
    r"(?<![\w./-])("
    r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?:[T ][0-2][0-9]:[0-5][0-9](?::[0-5][0-9])?)?"
    r"|(?:0?[1-9]|[12][0-9]|3[01])([./-])(?:0?[1-9]|[12][0-9]|3[01])\2(?:19|20)?[0-9]{2}"
    rf"|(?:{_MONTH} (?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?,? (?:19|20)[0-9]{{2}})"
    rf"|(?:(?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th|\.|er|º)?(?: of| de)? {_MONTH}(?:,| de)? (?:19|20)[0-9]{{2}})"
    r")(?![\w/-]|\.[0-9])"
)
_BIRTH: Final = re.compile(
    r"(?i)(?<!\w)(?:dob|d\.o\.b\.?|date of birth|birth ?date|born(?: on)?|birthday|geboren(?: am)?|geb\.|geburtsdatum"
    r"|né(?:e)? le|date de naissance|fecha de nacimiento|nacid[oa] el|data di nascita|nat[oa] il|data de nascimento"
    r"|geboortedatum|data urodzenia|ur\.)[\"']?[ \t]*[:=|is]{0,2}[ \t]*[\"']?$"
)


def _read_words(name: str) -> frozenset[str]:
    lines = (Path(__file__).parent / "words" / name).read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


_GIVEN_NAMES: Final = _read_words("given_names.txt")
_NOT_NAMES: Final = _read_words("not_names.txt")


def find_written(text: str) -> Finds:
    """Start, end, entity and score; they may overlap."""
    yield from find_people(text)
    for match in _COMPANY.finditer(text):
        if match[1].split(" ")[0] not in _NOT_NAMES:
            yield *match.span(1), "ORGANIZATION", 0.75
    for pattern in (_ADDRESS_EN, _ADDRESS_DE, _ADDRESS_FR, _ADDRESS_SOUTH, _BOX):
        for match in pattern.finditer(text):
            yield *match.span(1), "STREET_ADDRESS", 0.8
    for match in _DATE.finditer(text):
        born = _BIRTH.search(text, max(0, match.start() - 40), match.start())
        yield *match.span(1), "DATE_OF_BIRTH" if born else "DATE_TIME", 0.9 if born else 0.6


def find_people(text: str) -> Finds:
    """Names by their cues; then every other place where the same name stands (one who is named once is named)."""
    spans: dict[tuple[int, int], float] = {}
    for pattern, score in (
        (_TITLE, 0.85),
        (_CUE, 0.8),
        (_ONE_CUE, 0.8),
        (_GREETING, 0.75),
        (_CLOSING, 0.75),
        (_FIELD, 0.85),
    ):
        for match in pattern.finditer(text):
            _keep(spans, text, *match.span(1), score)
    for match in _NAME_RUN.finditer(text):
        if match[1].split(" ")[0] in _GIVEN_NAMES:
            _keep(spans, text, *match.span(1), 0.8)
    for name in {text[start:end] for start, end in spans}:
        if " " in name:
            for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
                spans.setdefault(match.span(), 0.75)
    for (start, end), score in sorted(spans.items()):
        yield start, end, "PERSON", score


def _keep(spans: dict[tuple[int, int], float], text: str, start: int, end: int, score: float) -> None:
    """A name ends before the first word that is none."""
    words = text[start:end].split(" ")
    kept: list[str] = []
    for word in words:
        if word.strip(".,") in _NOT_NAMES:
            break
        kept.append(word)
    if kept and any(len(word) > 2 for word in kept):
        span = (start, start + len(" ".join(kept).rstrip(",")))
        spans[span] = max(score, spans.get(span, 0.0))
