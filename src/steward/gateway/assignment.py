"""Which arm of a release a request gets: drawn by person, the same in every process and at every time.

A person keeps what was drawn while the candidate's share grows: people only ever move to the candidate. Each release
draws anew, since its id is part of what is hashed.
"""

from __future__ import annotations

import hashlib

from steward.core.records import Arm


def draw_share(release_id: str, unit: str) -> float:
    """Where a person stands in [0, 1); whoever stands below the candidate's share gets it."""
    hashed = hashlib.blake2b(f"{release_id}\x00{unit}".encode(), digest_size=8).digest()
    return int.from_bytes(hashed, "big") / 2**64


def assign_arm(release_id: str, weight: float, unit: str) -> Arm:
    """
    >>> assign_arm("rel_1", 0.0, "5f2c"), assign_arm("rel_1", 1.0, "5f2c")
    ('champion', 'candidate')
    """
    return "candidate" if draw_share(release_id, unit) < weight else "champion"
