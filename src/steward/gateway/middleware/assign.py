"""Who gets the candidate of a release. Noted before anything is reserved, so that the admitted record has it: what
happens to the request afterwards, a retry or another model's help, changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from steward.gateway.answer import Answer
from steward.gateway.assignment import assign_arm
from steward.gateway.exchange import Exchange, Handler, Middleware
from steward.gateway.route_records import ServedRelease


def assign(releases: Mapping[str, ServedRelease]) -> Middleware:
    """`releases` by route. The unit is the person, else the conversation, else the request."""

    def wrap(inner: Handler) -> Handler:
        if not releases:
            return inner

        def handle(exchange: Exchange) -> Awaitable[Answer]:  # no coroutine of its own
            release = releases.get(exchange.request.model)
            if release is not None:
                unit = exchange.subject or exchange.conversation or exchange.request_id
                exchange.release = release
                exchange.arm = assign_arm(release.id, release.weight, unit)
            return inner(exchange)

        return handle

    return wrap
