"""English words as spaCy's blank `en` pipeline cuts them, without spaCy.

The definition behind every `@datatrove` filter.

Text is cut at white space; each piece then loses prefixes and suffixes (quotes, brackets, full stops, units after a
digit), is looked up among the contractions and abbreviations, and is cut at infixes (hyphens, `a,b`, `a/b`). The rules
follow spaCy 3.8's documentation of its tokenizer and its English rules (MIT licence). Of 514,974 pieces, each
character of Unicode in 24 surroundings, 50 are cut in another way: those with ƻ ǅ ǈ ǋ ǲ, two Arabic signs, and `°c.`;
rare emoticons are not known either. `benchmarks/bench_data.py` counts what that costs.

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
CASED = (
    (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x1BF), (0x1C4, 0x2AF), (0x386, 0x386),
    (0x388, 0x38A), (0x38C, 0x38F), (0x391, 0x3A9), (0x3AC, 0x3AF), (0x3B1, 0x3C9), (0x3CC, 0x3CE), (0x400, 0x401),
    (0x403, 0x40A), (0x40C, 0x40D), (0x410, 0x451), (0x453, 0x45A), (0x45C, 0x45D), (0x490, 0x491), (0x496, 0x497),
    (0x4A2, 0x4A3), (0x4AE, 0x4AF), (0x4BA, 0x4BB), (0x4D8, 0x4D9), (0x4E8, 0x4E9), (0x1D00, 0x1D25), (0x1D6B, 0x1D77),
    (0x1D79, 0x1D9A), (0x1E00, 0x1EFF), (0x2C60, 0x2C7B), (0x2C7E, 0x2C7F), (0xA722, 0xA76F), (0xA771, 0xA787),
    (0xA78B, 0xA78E), (0xA790, 0xA7B9), (0xA7FA, 0xA7FA), (0xAB30, 0xAB5A), (0xAB60, 0xAB64), (0xFF21, 0xFF3A),
    (0xFF41, 0xFF5A),
)  # fmt: skip
UNCASED = (
    "\u0591-\u05f4\u0620-\u064a\u066e-\u06d5\u06e5-\u06ff\u0750-\u077f\u08a0-\u08bd\u0900-\u09ff\u0b80-\u0cff"
    "\u0d80-\u0dff\u1100-\u137f\u2e80-\u2fdf\u2ff0-\u30ff\u31c0-\u31ef\u3200-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\ufb1d-\ufbb1\ufbd3-\ufd3d\ufd50-\ufdc7\ufdf0-\ufdfb\ufe30-\ufe4f\ufe70-\ufefc\U0001ee00-\U0001eeff\U0001f200-\U0001f2ff\U00020000-\U0002fa1f"
)
QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉\u2329\u232a⟦⟧"
PUNCT = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_CURRENCY = r"US\$|C\$|A\$|[$£€¥฿₽﷼₴₠-₿]"
UNITS = (  # spaCy has one longer than four characters beside these, Arabic for "cups"
    "km² km³ km m² m³ m dm² dm³ dm cm² cm³ cm mm² mm³ mm ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa "
    "mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм дм² дм³ см см² см³ мм мм² мм³ нм кг г мг м/с км/ч "
    "кПа Па мбар Кб КБ кб Мб МБ мб Гб ГБ гб Тб ТБ тб كم كم² كم³ م م² م³ سم سم² سم³ مم مم² مم³ غرام جرام جم كغ ملغ كوب"
)
# Symbols of Unicode's category So, as of version 11, whose later ones spaCy 3.8 does not cut off either.
_ICONS = (
    "["
    "\xa6\xa9\xae\xb0\u0482\u058d-\u058e\u060e-\u060f\u06de\u06e9\u06fd-\u06fe\u07f6\u09fa\u0b70\u0bf3-\u0bf8\u0bfa"
    "\u0c7f\u0d4f\u0d79\u0f01-\u0f03\u0f13\u0f15-\u0f17\u0f1a-\u0f1f\u0f34\u0f36\u0f38\u0fbe-\u0fc5\u0fc7-\u0fcf"
    "\u0fd5-\u0fd8\u109e-\u109f\u1390-\u1399\u1940\u19de-\u19ff\u1b61-\u1b6a\u1b74-\u1b7c\u2100-\u2101\u2103-\u2106"
    "\u2108-\u2109\u2114\u2116-\u2117\u211e-\u2123\u2125\u2127\u2129\u212e\u213a-\u213b\u214a\u214c-\u214d\u214f"
    "\u218a-\u218b\u2195-\u2199\u219c-\u219f\u21a1-\u21a2\u21a4-\u21a5\u21a7-\u21ad\u21af-\u21cd\u21d0-\u21d1\u21d3"
    "\u21d5-\u21f3\u2300-\u2307\u230c-\u231f\u2322-\u2328\u232b-\u237b\u237d-\u239a\u23b4-\u23db\u23e2-\u244a\u249c-\u24e9"
    "\u2500-\u25b6\u25b8-\u25c0\u25c2-\u25f7\u2600-\u266e\u2670-\u2767\u2794-\u27bf\u2800-\u28ff\u2b00-\u2b2f\u2b45-\u2b46"
    "\u2b4d-\u2b95\u2b98-\u2bc8\u2bca-\u2bfe\u2ce5-\u2cea\u2e80-\u2ffb\u3004\u3012-\u3013\u3020\u3036-\u3037\u303e-\u303f"
    "\u3190-\u3191\u3196-\u319f\u31c0-\u31e3\u3200-\u321e\u322a-\u3247\u3250\u3260-\u327f\u328a-\u32b0\u32c0-\u32fe"
    "\u3300-\u33ff\u4dc0-\u4dff\ua490-\ua4c6\ua828-\ua82b\ua836-\ua837\ua839\uaa77-\uaa79\ufdfd\uffe4\uffe8\uffed-\uffee"
    "\ufffc-\ufffd\U00010137-\U0001013f\U00010179-\U00010189\U0001018c-\U0001019b\U000101a0-\U000101fc\U00010877-\U00010878"
    "\U00010ac8\U0001173f\U00016b3c-\U00016b3f\U00016b45\U0001bc9c\U0001d000-\U0001d164\U0001d16a-\U0001d16c"
    "\U0001d183-\U0001d184\U0001d18c-\U0001d1a9\U0001d1ae-\U0001d1e8\U0001d200-\U0001d241\U0001d245\U0001d300-\U0001d356"
    "\U0001d800-\U0001d9ff\U0001da37-\U0001da3a\U0001da6d-\U0001da74\U0001da76-\U0001da83\U0001da85-\U0001da86"
    "\U0001ecac\U0001f000-\U0001f0f5\U0001f110-\U0001f16b\U0001f170-\U0001f1ac\U0001f1e6-\U0001f3fa\U0001f400-\U0001f6d4"
    "\U0001f6e0-\U0001f6f9\U0001f700-\U0001f7d8\U0001f800-\U0001f8ad\U0001f900-\U0001f90b\U0001f910-\U0001f93e"
    "\U0001f940-\U0001f970\U0001f973-\U0001f976\U0001f97a\U0001f97c-\U0001f9a2\U0001f9b0-\U0001f9b9\U0001f9c0-\U0001f9c2"
    "\U0001f9d0-\U0001f9ff\U0001fa60-\U0001fa6d"
    "]"
)
LEADING = "§%=—–"


def icon_codes() -> list[int]:
    """The code points that are cut off wherever they stand."""
    return [code for first, last in _icon_ranges() for code in range(first, last + 1)]


def _icon_ranges() -> list[tuple[int, int]]:
    return [(ord(first), ord(last or first)) for first, last in re.findall("(.)(?:-(.))?", _ICONS[1:-1])]


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
def joined_lengths() -> list[int]:
    """In words, the most first."""
    return sorted(set(map(len, joined_exceptions())), reverse=True)


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
    return parts if joined_pairs().isdisjoint(pairwise(parts)) else _join_exceptions(parts)


def _join_exceptions(parts: list[str]) -> list[str]:
    joined = joined_exceptions()
    runs = [(start, start + n) for n in joined_lengths() for start in range(len(parts) - n + 1)
            if tuple(parts[start : start + n]) in joined]  # fmt: skip
    used: set[int] = set()
    chosen = {}
    for start, end in runs:  # the longest first, then the first
        if used.isdisjoint(range(start, end)):
            chosen[start] = end
        used.update(range(start, end))
    words: list[str] = []
    end = 0
    for at, part in enumerate(parts):
        if at in chosen:
            end = chosen[at]
            words += joined[tuple(parts[at:end])]
        elif at >= end:
            words.append(part)
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
