"""Names of records that steward makes: proofs, releases, incidents, grants.

A name is no secret: whoever knows it is still asked for the right to what it names.
"""

from __future__ import annotations

import secrets
import time


def make_id(kind: str) -> str:
    """A name that programs pass on, such as `ev_` and 24 hex digits: 96 random bits, of which two never meet."""
    return f"{kind}_{secrets.token_hex(12)}"


def make_short_id(kind: str) -> str:
    """A name that people type, such as `rel_` and 12 hex digits: 48 random bits, enough for a million of one kind."""
    return f"{kind}_{secrets.token_hex(6)}"


def make_dated_id(kind: str, now: float) -> str:
    """The name of a run, which sorts by its beginning (UTC): `tr_20261130-141530-` and 6 hex digits."""
    return f"{kind}_{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{secrets.token_hex(3)}"
