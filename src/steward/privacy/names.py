"""People in running text and in forms, without a model; what else words tell is put beside them.

A capital letter alone says nothing: a name needs a second signal, such as a title, a cue ("my name is"), a form's
field, a greeting, or a common given name before a capitalised word. What needs understanding is not found; the page
about privacy says how much that is. Work begins only where a word with a capital does.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Sequence, Set
from functools import lru_cache
from typing import Final, NamedTuple

from steward.privacy.addresses import ADDRESS_WORDS, LOWER, UPPER, HouseNumbers, find_addresses
from steward.privacy.dates import DATE_WORDS, find_births, find_dates, is_birth, may_tell_birth
from steward.privacy.organisations import ORGANISATION_WORDS, find_organisations
from steward.privacy.wordlists import CUES, KNOWN, NOT_NAMES, STREET_TYPES, is_known, read_words

Finds = list[tuple[int, int, str, float]]

_TOKEN: Final = (
    rf"(?:(?:Mc|Mac|De|Di|Du|La|Le|Fitz|Van)(?=[{UPPER}]))?[{UPPER}](?:[{LOWER}]{{1,30}}+|'[{UPPER}][{LOWER}]{{1,30}}+)"
    rf"(?:[-'’][{UPPER}]?[{LOWER}]{{1,30}}+){{0,3}}+"
)
_PARTICLE: Final = r"(?:van der|van den|van de|van|von der|von|de la|de los|del|de|da|dos|di|du|le|la|bin|al|zu|ter)"
_INITIAL: Final = rf"[{UPPER}]\."
_NAME: Final = rf"{_TOKEN}(?: {_INITIAL}){{0,3}}(?: (?:{_PARTICLE} )?{_TOKEN}){{0,3}}"
_FULL: Final = rf"{_TOKEN}(?: [{UPPER}]\.?(?= )){{0,3}}(?: (?:{_PARTICLE} )?{_TOKEN}){{1,3}}"


_WORD: Final = re.compile(rf"[{UPPER}](?<![\w@/.-].)[\w'’]*+\.?+(?:(?= [{UPPER}][. ])()|)")  # and an initial after it
_ANNOUNCED: Final = 0.6  # of one beside whom others are named
_SURE: Final = 0.75  # of a name whose parts name the same person
_ALONE: Final = re.compile(r"(?:['’]s)?(?=[\s,;:!?)\"]|\.\s|\.?\Z)")
_ANDS: Final = (" and ", " und ", " et ", " y ", " e ", " i ", " en ")
_AND: Final = rf"(?:{'|'.join(_ANDS)})"
_AND_BEFORE: Final = re.compile(rf"(?<![\w-])({_TOKEN}(?:, {_TOKEN}){{0,3}}),?{_AND}\Z")
_AND_AFTER: Final = re.compile(rf"{_AND}({_TOKEN})(?![\w@-]|\.\w| [{UPPER}])")
_FULL_NAME: Final = re.compile(rf"{_FULL}(?![\w@]|\.\w)")
_ONE_NAME: Final = re.compile(rf"{_TOKEN}(?![\w@]|\.\w)")
_LAST_WORDS: Final = re.compile(r"[\w'’]+")
_NEXT_WORD: Final = re.compile(" ([a-z]+)")
_MAY_FOLLOW: Final = frozenset("vdlbazt")  # what the small words of a name begin with
_POSSESSIVES: Final = frozenset(("'s ", "’s "))
_JOINTS: Final = frozenset((" ", "-", "'", "’"))  # what may part the first word of a name from the next
_POSSESSIVE: Final = 3  # characters
_SPEAKS: Final = (': "', ':"', ", ", ": “")
_MAY_SPEAK: Final = frozenset(":,")
_MARKS: Final = ",.;:!?)"  # after a word
_FEW: Final = 32  # words of names
_INITIALS: Final = 2  # letters: who is told by no longer word is told by initials alone
_WORDS_BEFORE: Final = 32  # characters before a name in which the two words before it are looked for
_HAS_INITIAL: Final = re.compile(rf" [{UPPER}]\.? ")
_LEAST_LETTERS: Final = 3  # of a word that could be known
_LETTERS: Final = re.compile(rf"[^\W\d_]{{{_LEAST_LETTERS},}}")
_ANY_NAME: Final = re.compile(rf"(?:{_INITIAL} ){{0,3}}{_NAME}")
_TITLES: Final = CUES["titles"]
_AFTER_TITLE: Final = re.compile(
    rf"(?:(?<=Sig\.)ra|(?<=Dott\.)ssa)?(?: (?:Dr|Prof|Dott)\.)? ((?:{_INITIAL} ){{0,3}}{_NAME})"
)
_CUE: Final = re.compile(
    r"(?i:(?<!\w)(?:my name is|name's|i am called|this is|speak(?:ing)? (?:to|with)|signed(?: by)?|on behalf of"
    r"|patient|customer|client|employee|caller|mein name ist|ich heiße|ich bin|je m'appelle|mon nom est|me llamo"
    r"|mi nombre es|mi chiamo|il mio nome è|meu nome é|me chamo|mijn naam is|ik heet|nazywam się|mam na imię))"
    r"[:,]? $"
)
_ONE_CUE: Final = re.compile(
    r"(?i:(?<!\w)(?:my name is|name's|i am called|mein name ist|ich heiße|je m'appelle|me llamo|mi chiamo|me chamo"
    r"|mijn naam is|ik heet|nazywam się|mam na imię)) $"
)
_CUE_ENDS: Final = CUES["before_names"]
_GREETINGS: Final = CUES["greetings"]
_GREETING: Final = re.compile(rf"(?:(?<=Sehr) geehrte[rs]?)?(?: (?:Mr|Mrs|Ms|Dr|Herr|Frau)\.?)? ({_NAME})[,!:\n]")
_CLOSING: Final = re.compile(
    r"(?i:(?:^|\n)[ \t]*(?:best regards|kind regards|regards|best wishes|best|sincerely(?: yours)?"
    r"|yours (?:truly|sincerely)|thanks|thank you|cheers|mit freundlichen grüßen|viele grüße|cordialement|saludos"
    r"|un saludo|cordiali saluti|met vriendelijke groet|pozdrawiam|atenciosamente)),?[ \t]*\n+[ \t]*$"
)
_SIGNATURE: Final = re.compile(rf"({_NAME})[ \t]*(?:\n|$)")
_FIELD_BEFORE: Final = 48  # characters before a value in which its field is named
_FIELD_ENDS: Final = frozenset(":=|\t")
_FIELD_MARKS: Final = re.compile(r"[,{;|\t(\n]|\\n")
_FIELD_NAMES: Final = frozenset(
    f"{owner}{name}"
    for owner in ("", "full ", "first ", "last ", "given ", "family ", "sur", "patient ", "customer ", "contact ",
                  "account ", "cardholder ", "client ", "employee ", "user ")
    for name in ("name", "nom", "nombre", "nome", "naam", "vorname", "nachname", "nazwisko", "imię", "prénom",
                 "apellido", "apellidos", "cardholder", "patient", "kunde")
)  # fmt: skip
_FIELD_VALUE: Final = re.compile(rf"{_TOKEN}(?:,? (?:{_INITIAL}|(?:{_PARTICLE} )?{_TOKEN})){{0,3}}")
_BLANKS: Final = frozenset("\n \t")
_BEFORE_FIELD: Final = frozenset(":=|\t\"'")

_GIVEN_NAMES: Final = read_words("given_names.txt")
_HINTING: Final = (
    frozenset(map(str.lower, _TITLES)),
    frozenset(map(str.lower, _GREETINGS)),
    CUES["names"],
    CUES["name_fields"],
    CUES["closings"],
)
# Words that begin no name unless an initial follows: most capitals begin a sentence.
_ORDINARY: Final = frozenset(word.capitalize() for word in KNOWN) - _GIVEN_NAMES
_PASSED: Final = frozenset(word for word in _ORDINARY if word.isalpha() and is_known(word.lower())) | {"I"}
_NO_WORDS: Final = frozenset[str]()
_AFTER_INITIAL: Final = (" ", ".")
_BEFORE_GIVEN: Final = CUES["before_given_names"]
_BEFORE_UNKNOWN: Final = CUES["before_unknown_names"]
_HUMAN_VERBS: Final = CUES["human_verbs"]
_AFTER_OWNER: Final = CUES["after_owners"]
_OWNS: Final = frozenset(("'s", "’s"))
_SENTENCE_ENDS: Final = frozenset(("", ".", ",", "?", "!", "\n"))
_PLACES: Final = CUES["before_places"]
_ASKING: Final = CUES["asking"]
_ASKED: Final = CUES["asked"]
_ANY_HINT: Final = frozenset().union(*_HINTING)
WRITTEN_WORDS: Final = _ANY_HINT | ADDRESS_WORDS | DATE_WORDS | ORGANISATION_WORDS


def find_written(
    text: str, words: Set[str], dates: bool = True, has_digit: bool = True, houses: HouseNumbers | None = None
) -> Finds:
    """Start, end, entity and score; they may overlap. `words` are those of the text, in lower case; without a digit
    it has no address. `houses`: None: to be read.

    Without `dates` only dates of birth are looked for.
    """
    people = find_people(text, words)
    finds = list(people)
    if words and not ORGANISATION_WORDS.isdisjoint(words):
        finds += [
            (_skip_member(text, start, end, people), end, "ORGANIZATION", score)
            for start, end, score in find_organisations(text, words)
        ]
    if has_digit:
        for start, end in find_addresses(text, words, houses):
            finds.append((start, end, "STREET_ADDRESS", 0.8))
    if dates:
        for start, end in find_dates(text, words):
            born = is_birth(text, start)
            finds.append((start, end, "DATE_OF_BIRTH" if born else "DATE_TIME", 0.9 if born else 0.6))
    elif words and may_tell_birth(words):
        finds += [(start, end, "DATE_OF_BIRTH", 0.9) for start, end in find_births(text)]
    return finds


_MEMBER_OF: Final = re.compile(r"(?: [A-Z]{2,4})? (?:of|for) (?:the )?")


def _skip_member(text: str, start: int, end: int, people: Finds) -> int:
    """Where an organisation begins before which somebody who belongs to it is named: `Zora Quill of Acme Ltd`."""
    for person in people:
        if person[0] == start and (link := _MEMBER_OF.match(text, person[1], end)):
            return link.end()
    return start


class _Hints(NamedTuple):
    """What a text can have that announces a name, told by its words: where none is, nobody looks for it."""

    titles: bool
    greetings: bool
    cues: bool
    fields: bool
    closings: bool


def _find_hints(words: Set[str]) -> _Hints | None:
    """None: nothing."""
    return None if _ANY_HINT.isdisjoint(words) else _list_hints(_ANY_HINT & words)


@lru_cache(maxsize=1024)
def _list_hints(words: frozenset[str]) -> _Hints:
    return _Hints(*[not hinting.isdisjoint(words) for hinting in _HINTING])


def find_people(text: str, words: Set[str]) -> Finds:
    """Names by their cues; then every other place where the same name stands (one who is named once is named)."""
    spans: dict[tuple[int, int], float] = {}
    until, hints = 0, _find_hints(words) if words else None
    passed = _PASSED if hints is None else _NO_WORDS  # what nothing announces
    for match in _WORD.finditer(text):
        word = match[0]
        if word in passed and match[1] is None:
            continue
        start, end = match.span()
        if start < until:
            continue
        person = _read_announced(text, start, word, end, hints) if hints else None
        if (
            person is None
            and (word not in _ORDINARY or text[end + 2 : end + 3] in _AFTER_INITIAL)
            and ((second := word[1:2]).islower() or second == "'")
        ):
            person = _read_bare(text, start, end, word)
        if person:
            span, score = person
            spans[span] = max(score, spans.get(span, 0.0))
            until = span[1]
    if not spans:
        return []
    _add_neighbours(spans, text)
    _add_mentions(spans, text)
    return [(start, end, "PERSON", score) for (start, end), score in sorted(spans.items())]


def _read_announced(text: str, start: int, word: str, end: int, hints: _Hints) -> tuple[tuple[int, int], float] | None:
    """The name that the capitalised word at `start` announces, or begins after something that does, and how sure it
    is.
    """
    if hints.titles and word.rstrip(".") in _TITLES and (match := _AFTER_TITLE.match(text, end)):
        return _cut_name(text, *match.span(1), 0.85)
    before = text[start - 1 : start]
    if hints.greetings and word in _GREETINGS and _begins_line(text, start) and (match := _GREETING.match(text, end)):
        return _cut_name(text, *match.span(1), 0.75)
    if hints.cues and before == " " and (person := _read_after_cue(text, start)):
        return person
    if hints.fields and _is_in_field(text, start) and (match := _FIELD_VALUE.match(text, start)):
        return _cut_name(text, *match.span(), 0.85)
    if (
        hints.closings
        and (before == "\n" or text[start - 2 : start - 1] in _BLANKS)
        and _is_signed(text, start)
        and (match := _SIGNATURE.match(text, start))
    ):
        return _cut_name(text, *match.span(1), 0.75)
    return None


def _read_bare(text: str, start: int, end: int, word: str) -> tuple[tuple[int, int], float] | None:
    """A name that nothing announces: a given name, or words that the language does not know."""
    bare = word if word.isalpha() else word.rstrip(".").removesuffix("'s").removesuffix("’s")
    is_given = bare in _GIVEN_NAMES
    known = not is_given and is_known(bare.lower())
    joint, following = text[end : end + 1], text[end + 1 : end + 2]
    if known and not (following.isupper() and _HAS_INITIAL.match(text, end)):
        return None
    if not is_given and start > _POSSESSIVE and text[start - _POSSESSIVE : start] in _POSSESSIVES:
        return None  # what belongs to somebody: "Maria's Cautionary Tales"
    may_go_on = joint in _JOINTS and (following.isupper() or following in _MAY_FOLLOW or joint != " ")
    if may_go_on and (match := _FULL_NAME.match(text, start)) and (is_given or _are_unknown(match[0])):
        if match[0].rpartition(" ")[2] in STREET_TYPES:
            return None
        return _cut_name(text, *match.span(), 0.8 if is_given else 0.6)
    if known or (match := _ONE_NAME.match(text, start)) is None:
        return None
    score = _score_alone(text, start, match.end(), is_given)
    return _cut_name(text, *match.span(), score) if score else None


def _score_alone(text: str, start: int, end: int, is_given: bool) -> float | None:
    """How sure a single name is, by the words beside it."""
    cue, after = _read_word_before(text, start) if text[start - 1 : start] == " " else "", text[end : end + 1]
    speaks = after in _MAY_SPEAK and text.startswith(_SPEAKS, end) and _begins_line(text, start)
    if is_given and (cue in _BEFORE_GIVEN or speaks):
        return 0.6
    if cue in _BEFORE_UNKNOWN or (speaks and after != ","):
        return 0.55
    if cue in _ASKED and _read_words_before(text, start)[0] in _ASKING:
        return 0.55
    following = _NEXT_WORD.match(text, end) if after == " " else None
    if following:
        owns = text[end - 2 : end] in _OWNS
        if following[1] in (_AFTER_OWNER if owns else _HUMAN_VERBS):
            return 0.55
    if is_given and cue not in _PLACES and (following or (cue and after in _SENTENCE_ENDS)):
        return 0.5
    return None


def _read_word_before(text: str, start: int) -> str:
    """The last word before the blank before `start`, in lower case."""
    before = text[start - _WORDS_BEFORE : start - 1] if start > _WORDS_BEFORE else text[: start - 1]
    word = before.rpartition(" ")[2].lower().rstrip(_MARKS)
    if word.isalpha():
        return word
    words = _read_words_before(text, start)
    return words[-1] if words else ""


def _read_words_before(text: str, start: int) -> list[str]:
    """The last two words before `start`, in lower case."""
    words = text[max(0, start - _WORDS_BEFORE) : start].lower().rsplit(None, 2)[-2:]
    if "".join(words).isalpha():
        return words
    return _LAST_WORDS.findall(" ".join(words))[-2:]


def _are_unknown(name: str) -> bool:
    """Whether no word of it is known; after a first word with an initial, whether the last is none."""
    words = name.split(" ")
    if min(map(len, words)) < _LEAST_LETTERS or not "".join(words).isalpha():
        words = _LETTERS.findall(name)
        if len(words) > 1 and _HAS_INITIAL.search(name):
            words = words[-1:]
    for word in words:
        if is_known(word.lower()):
            return False
    return bool(words)


def _read_after_cue(text: str, start: int) -> tuple[tuple[int, int], float] | None:
    before = text[max(0, start - 32) : start]
    if before[:-1].rpartition(" ")[2].rstrip(":,").rpartition("\n")[2].lower() not in _CUE_ENDS:
        return None
    if _CUE.search(before) and (match := _FULL_NAME.match(text, start)):
        return _cut_name(text, *match.span(), 0.8)
    if _ONE_CUE.search(before) and (match := _ANY_NAME.match(text, start)):
        return _cut_name(text, *match.span(), 0.8)
    return None


def _begins_line(text: str, start: int) -> bool:
    while start and text[start - 1] in " \t":
        start -= 1
    return start == 0 or text[start - 1] == "\n"


def _is_in_field(text: str, start: int) -> bool:
    """Whether the value of a form's field for names begins here."""
    before = text[start - 1 : start]
    if before not in _BEFORE_FIELD and not (before == " " and text[start - 2 : start - 1] in _BEFORE_FIELD):
        return False
    field = text[max(0, start - _FIELD_BEFORE) : start].rstrip(" \"'")
    if field[-1:] not in _FIELD_ENDS:
        return False
    label = _FIELD_MARKS.split(field.rstrip(" \t\"':=|"))[-1]
    return label.strip(" \"'").lower() in _FIELD_NAMES


def _is_signed(text: str, start: int) -> bool:
    """Whether the line before is the end of a letter."""
    line = text[max(0, start - 48) : start].rstrip(" \t")
    return line.endswith("\n") and _CLOSING.search(text[max(0, start - 48) : start]) is not None


def _cut_name(text: str, start: int, end: int, score: float) -> tuple[tuple[int, int], float] | None:
    """A name ends before the first word that is none."""
    kept: list[str] = []
    words = text[start:end].split(" ")
    if NOT_NAMES.isdisjoint(words) and "".join(words).isalpha():  # without a mark that could stand at a word's end
        is_short = len(words[0]) <= _INITIALS and max(map(len, words)) <= _INITIALS
        return None if is_short else ((start, end), score)
    for word in words:
        if word.strip(".,") in NOT_NAMES:
            break
        kept.append(word)
        if word.endswith(("'s", "’s")):
            break
    if not kept or (len(kept[0]) <= _INITIALS and max(map(len, kept)) <= _INITIALS):
        return None
    name = " ".join(kept).rstrip(",").removesuffix("'s").removesuffix("’s")
    return (start, start + len(name)), score


def _add_mentions(spans: dict[tuple[int, int], float], text: str) -> None:
    """Every other place where somebody who is named once is named: by the same name, or by a part of a sure one."""
    sure, firsts = set[str](), set[str]()
    for (start, end), score in spans.items():
        parts = text[start:end].split(" ")
        if score >= _SURE:
            sure.update(parts)
        elif len(parts) > 1:
            firsts.add(parts[0])
    again = sure | firsts
    if len(again) <= _FEW:  # of whom most are named once; more of them would be counted again and again
        again = {word for word in again if text.count(word) > 1}
    if not again:
        return
    names = {text[start:end] for start, end in spans}
    taken = sorted(spans)
    for match in _WORD.finditer(text):
        word = match[0].rstrip(".").removesuffix("'s").removesuffix("’s")
        start = match.start()
        if word not in again or _is_within(start, taken):
            continue
        full = _FULL_NAME.match(text, start)
        name = full[0] if full else ""
        while name and name not in names:
            name = name.rpartition(" ")[0]
        if " " in name:
            spans.setdefault((start, start + len(name)), 0.75)
        elif word in sure and not is_known(word.lower()) and _ALONE.match(text, start + len(word)):
            spans.setdefault((start, start + len(word)), 0.55)


def _is_within(start: int, spans: Sequence[tuple[int, int]]) -> bool:
    at = bisect_right(spans, (start, sys.maxsize)) - 1
    return at >= 0 and start < spans[at][1]


def _add_neighbours(spans: dict[tuple[int, int], float], text: str) -> None:
    """Who is named in one breath with somebody: `Sanders, Good and Duran`."""
    for start, end in [span for span, score in spans.items() if score >= _ANNOUNCED]:
        is_last = text[start - 1 : start] == " " and text.endswith(_ANDS, 0, start)
        is_first = text[end : end + 1] == " " and text.startswith(_ANDS, end)
        if not is_last and not is_first:
            continue
        before = _AND_BEFORE.search(text, max(0, start - 80), start) if is_last else None
        after = _AND_AFTER.match(text, end) if is_first else None
        for match in (before, after):
            if match and not _are_not_names(match[1]):
                spans.setdefault(match.span(1), 0.55)


def _are_not_names(words: str) -> bool:
    parts = words.replace(",", "").split()
    return any(part in NOT_NAMES or part in STREET_TYPES or is_known(part.lower()) for part in parts[:1])
