"""The names of a request's fields: what the gateway checks must be what the upstream reads.

JSON says nothing about an object that names a field twice (RFC 8259, section 4), and readers differ: some take the
first, some the last. Some ignore the case of names. So a repeated name is refused at every depth, and at the top a
name that is another spelling of one that the gateway reads. Nor may another field name models: routers of others
(OpenRouter, LiteLLM) take `models` and `fallbacks` for what to ask in the place of `model`, past the key's list, the
route's prompt and the price.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Final

import msgspec

from steward.core.excerpts import cut_text
from steward.gateway.wire import bad_request, find_invalid
from steward.gateway.wire_fields import Request

_PAIR: Final = re.compile(rb'"[ \t\r\n]*:')
_any: Final = msgspec.json.Decoder(dict[str, Any])


class _Repeated(Exception):
    """An object names a field twice."""

    def __init__(self, name: str) -> None:
        self.name = name


def _collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        raise _Repeated(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    return fields


_decode = json.JSONDecoder(object_pairs_hook=_collect).decode


def _decode_plain(body: bytes) -> dict[str, Any] | None:
    """The fields of a body in which no name stands twice, told by counting: each member of an object is a quote with a
    colon behind it, so a member that was lost in decoding is one such pair fewer when the fields are written again.
    None where the counts differ, or escapes may hide quotes in texts, and names must be looked at one by one.
    """
    fields = _any.decode(body)
    if not body.count(b"\\u") and _count_names(body) == msgspec.json.encode(fields).count(b'":'):
        return fields
    return None


def _count_names(body: bytes) -> int:
    """Quotes with a colon behind them. A colon seldom has space before it, and without one it is found at once."""
    if body.count(b" :") or body.count(b"\n:") or body.count(b"\t:") or body.count(b"\r:"):
        return len(_PAIR.findall(body))
    return body.count(b'":')


def _normalise(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


_READ: Final = frozenset(Request.__struct_fields__)  # what the gateway believes
_OTHER_MODELS: Final = frozenset({"models", "fallbacks", "fallbackmodels", "fallbackmodel"})
_SPELLINGS: Final = {_normalise(name): name for name in _READ}


def read_field_names(body: bytes) -> frozenset[str]:
    """The names of the top-level fields of `body`, which is valid JSON.

    :raises Refused: 400, an object names a field twice, or the top one spells a field that the gateway reads otherwise
    """
    try:
        fields = _decode_plain(body) or _decode(body.decode())
    except _Repeated as error:
        name = cut_text(error.name)
        raise bad_request(
            f"The request body names '{name}' twice in one object; send it once.", name, "repeated_field"
        ) from None
    except RecursionError as error:
        raise bad_request("The request body is nested too deeply; the limit is about 900 levels.") from error
    except ValueError as error:  # within a field that has been passed over until now
        raise find_invalid(body, error) from error
    names = frozenset(fields)
    for name in names - _READ:
        plain = _normalise(name)
        if plain in _OTHER_MODELS:
            raise bad_request(
                f"'{cut_text(name)}' names other models than 'model'; remove it. The operator sets what else may "
                "answer with `routes[].fallback` in steward.yaml.",
                cut_text(name),
                "unsupported_parameter",
            )
        own = _SPELLINGS.get(plain)
        if own is not None:
            raise bad_request(
                f"Unknown parameter: '{cut_text(name)}'. Did you mean '{own}'?", cut_text(name), "unknown_parameter"
            )
    return names
