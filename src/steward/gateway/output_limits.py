"""How long an answer may become: which field of a request says so, and what holds where none does. Pure.

Only the endpoint's own field is believed. Upstreams take others for a maximum too, or for a number of answers
(llama.cpp prefers `n_predict` to `max_tokens`, Text Generation Inference reads `max_new_tokens`, Go servers ignore the
case of names), and no list of such names is complete. So where a limit counts a request that carries one of those, or
one that reads like them, is refused by its name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.core.records import Scope
from steward.gateway.wire import bad_request
from steward.gateway.wire_fields import Request

OWN_MAXIMUM: Final[dict[str, tuple[str, ...]]] = {  # the one that the gateway sets stands first
    "/v1/chat/completions": ("max_completion_tokens", "max_tokens"),
    "/v1/completions": ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
    "/v1/messages": ("max_tokens",),
}
_OWN_COUNTS: Final[dict[str, frozenset[str]]] = {
    "/v1/chat/completions": frozenset({"n"}),
    "/v1/completions": frozenset({"n", "best_of"}),
}
_LENGTHS: Final = frozenset(  # names as `_normalise` writes them
    {
        *("maxtokens", "maxcompletiontokens", "maxoutputtokens", "maxnewtokens", "maxgeneratedtokens", "maxlength"),
        *("maxgentoks", "maxgenlen", "maxtokenstosample", "maxdecodetokens", "maxdecodingsteps", "npredict"),
        *("numpredict", "mintokens", "minnewtokens", "minlength", "minpredict", "ignoreeos", "ignoreeostoken"),
        *("n", "ncmpl", "bestof", "numreturnsequences", "numcompletions", "candidatecount", "usebeamsearch"),
    }
)
_LIKE_A_LENGTH: Final = re.compile(  # servers invent such names; as `_normalise` writes them
    r"(?:max|min|num|limit|target|least|most)\w*"
    r"(?:tokens?|toks?|length|len|predict\w*|beams?|sequences|completions?|choices|candidates?|samples|generations?)"
    r"|(?:response|output|answer|generation|completion|reply)(?:length|len|tokens?|limit)"
)
_OF_INPUT: Final = re.compile(r"(?:input|prompt|context|query|document|chunk|doc|image|video|audio)")
_CONTAINERS: Final = frozenset(  # objects of settings, as `_normalise` writes them
    {"options", "extrabody", "generationconfig", "parameters", "samplingparams", "inferenceconfig", "config", "nvext"}
)
_SMALL_BYTES: Final = 4096  # of a body whose names are remembered
_any: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def _normalise(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def _is_length(plain: str) -> bool:
    """
    >>> [_is_length(name) for name in ("npredict", "maxtotaltokens", "maxinputtokens", "maxtoolcalls")]
    [True, True, False, False]
    """
    return plain in _LENGTHS or (_LIKE_A_LENGTH.fullmatch(plain) is not None and not _OF_INPUT.search(plain))


def declared_maximum(request: Request, endpoint: str) -> int | None:
    """The most tokens that all answers together may have by the endpoint's own fields; None where they say nothing.

    >>> declared_maximum(Request(model="m", max_output_tokens=1), "/v1/chat/completions") is None
    True
    """
    most: int | None = None
    for name in OWN_MAXIMUM.get(endpoint, ()):
        value: int | None = getattr(request, name)
        if value is not None:
            most = value if most is None else max(most, value)
    return None if most is None else most * request.choices()


def _sort_names(names: frozenset[str], endpoint: str) -> tuple[str | None, tuple[str, ...]]:
    """A name that may be taken for a maximum, and those of objects of settings."""
    own = {*OWN_MAXIMUM.get(endpoint, ()), *_OWN_COUNTS.get(endpoint, ())}
    normalised = {name: _normalise(name) for name in names if name not in own}
    maximum = next((name for name, plain in normalised.items() if _is_length(plain)), None)
    return maximum, tuple(name for name, plain in normalised.items() if plain in _CONTAINERS)


_sort_few_names: Final = lru_cache(maxsize=1024)(_sort_names)  # clients send the same fields again and again


def refuse_other_maxima(names: frozenset[str], body: bytes, endpoint: str) -> None:
    """`names` are the body's top-level fields.

    :raises Refused: 400, one of them, or of an object of settings, may be taken for a maximum or a number of answers
    """
    sort = _sort_few_names if len(body) <= _SMALL_BYTES else _sort_names
    maximum, containers = sort(names, endpoint)
    if maximum is not None:
        raise _other_maximum(maximum, endpoint)
    if containers:
        fields = _any.decode(body)
        for name in containers:
            _refuse_within(fields[name], name, endpoint)


def _refuse_within(value: Any, at: str, endpoint: str) -> None:
    for name, item in value.items() if isinstance(value, dict) else ():
        if _is_length(_normalise(name)):
            raise _other_maximum(f"{at}.{name}", endpoint)
        _refuse_within(item, f"{at}.{name}", endpoint)


def _other_maximum(name: str, endpoint: str) -> Refused:
    own = OWN_MAXIMUM.get(endpoint)
    instead = f"use '{own[0]}'" if own else "remove it"
    return bad_request(
        f"'{cut_text(name)}' could change the length of the answer, which this key's limits count; {instead}.",
        cut_text(name),
        "unsupported_parameter",
    )


def fit_maximum(
    configured: int, input_tokens: int, scopes: Iterable[Scope], prices: tuple[float, float], choices: int
) -> int:
    """The maximum of one answer that declares none: the configured one, or what the tightest limit could ever allow.

    `prices` are US dollars per million input and output tokens.
    """
    total = configured * choices
    for scope in scopes:
        limits = scope.limits
        if limits.tokens_per_minute is not None:
            total = min(total, limits.tokens_per_minute - input_tokens)
        for budget in (limits.usd_per_day, limits.usd_per_month):
            if budget is not None and prices[1] > 0:
                total = min(total, int((budget * 1e6 - input_tokens * prices[0]) / prices[1]))
    return max(1, total // choices)
