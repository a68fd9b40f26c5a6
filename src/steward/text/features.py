"""What the texts of a request and its answer are like, in a few numbers and words that hold no text. Pure and cheap.

Good enough to see that traffic has changed, and no more: a language by its script and its most common words (function
words of Latin-script languages; Dunning, 1994, needs longer texts), a topic as one of 32 cells of hashed words (random
hyperplanes, Charikar 2002), a refusal by how answers begin that refuse. Knows nothing of what a text means.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from typing import Final

MOST_CHARS: Final = 8000  # of each text that are looked at
FEW_WORDS: Final = 3  # of a text, below which its language or topic is not known
PLANES: Final = 5  # 2^5 topics

_WORD: Final = re.compile(r"[^\W\d_]+")
_SCRIPTS: Final = (
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_COMMON_WORDS: Final = {
    "en": "the and is of to in that it for you with on are this be was have what how not",
    "de": "der die das und ist nicht ich ein eine zu den mit von auf für wie es sich auch im",
    "fr": "le la les et est une des que pour dans je pas sur qui vous avec ce du au comment",
    "es": "el los las una que por con para es del se lo como más pero qué está son al mi",
    "it": "il che di un una per non con è sono del della gli come mi questo anche nel alla più",
    "pt": "o os uma que não com para por mais como é do da em um se são meu você ao",
    "nl": "de het een en van is dat niet ik op te voor met zijn hoe wat aan er ook bij",
}
_COMMON: Final = {code: frozenset(words.split()) for code, words in _COMMON_WORDS.items()}
_REFUSAL: Final = re.compile(
    r"\W*(?:(?:i['’]?m|i am) (?:very |really )?sorry,? (?:but|i)\b|sorry, (?:but )?i (?:can|am)"
    r"|i (?:can['’]?t|cannot|can not|won['’]?t|will not|am unable|am not able|must decline|don['’]?t feel comfortable)"
    r"|i['’]?m (?:unable|not able|afraid i can)|as an ai\b|unfortunately,? i (?:can|am)"
    r"|(?:es )?tut mir leid|ich kann (?:dir |ihnen )?(?:dabei |das |damit )?(?:leider )?nicht|leider kann ich"
    r"|je (?:suis désolée?|ne peux pas)|désolée?, (?:mais )?je|lo siento|no puedo (?:ayudar|proporcionar|hacer))",
    re.IGNORECASE,
)


def detect_language(text: str) -> str | None:
    """An ISO 639-1 code; None: too short, or none of those that are known.

    >>> detect_language("How do I reset the password of my account?"), detect_language("Wie heißt das auf Deutsch?")
    ('en', 'de')
    """
    text = text[:MOST_CHARS]
    letters = sum(map(str.isalpha, text))
    if letters < FEW_WORDS:
        return None
    counts = {code: len(script.findall(text)) for code, script in _SCRIPTS}
    if counts["ja"] and counts["ja"] + counts["zh"] > letters / 2:
        return "ja"  # Japanese is written in both
    best = max(counts, key=lambda code: counts[code])
    if counts[best] > letters / 2:
        return best
    words = [word.lower() for word in _WORD.findall(text)]
    hits = {code: sum(word in common for word in words) for code, common in _COMMON.items()}
    likely = max(hits, key=lambda code: hits[code])
    ties = sum(count == hits[likely] for count in hits.values())
    return likely if len(words) >= FEW_WORDS and hits[likely] >= 2 and ties == 1 else None


def find_topic(text: str) -> str | None:
    """One of 32 cells, such as `t07`: texts that share most of their longer words share it. None: too few of them.

    >>> find_topic("cancel the subscription invoice refund") == find_topic("Refund! invoice, subscription: cancel")
    True
    """
    words = {word.lower() for word in _WORD.findall(text[:MOST_CHARS]) if len(word) >= 5}
    if len(words) < FEW_WORDS:
        return None
    sums = [0] * PLANES
    for word in words:
        bits = zlib.crc32(word.encode())
        for plane in range(PLANES):
            sums[plane] += 1 if bits >> (7 * plane) & 1 else -1
    return f"t{sum(1 << plane for plane in range(PLANES) if sums[plane] > 0):02d}"


def is_refusal(answer: str) -> bool:
    """Whether an answer begins as those do that decline.

    >>> is_refusal("I'm sorry, but I can't help with that."), is_refusal("Sorry for the delay. It works so:")
    (True, False)
    """
    return _REFUSAL.match(answer) is not None


def join_texts(texts: Iterable[str]) -> str:
    """As many of them as are looked at."""
    joined: list[str] = []
    left = MOST_CHARS
    for text in texts:
        if left <= 0:
            break
        joined.append(text[:left])
        left -= len(text) + 1
    return "\n".join(joined)
