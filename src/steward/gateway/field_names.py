"""The names of a request's fields: what the gateway checks must be what the upstream reads.

JSON says nothing about an object that names a field twice (RFC 8259, section 4), and readers differ: some take the
first, some the last. Some ignore the case of names. So a repeated name is refused at every depth, and at the top a
name that is another spelling of one that the gateway reads.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any, Final

import msgspec

from steward.gateway.wire import Request, invalid

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


def _decode_compact(body: bytes) -> dict[str, Any] | None:
    """The fields of a body that is spelt exactly as we would spell it, so that no name can stand in it twice; None
    where it must be looked at name by name. Most clients send such bodies, and this costs a tenth.
    """
    fields = _any.decode(body)
    return fields if msgspec.json.encode(fields) == body else None


def _normalise(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


_READ: Final = frozenset(Request.__struct_fields__)  # what the gateway believes
_SPELLINGS: Final = {_normalise(name): name for name in _READ}


def read_field_names(body: bytes) -> frozenset[str]:
    """The names of the top-level fields of `body`, which is valid JSON.

    :raises Refused: 400, an object names a field twice, or the top one spells a field that the gateway reads otherwise
    """
    try:
        fields = _decode_compact(body) or _decode(body.decode())
    except _Repeated as error:
        name = error.name[:100]
        raise invalid(
            f"The request body names '{name}' twice in one object; send it once.", name, "repeated_field"
        ) from None
    except RecursionError as error:
        raise invalid("The request body is nested too deeply; the limit is about 900 levels.") from error
    names = frozenset(fields)
    for name in names - _READ:
        own = _SPELLINGS.get(_normalise(name))
        if own is not None:
            raise invalid(f"Unknown parameter: '{name[:100]}'. Did you mean '{own}'?", name[:100], "unknown_parameter")
    return names
