"""How often somebody may try to sign in: by address, and by account.

An address has few tries, so that one stranger cannot try many passwords. An account has few tries from browsers that
it has never been used from, so that many strangers cannot either; a browser that the person has signed in from before
carries a signed mark and has a count of its own. A flood of wrong passwords so locks out the strangers alone (OWASP's
device cookies). Pure: who asks and when are arguments.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from steward.console.sessions import Attempts

MARK_S: Final = 180 * 86400
STRANGERS_PER_QUARTER: Final = 20  # tries of one account from browsers that it has not been used from
OWN_PER_MINUTE: Final = 10


class SignInLimits:
    """`key` signs the marks; consoles that share it know each other's."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._addresses = Attempts()
        self._strangers = Attempts(STRANGERS_PER_QUARTER, 900.0)
        self._own = Attempts(OWN_PER_MINUTE)

    def take(self, address: str, name: str, mark: str, now: float, wall: float) -> bool:
        """Count a try; false where there were too many already. `now` never goes back, `wall` dates marks."""
        known = self.is_mark_of(mark, name, wall)
        account, counted = (self._own, hash_text(mark)) if known else (self._strangers, hash_text(name))
        if self._addresses.are_spent(address, now) or account.are_spent(counted, now):
            return False
        self._addresses.add(address, now)
        account.add(counted, now)
        return True

    def make_mark(self, name: str, wall: float) -> str:
        """For a browser that `name` has just signed in from."""
        end = str(int(wall + MARK_S))
        return f"{end}.{self._sign(end, name)}"

    def is_mark_of(self, mark: str, name: str, wall: float) -> bool:
        end, _, signature = mark.partition(".")
        same = hmac.compare_digest(signature.encode(), self._sign(end, name).encode())
        return same and end.isascii() and end.isdigit() and len(end) < 20 and int(end) > wall

    def _sign(self, end: str, name: str) -> str:
        return hmac.new(self._key, f"{end}\x00{name}".encode(), hashlib.sha256).hexdigest()


def hash_text(text: str) -> str:
    """Of bounded length, and no name of anybody in memory."""
    return hashlib.sha256(text.encode()).hexdigest()
