"""How long things may take, in seconds. Settings and engines read the defaults here."""

from __future__ import annotations

import msgspec


class Timeouts(msgspec.Struct, frozen=True):
    """Of one upstream call, each apart: connecting, the first byte of a stream, between two chunks of it, and an answer
    that is not streamed, from request to end.
    """

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    whole_s: float = 600.0  # as OpenAI's and Anthropic's SDKs wait


class ClientTimeouts(msgspec.Struct, frozen=True):
    """Of a client's connection to the gateway."""

    receive_s: float = 20.0  # for a request to arrive; longer for large bodies
    send_s: float = 60.0  # for a client to take no byte of its answer
    keep_alive_s: int = 75  # between two requests: as nginx has it, above the 60 s of most load balancers
