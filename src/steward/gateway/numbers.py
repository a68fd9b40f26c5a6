"""Which numbers a request may carry, where the gateway itself stands for the API: for embedded models and translations.

Bounds are the real APIs', so that a client learns of its mistake from the first model it tries. An upstream that speaks
the client's dialect decides for itself: its bytes pass. Sources: OpenAI API reference, "Create chat completion",
"Create completion", "Create a model response" and "Create embeddings"; Anthropic API reference, "Create a Message".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.gateway.wire import bad_request


class Bound(msgspec.Struct, frozen=True):
    """The least and the most that a number may be; None: as much as one likes."""

    least: float
    most: float | None
    whole: bool = False


_PENALTY: Final = Bound(-2, 2)
_SAMPLING: Final = {
    "temperature": Bound(0, 2),
    "top_p": Bound(0, 1),
    "presence_penalty": _PENALTY,
    "frequency_penalty": _PENALTY,
    "seed": Bound(-(2**63), 2**63 - 1, whole=True),
}
BOUNDS: Final[dict[str, dict[str, Bound]]] = {
    "/v1/chat/completions": {**_SAMPLING, "top_logprobs": Bound(0, 20, whole=True)},
    "/v1/completions": {**_SAMPLING, "logprobs": Bound(0, 5, whole=True)},
    "/v1/responses": {
        "temperature": Bound(0, 2),
        "top_p": Bound(0, 1),
        "top_logprobs": Bound(0, 20, whole=True),
    },
    "/v1/messages": {"temperature": Bound(0, 1), "top_p": Bound(0, 1), "top_k": Bound(0, None, whole=True)},
    "/v1/embeddings": {"dimensions": Bound(1, None, whole=True)},
}
_BIAS: Final = Bound(-100, 100)  # of each token in `logit_bias`
CHECKED: Final = {endpoint: frozenset({*bounds, "logit_bias", "logprobs"}) for endpoint, bounds in BOUNDS.items()}


def check_numbers(endpoint: str, fields: Mapping[str, Any]) -> None:
    """:raises Refused: 400, a number that the endpoint's API refuses"""
    for name, bound in BOUNDS.get(endpoint, {}).items():
        if (value := fields.get(name)) is not None:
            _check(name, value, bound)
    biases = fields.get("logit_bias") if "completions" in endpoint else None
    for token, value in biases.items() if isinstance(biases, dict) else ():
        _check(f"logit_bias.{cut_text(token)}", value, _BIAS)
    if endpoint == "/v1/chat/completions":
        _check_logprobs(fields)


def find_whole_numbers(endpoint: str, fields: Mapping[str, Any]) -> dict[str, int]:
    """The fields that are whole numbers and were written with a fraction of zero, which many servers refuse.

    >>> find_whole_numbers("/v1/messages", {"top_k": 40.0, "temperature": 1.0})
    {'top_k': 40}
    """
    names = [name for name, bound in BOUNDS.get(endpoint, {}).items() if bound.whole]
    return {name: int(fields[name]) for name in names if type(fields.get(name)) is float}


def _check_logprobs(fields: Mapping[str, Any]) -> None:
    asked = fields.get("logprobs")
    if asked is not None and not isinstance(asked, bool):
        raise bad_request(f"'logprobs' must be true or false, not {_spell(asked)}.", "logprobs", "invalid_type")
    if fields.get("top_logprobs") is not None and not asked:
        raise bad_request("'top_logprobs' needs 'logprobs': true.", "top_logprobs", "invalid_value")


def _check(name: str, value: Any, bound: Bound) -> None:
    whole = type(value) is int or (type(value) is float and value.is_integer())
    if type(value) not in (int, float) or (bound.whole and not whole):
        kind = "a whole number" if bound.whole else "a number"
        raise bad_request(f"'{name}' must be {kind}, not {_spell(value)}.", name, "invalid_type")
    unit = "integer" if bound.whole else "decimal"
    if value < bound.least:
        raise _out_of_bounds(name, value, bound, f"{unit}_below_min_value")
    if bound.most is not None and value > bound.most:
        raise _out_of_bounds(name, value, bound, f"{unit}_above_max_value")


def _out_of_bounds(name: str, value: Any, bound: Bound, code: str) -> Refused:
    limits = f"at least {bound.least}" if bound.most is None else f"between {bound.least} and {bound.most}"
    return bad_request(f"'{name}' must be {limits}, not {_spell(value)}.", name, code)


def _spell(value: Any) -> str:
    """
    >>> _spell("hot"), _spell(True), _spell(10**40)
    ('"hot"', 'true', 'a number of 133 bits')
    """
    if type(value) is int and abs(value) >= 10**20:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return cut_text(msgspec.json.encode(value).decode())
