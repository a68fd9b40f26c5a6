"""English words as spaCy's blank `en` pipeline cuts them, without spaCy.

The definition behind every `@datatrove` filter.

Text is cut at white space; each piece then loses prefixes and suffixes (quotes, brackets, full stops, units after a
digit), is looked up among the contractions and abbreviations, and is cut at infixes (hyphens, `a,b`, `a/b`). The rules
follow spaCy 3.8's documentation of its tokenizer and its English rules (MIT licence). What we do not know: rare
emoticons and currency signs; `benchmarks/bench_data.py` counts what that costs.

Why ours: spaCy is 33 MB with its own compiler chain, and what it does for one text at a time is done here once for each
distinct piece of the corpus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise, product

_URL = re.compile(
    r"(?:[\w+\-.]{2,}://)?(?:\S+(?::\S*)?@)?"
    r"(?:(?!(?:10|127)(?:\.\d{1,3}){3}$)\d{1,3}(?:\.\d{1,3}){3}"
    r"|(?:(?:[A-Za-z0-9\u00a1-\uffff][A-Za-z0-9\u00a1-\uffff_-]{0,62})?[A-Za-z0-9\u00a1-\uffff]\.)+[a-z]{2,63})"
    r"(?::\d{2,5})?(?:[/?#]\S*)?"
)
CASED = ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x1BF), (0x1C4, 0x2AF), (0x386, 0x389),
          (0x38C, 0x38F), (0x391, 0x3A9), (0x3AC, 0x3AF), (0x3B1, 0x3C9), (0x3CC, 0x3CE), (0x400, 0x45F), (0x490,
          0x491),
          (0x1D00, 0x1EFF), (0x2C60, 0x2C7F), (0xA722, 0xA78B), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A))  # fmt: skip
UNCASED = (
    "\u0591-\u05f4\u0620-\u064a\u066e-\u06d5\u06e5-\u06ff\u0750-\u077f\u08a0-\u08bd\u0900-\u09ff\u0b80-\u0cff"
    "\u0d80-\u0dff\u1100-\u137f\u2e80-\u2fdf\u2ff0-\u30ff\u31c0-\u31ef\u3200-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\ufb1d-\ufbb1\ufbd3-\ufd3d\ufd50-\ufdc7\ufdf0-\ufdfb\ufe30-\ufe4f\ufe70-\ufefc\U00020000-\U0002fa1f"
)
QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧"
PUNCT = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_CURRENCY = r"US\$|C\$|A\$|[$£€¥฿₽﷼₴₠-₿]"
UNITS = (
    "km² km³ km m² m³ m dm² dm³ dm cm² cm³ cm mm² mm³ mm ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa "
    "mbar mb MB kb KB gb GB tb TB T G M K % км м см мм кг г мг"
)
_ICONS = "[©®°҂۞۩\u2100-\u214f\u2190-\u23ff\u2400-\u27bf\u2800-\u28ff\u2b00-\u2bff\U0001f000-\U0001faff]"
LEADING = "§%=—–"


def uncased_ranges() -> list[tuple[int, int]]:
    """First and last code point of each range of letters without case."""
    return [(ord(UNCASED[at]), ord(UNCASED[at + 2])) for at in range(0, len(UNCASED), 3)]


@lru_cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Prefix (matched at the start), suffix (searched, anchored at the end), infix (found one by one)."""
    letters = [chr(code) for first, last in CASED for code in range(first, last + 1)]
    lower = "".join(letter for letter in letters if not letter.isupper()) + UNCASED
    upper = "".join(letter for letter in letters if letter.isupper()) + UNCASED
    alpha = "".join(letters) + UNCASED
    quotes, punct = re.escape(QUOTES), re.escape(PUNCT)
    common = rf"……|[{punct}]|\.\.+|[{quotes}]"
    units = "|".join(re.escape(unit) for unit in sorted(UNITS.split(), key=len, reverse=True))
    prefix = rf"[{LEADING}]|\+(?![0-9])|{common}|{_CURRENCY}|{_ICONS}"
    suffix = (
        rf"(?:{common}|{_ICONS}|['’][sS]|[—–]|(?<=[0-9])\+|(?<=°[FfCcKk])\.|(?<=[0-9])(?:{_CURRENCY})"
        rf"|(?<=[0-9])(?:{units})|(?<=[0-9{lower}%²\-+{punct}|(?:){quotes}])\.|(?<=[{upper}][{upper}])\.)$"
    )
    infix = (
        rf"\.\.+|…|{_ICONS}|(?<=[0-9])[+\-*^](?=[0-9-])|(?<=[{lower}{quotes}])\.(?=[{upper}{quotes}])"
        rf"|(?<=[{alpha}]),(?=[{alpha}])|(?<=[{alpha}0-9])(?:---|--|——|[-–—~])(?=[{alpha}])"
        rf"|(?<=[{alpha}0-9])[:<>=/](?=[{alpha}])"
    )
    return re.compile(prefix), re.compile(suffix), re.compile(infix)


def _contractions() -> Iterator[tuple[str, ...]]:
    """Each as the parts it is cut into, in lower case; every one also exists without its apostrophe."""
    yield from (("i", "'m"), ("i", "'m", "a"))
    asking = ("who", "what", "when", "where", "why", "how", "there", "that", "this", "these", "those")
    for subject in ("i", "you", "he", "she", "it", "we", "they", *asking):
        yield from ((subject, "'ll"), (subject, "'ll", "'ve"), (subject, "'d"), (subject, "'d", "'ve"))
    for subject in ("i", "you", "we", "they", *asking):
        if subject not in ("that", "this"):
            yield (subject, "'ve")
    yield from ((subject, "'re") for subject in ("you", "we", "they", *asking) if subject not in ("that", "this"))
    yield from ((subject, "'s") for subject in ("he", "she", "it", *asking) if subject not in ("these", "those"))
    modal = [
        "ca",
        "could",
        "do",
        "does",
        "did",
        "had",
        "may",
        "might",
        "must",
        "need",
        "ought",
        "sha",
        "should",
        "wo",
        "would",
    ]
    for verb in modal:
        yield from ((verb, "n't"), (verb, "n't", "'ve"))
    yield from ((verb, "n't") for verb in ("ai", "are", "is", "was", "were", "have", "has", "dare"))
    yield from ((verb, "'ve") for verb in ("could", "might", "must", "should", "would", "not"))


_UNSPLIT = """
' '' \\n \\t \\") C++ <space> — ol ol' Ol Ol' nothin nothin' nuff 'nuff 'em em ll 'll 'd 's 'S ‘s ‘S 're and/or w/o
'cause 'Cause 'cos 'Cos 'cuz 'bout ma'am Ma'am o'clock O'clock lovin' havin' doin' goin' somethin' nothin' Mt. Ala. Apr.
Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans. Ky. La. Mar.
Mass.
Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash.
Wis. a.m. p.m. Ak. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md.
Messrs. Mo.
Mont. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. ä. ö. ü. <3 </3 ^_^ -_- o_o O_O 0.0 o.o O.o v.v ._. @_@ :1 =3
8) 8-) (: (-: (= (; ): )-: [: [-: [= 8D xD XD >.< :() =D ;D ;-D :'( :'-( :') :'-) (^_^) ;_;
"""
_NOT_CONTRACTIONS = frozenset(["ill", "its", "hell", "shell", "shed", "were", "well", "whore"])
_SPECIAL_SPLITS = {"y'all": ("y'", "all"), "yall": ("y", "all"), "cannot": ("can", "not"), "gonna": ("gon", "na"),
        "gotta": ("got", "ta"), "let's": ("let", "'s"), "c'mon": ("c'm", "on")}  # fmt: skip


@lru_cache
def exceptions() -> dict[str, tuple[str, ...]]:
    """Pieces that are cut in a way of their own, and the words they are cut into."""
    exceptions_by_piece: dict[str, tuple[str, ...]] = {}
    for parts in (*_contractions(), *_SPECIAL_SPLITS.values()):
        for head in (parts[0], parts[0].title()):
            cut = (head, *parts[1:])
            bare = (head, *(part.replace("'", "") for part in parts[1:]))
            for form in (cut, bare) if parts not in _SPECIAL_SPLITS.values() else (cut,):
                if "".join(form).lower() not in _NOT_CONTRACTIONS:
                    exceptions_by_piece["".join(form)] = form
    exceptions_by_piece |= {word: (word,) for word in _UNSPLIT.split()}
    exceptions_by_piece |= {f"{letter}.": (f"{letter}.",) for letter in "abcdefghijklmnopqrstuvwxyz"}
    exceptions_by_piece |= {
        eyes + nose + mouth: (eyes + nose + mouth,) for eyes, nose, mouth in product(":", ("", "-"), _MOUTHS)
    }
    exceptions_by_piece |= {
        eyes + mouth: (eyes + mouth,)
        for eyes, mouth in product((";", ";-", "="), (")", "(", "/", "|", "]", "["))
        if eyes == "=" or mouth == ")"
    }
    exceptions_by_piece |= {
        f"{hour}{half}": (str(hour), half) for hour in range(1, 13) for half in ("a.m.", "am", "p.m.", "pm")
    }
    return exceptions_by_piece


_MOUTHS = (
    ")",
    "))",
    ")))",
    "]",
    "}",
    "(",
    "((",
    "(((",
    "/",
    "|",
    "P",
    "p",
    "O",
    "o",
    "0",
    "*",
    "3",
    ">",
    "X",
    "x",
    "D",
)


def tokenize_by_rules(piece: str) -> tuple[str, ...]:
    """The words of a piece by the rules alone, as if it were no exception."""
    return tuple(_split_affixes(piece, {}))


@lru_cache
def joined_exceptions() -> dict[tuple[str, ...], tuple[str, ...]]:
    """What words that lie side by side become: an exception that was cut before it was seen (`f(x):` has `):`)."""
    special = exceptions()
    cuts = {word: tokenize_by_rules(word) for word in special}
    return {cuts[word]: parts for word, parts in special.items() if len(cuts[word]) > 1 and cuts[word] != parts}


@lru_cache
def joined_pairs() -> frozenset[tuple[str, str]]:
    """The first two words of each run that is joined."""
    return frozenset(parts[:2] for parts in joined_exceptions())  # type: ignore[misc]  # all of them have two


def tokenize_piece(piece: str) -> list[str]:
    """The words of one piece of text between white space, in order; joined they are the piece again.

    >>> tokenize_piece("(can't,"), tokenize_piece("well-known."), tokenize_piece("10km"), tokenize_piece("U.S."), tokenize_piece("https://example.com/a,b")
    (['(', 'ca', "n't", ','], ['well', '-', 'known', '.'], ['10', 'km'], ['U.S.'], ['https://example.com/a,b'])
    """
    special = exceptions()
    if piece in special:
        return list(special[piece])
    if piece.isascii() and piece.isalpha():
        return [piece]
    if shape := _PLAIN.fullmatch(piece):  # what most pieces are that are more than a word
        head, word, tail = shape.groups()
        if word not in special and head + word not in special and word + tail not in special:
            return [part for part in (head, word, tail) if part]
    if len(piece) > LONGEST_PIECE:
        return [
            word
            for at in range(0, len(piece), LONGEST_PIECE)
            for word in tokenize_piece(piece[at : at + LONGEST_PIECE])
        ]
    parts = _split_affixes(piece, special)
    return parts if len(parts) < 2 or joined_pairs().isdisjoint(pairwise(parts)) else _join_exceptions(parts)


def _join_exceptions(parts: list[str]) -> list[str]:
    joined = joined_exceptions()
    runs = [(start, start + n) for n in range(5, 1, -1) for start in range(len(parts) - n + 1)
            if tuple(parts[start : start + n]) in joined]  # fmt: skip
    used: set[int] = set()
    chosen = {}
    for start, end in runs:  # the longest first, then the first
        if start not in used and end - 1 not in used:
            chosen[start] = end
        used.update(range(start, end))
    words: list[str] = []
    at = 0
    while at < len(parts):
        end = chosen.get(at, at + 1)
        words += joined[tuple(parts[at:end])] if at in chosen else parts[at:end]
        at = end
    return words


def _match_suffix(suffix: re.Pattern[str], piece: str, start: int) -> re.Match[str] | None:
    """Only a run of full stops is longer than the window; without one a long piece would be read once a suffix."""
    window = max(start, len(piece) - 16)
    match = suffix.search(piece, window)
    return suffix.search(piece, start) if match and match.start() == window else match


def _split_affixes(piece: str, special: dict[str, tuple[str, ...]]) -> list[str]:
    prefix, suffix, infix = _patterns()
    heads: list[str] = []
    tails: list[str] = []
    while piece and piece not in special:
        head = prefix.match(piece)
        start = head.end() if head else 0
        if start and piece[start:] in special:
            heads.append(piece[:start])
            piece = piece[start:]
            break
        tail = None if piece[-1] in _ORDINARY else _match_suffix(suffix, piece, start)
        end = tail.start() if tail else len(piece)
        if tail and piece[:end] in special:
            tails.append(piece[end:])
            piece = piece[:end]
            break
        if not start and not tail:
            break
        if start:
            heads.append(piece[:start])
        if end < len(piece):
            tails.append(piece[end:])
        piece = piece[start:end]
    return [*heads, *_split_infixes(piece, special, infix), *reversed(tails)]


_PLAIN = re.compile(r"""([("\[`*<]?)([A-Za-z]{3,}[a-z])([.,;:?!)"\]`*>]?)""")
LONGEST_PIECE = 4096  # characters; longer runs without white space are cut there, to stay linear in the text
_ORDINARY = frozenset("0123456789-/\\^|")  # no suffix ends so


def _split_infixes(piece: str, special: dict[str, tuple[str, ...]], infix: re.Pattern[str]) -> list[str]:
    if not piece:
        return []
    if piece in special:
        return list(special[piece])
    if piece.isalnum():
        return [piece]
    if is_url(piece):
        return [piece]
    words: list[str] = []
    start = 0
    for match in infix.finditer(piece):
        if match.start() == 0:
            continue
        if match.start() > start:
            words.append(piece[start : match.start()])
        words.append(match.group())
        start = match.end()
    if start < len(piece):
        words.append(piece[start:])
    return words


def is_url(piece: str) -> bool:
    """Whether spaCy leaves it whole as a URL or a host's name."""
    return "." in piece and len(piece) <= 2048 and _URL.fullmatch(piece) is not None


def tokenize(text: str) -> list[str]:
    """The words of a text. For many texts keep what `cut` gave for each distinct piece."""
    return [word for piece in text.split() for word in tokenize_piece(piece)]
