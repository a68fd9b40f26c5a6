"""Realistic names in the place of names: `Ada Brenwick` rather than `PERSON_7F3K2Q9ABC`, and back.

For tasks in which a token reads badly: letters, translations, summaries. Names are put together from short lists of
our own, chosen by the keyed hash that tokens are made of, so that a person has one name in a conversation and another
one in the next. As with tokens nothing is stored, only what a request issued comes back, and a choice that a text of
the request contains already is made anew. Unlike a token, a name that a model shortens or inflects is nobody's.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import Final

from steward.privacy.pseudonyms import TokenKey, TokenMaker
from steward.privacy.url_context import UrlContext

_GIVEN: Final = (
    "Ada", "Alma", "Anton", "Arno", "Bela", "Clara", "Dora", "Edda", "Elias", "Emil", "Enno", "Erna", "Fenna", "Filip",
    "Greta", "Hanno", "Hedda", "Ida", "Ilja", "Ines", "Jonas", "Jora", "Karla", "Kilian", "Lena", "Linus", "Mara",
    "Marek", "Milan", "Nela", "Nils", "Olga", "Oskar", "Paula", "Pia", "Quinn", "Rafa", "Rita", "Romy", "Ruben",
    "Sanna", "Selma", "Silas", "Sonja", "Tamo", "Thea", "Tilda", "Timo", "Ugo", "Vera", "Viktor", "Wanda", "Wilma",
    "Xenia", "Yara", "Yorick", "Zelda", "Zeno", "Abel", "Bruno", "Dagny", "Ewa", "Flora", "Gero",
)  # fmt: skip
_BEGINNINGS: Final = (
    "Alder", "Bar", "Bren", "Cal", "Dun", "Elm", "Fair", "Gar", "Hal", "Hol", "Ivor", "Kel", "Lang", "Lor", "Mar",
    "Mel", "Nor", "Oak", "Pem", "Quar", "Rad", "Ros", "Sel", "Sten", "Tar", "Tor", "Ul", "Ver", "Wal", "Wes",
    "Yar", "Zan",
)  # fmt: skip
_ENDINGS: Final = (
    "bury", "by", "croft", "dale", "den", "field", "ford", "grove", "ham", "hurst", "ley", "low", "mond", "stead",
    "ton", "wick",
)  # fmt: skip
_INITIALS: Final = "ABCDEFGHJKLMNOPRSTVW"
_WITH_INITIAL: Final = 3  # from this attempt on, so that many people in one request differ
_AS_TOKENS: Final = 6
_BITS: Final = {letter: number for number, letter in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_UPPER: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


class SurrogateMaker:
    """Makes the names of one scope; other kinds than people get tokens."""

    def __init__(self, key: TokenKey, scope: Sequence[str]) -> None:
        self._tokens = TokenMaker(key, scope)

    def make_token(self, entity: str, value: str, attempt: int = 0) -> str:
        """A whole name for several words, a surname for one.

        >>> SurrogateMaker(TokenKey(b"key"), ("p", "c")).make_token("PERSON", "Zora Quill")
        'Timo Langgrove'
        """
        token = self._tokens.make_token(entity, value, attempt)
        if entity != "PERSON" or attempt >= _AS_TOKENS:
            return token
        number = 0
        for letter in token.rpartition("_")[2]:
            number = number * 32 + _BITS[letter]
        number, beginning = divmod(number, len(_BEGINNINGS))
        number, ending = divmod(number, len(_ENDINGS))
        number, given = divmod(number, len(_GIVEN))
        surname = _BEGINNINGS[beginning] + _ENDINGS[ending]
        initial = f" {_INITIALS[number % len(_INITIALS)]}." if attempt >= _WITH_INITIAL else ""
        return surname if not value.strip().count(" ") and not initial else f"{_GIVEN[given]}{initial} {surname}"


class Surrogates:
    """What one request issued, names and tokens, and the way back: as `pseudonyms.Pseudonyms`."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {issued.translate(_UPPER): value for issued, value in values.items()}
        longest_first = sorted(self._values, key=lambda issued: (-len(issued), issued))
        self._issued = longest_first
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)", re.IGNORECASE | re.ASCII)

    def restore(self, text: str) -> str:
        """Upper and lower case are the same."""
        return self._pattern.sub(lambda match: self._values[match[0].translate(_UPPER)], text)

    def feed(self, text: str, last: bool, context: UrlContext | None = None) -> tuple[str, str]:
        """(what can be emitted, what must be put before the next piece); within a URL a name stays as it is.

        Held back is only the end of `text` that an issued name or token may begin with.
        """
        context = context or UrlContext()
        out: list[str] = []
        position = 0
        while True:
            match = self._pattern.search(text, position)
            held = len(text) if last else self._find_begun(text, position)
            if match is None or held <= match.start():
                context.follow(text[position:held])
                return "".join([*out, text[position:held]]), text[held:]
            context.follow(text[position : match.start()])
            out.append(text[position : match.start()])
            emitted = match[0] if context.is_in_url() else self._values[match[0].translate(_UPPER)]
            context.follow(emitted)
            out.append(emitted)
            position = match.end()

    def have_a_body_each(self) -> bool:
        """Never: whether the texts come back must be tried."""
        return False

    def _find_begun(self, text: str, position: int) -> int:
        """Where the first issued one begins of which `text` ends before it does; its length where none does."""
        longest = len(self._issued[0]) if self._issued else 0
        for start in range(max(position, len(text) - longest + 1), len(text)):
            beginning = text[start:].translate(_UPPER)
            if any(issued.startswith(beginning) and issued != beginning for issued in self._issued):
                return start
        return len(text)
