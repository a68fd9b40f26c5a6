"""Which language a text is in, by py3langid (Lui and Baldwin 2012, ACL demo; the model is in the package).

The labels are pinned in `LANGUAGES`: the model's, with near languages folded into the one that people name. What the
model calls `zxx` (no language: tables, code, lists of options) is unknown, as are short texts, where detectors guess.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from steward.core.errors import InputError, UnknownName
from steward.data.language_model import load_identifier

UNKNOWN = "unknown"
SHORT = "short"
_MAX_CHARACTERS = 4_000  # the decision does not change beyond
_MIN_LETTERS = 20  # of a guess

# The model's label to ours: what is written in the same script and mostly the same words, or is an older stage of it.
FOLDED = {
    "yue": "zh", "wuu": "zh", "ary": "ar", "arz": "ar", "ace": "id", "uzs": "uz", "nn": "no", "ltg": "lv", "gug": "gn",
    "grc": "el", "hbo": "he", "sdh": "ku", "ext": "es", "zxx": UNKNOWN,
}  # fmt: skip
_CODES = (  # ISO 639-1 where there is a code, else 639-3
    "af am an ar as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu fa fi fo fr fuv fy ga gcf gcr "
    "gd gl gn gom gu guw ha he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko ku ky la lb lg lij ln lo lt "
    "lv mg mk ml mn mr ms mt my ne nl no nso oc om or pa pcm pl ps pt qu ro ru rw sa se si sk sl sn so sq sr st sv "
    "sw ta te tg th tk tl tr tt ug uk ur uz vec vi vo wa xh yo zh zu "
)
LANGUAGES = frozenset(_CODES.split())


def detect_language(text: str, confidence: float = 0.8, min_letters: int = 15) -> str:
    """A label of `LANGUAGES`, or `unknown`: few letters, or a probability below `confidence` (0 to 1).

    The probability is the model's own, with those of folded labels added up; it is too sure of long texts.

    >>> detect_language("The weather was fine, so we walked along the river to the old mill."), detect_language("ok")
    ('en', 'unknown')
    """
    head = text[:_MAX_CHARACTERS]
    if sum(map(str.isalpha, head)) < min_letters:
        return UNKNOWN
    label, probability = _load_identifier().classify(head)
    language = FOLDED.get(label, label)
    if probability < confidence and (label in FOLDED or label in FOLDED.values()):
        ranked = _load_identifier().rank(head)
        probability = sum(share for name, share in ranked if FOLDED.get(name, name) == language)
    return str(language) if probability >= confidence else UNKNOWN


def require_language(code: str, place: str) -> None:
    """:raises InputError: a code that the detector never gives"""
    if code.lower() in LANGUAGES - {code}:
        raise InputError(f"{place}: unknown language {code!r}; did you mean {code.lower()!r}?")
    if code not in LANGUAGES:
        raise UnknownName("language", code, sorted(LANGUAGES), place)


def guess_language(text: str) -> str:
    """The likeliest label however unsure, or "short" below 20 letters.

    >>> guess_language("The weather is fine today, and the children play outside.")
    'en'
    """
    if sum(map(str.isalpha, text)) < _MIN_LETTERS:
        return SHORT
    label = str(_load_identifier().classify(text)[0])
    return FOLDED.get(label, label)


@cache
def _load_identifier() -> Any:
    return load_identifier()


def model_labels() -> list[str]:
    """The labels that the installed model gives."""
    return sorted(set(_load_identifier().nb_classes))
