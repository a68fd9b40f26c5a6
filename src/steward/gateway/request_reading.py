"""What the gateway reads of a request, in one step."""

from __future__ import annotations

from steward.core.errors import Refused
from steward.gateway.field_names import read_field_names
from steward.gateway.wire import COUNTS, decode_request, write_whole_numbers
from steward.gateway.wire_fields import Request


def read_request(endpoint: str, body: bytes) -> tuple[Request, frozenset[str], bytes]:
    """The routing fields, the names of all fields, and the body: changed only where a count was written as 100.0.

    :raises Refused: 400
    """
    try:
        return decode_request(endpoint, body), read_field_names(body), body
    except Refused as error:
        if error.param not in COUNTS:
            raise
        plain, names = write_whole_numbers(body), read_field_names(body)
        if plain is body:
            raise
        return decode_request(endpoint, plain), names, plain
