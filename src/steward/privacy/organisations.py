"""Organisations: by their legal form, or by what is said of them.

Not known: what neither has a form nor a word beside it (`Accenture` alone); a name that ends with a class of shares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Final

from steward.privacy.addresses import UPPER
from steward.privacy.wordlists import CUES, NOT_NAMES

_FORM: Final = re.compile(  # the blank comes first, since a literal is searched for faster than all else
    r" (?=[A-Zep])"
    r"(?:Incorporated|Inc|INC|LLC|L\.L\.C|LLP|LP|L\.P|Ltd|LTD|Limited|LIMITED|PLC|plc|Plc|P\.L\.C|PBC|Corporation"
    r"|Corp|CORP|CORPORATION|Co\.,? ?(?:Ltd|LTD|ltd)|CO\.,? ?LTD|Companies|Company|Co|GmbH|AG|KG|SE|OHG|e\.V|S\.A|SA"
    r"|SARL|SAS|S\.L|SL|S\.p\.A|SpA|S\.r\.l|Srl|Lda|Ltda|B\.V|BV|N\.V|NV|Sp\. z o\.o|Pty|Holdings?|Group|Partners"
    r"|Foundation|University|Hospital|Bank|Clinic|Bancorp|Bancshares|Technologies|Therapeutics|Pharmaceuticals?|Industries"
    r"|Systems|Insurance|Fund|ETF|Trust|Acquisition|Resources|Ventures|Capital)\b\.?"
    r"(?: (?:Inc|Ltd|Corp|LLC|plc|PLC|Plc|Limited|Corporation|Company|Fund|L\.P)\b\.?)?(?!\w)"
)
_WORD: Final = rf"(?:[{UPPER}0-9(]|[a-z](?=[{UPPER}]))[\w&'’.()-]{{0,30}}+"
_LINKS: Final = r"(?:(?:and|und|et|y|e|of|&|de|for|the) ){0,2}"
_BEFORE_FORM: Final = re.compile(rf"(?<![\w.@&'’-])(?:{_WORD} {_LINKS}){{0,5}}{_WORD}(?: (?:&|and|und|et|y|e))?,?\Z")
_GOES_ON: Final = re.compile(rf"(?: &)?(?: {_WORD}){{0,4}}\Z")  # between two forms of one name
_LONGEST: Final = 200  # characters before a form
_DOTTED_FORMS: Final = ("S.A", "S.L", "S.p.A", "S.r.l", "B.V", "N.V", "L.P", "L.L.C", "P.L.C", "e.V")
_DOTTED: Final = re.compile("|".join(map(re.escape, _DOTTED_FORMS)))
_DOTTED_BEGINNINGS: Final = frozenset(form[0].lower() for form in _DOTTED_FORMS)
_FORM_WORDS: Final = CUES["companies"]

_NAME: Final = (
    rf"((?:[{UPPER}]|[a-z](?=[{UPPER}]))[\w&’-]{{1,30}}+(?: (?:(?:&|and|of) )?[{UPPER}][\w&’-]{{1,30}}+){{0,3}})"
)
_AFTER_CUE: Final = re.compile(
    rf" (?:works? (?:at|for|with)|working (?:at|for)|worked (?:at|for)|employed (?:at|by)|employees? of"
    r"|interview (?:at|with)"
    r"|(?:CEO|CTO|CFO|founder|co-founder|chairman|director|president|employee|customer|shareholder)s? (?:of|at)"
    rf"|job at|company called|subsidiary of|acquired by|owned by|my employer,?) {_NAME}(?!\w)"
)
_SAID: Final = re.compile(  # what follows a name; the blank or the mark of the possessive comes first
    r" is an? (?:[a-z-]+ ){0,3}(?:company|agency|firm|startup|start-up|manufacturer|charity|bank|non-profit|nonprofit"
    r"|provider|supplier|retailer|insurer|corporation)\b"
    r"| (?:office|offices|headquarters|HQ) (?:is|are|in|at)\b"
)
_BEFORE_SAID: Final = re.compile(rf"(?<![\w.@/-]){_NAME}(?:['’]s)?\Z")
_AFTER_WORDS: Final = CUES["before_organisations"]
_BEFORE_WORDS: Final = CUES["after_organisations"]
ORGANISATION_WORDS: Final = _FORM_WORDS | _DOTTED_BEGINNINGS | _AFTER_WORDS | _BEFORE_WORDS


def find_organisations(text: str, words: Set[str]) -> Iterator[tuple[int, int, float]]:
    """Start, end and score; they may overlap. `words` are those of the text, in lower case."""
    if ORGANISATION_WORDS.isdisjoint(words):
        return
    if not _FORM_WORDS.isdisjoint(words) or _has_dotted_form(text, words):
        for start, end in _find_companies(text):
            yield start, end, 0.75
    if not _AFTER_WORDS.isdisjoint(words):
        for match in _AFTER_CUE.finditer(text):
            start = _skip_common(text, *match.span(1))
            if start < match.end(1):
                yield start, match.end(1), 0.55
    if not _BEFORE_WORDS.isdisjoint(words):
        for said in _SAID.finditer(text):
            at = said.start()
            name = _BEFORE_SAID.search(text, max(0, at - _LONGEST), at)
            if name and (start := _skip_common(text, *name.span(1))) < name.end(1):
                yield start, name.end(1), 0.55


def _has_dotted_form(text: str, words: Set[str]) -> bool:
    return not _DOTTED_BEGINNINGS.isdisjoint(words) and _DOTTED.search(text) is not None


def _find_companies(text: str) -> Iterator[tuple[int, int]]:
    """Words with capitals before a form of company; a name that goes on after one has another end."""
    begin, until = 0, 0
    for form in _FORM.finditer(text):
        at = form.start()
        name = None
        if until and at - begin <= _LONGEST and _GOES_ON.match(text, until, at):
            name = _BEFORE_FORM.match(text, begin, at)
        name = name or _BEFORE_FORM.search(text, max(until, at - _LONGEST), at)
        if name:
            begin, until = name.start(), form.end()
            start = _skip_common(text, begin, at)
            if start < at:
                yield start, until


def _skip_common(text: str, start: int, end: int) -> int:
    """Where the name begins after words that begin no name: `The Nike` begins at `Nike`."""
    for word in text[start:end].split(" "):
        if word not in NOT_NAMES:
            return start
        start += len(word) + 1
    return end
