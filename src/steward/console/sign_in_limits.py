"""How often somebody may try to sign in: by address, and by account.

An address has few tries, so that one stranger cannot try many passwords. An account has few tries from browsers that
it has never been used from, so that many strangers cannot either; a browser that the person has signed in from before
carries a signed mark and has a count of its own. A flood of wrong passwords so locks out the strangers alone (OWASP's
device cookies). Pure: who asks and when are arguments.
"""

from __future__ import annotations

import hashlib
import hmac
import math
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
        account, counted = self._find_account(name, mark, wall)
        if self._addresses.are_spent(address, now) or account.are_spent(counted, now):
            return False
        self._addresses.add(address, now)
        account.add(counted, now)
        return True

    def find_wait_s(self, address: str, name: str, mark: str, now: float, wall: float) -> float:
        """Seconds until a try is taken again; 0 where one is."""
        account, counted = self._find_account(name, mark, wall)
        return max(self._addresses.find_wait_s(address, now), account.find_wait_s(counted, now))

    def _find_account(self, name: str, mark: str, wall: float) -> tuple[Attempts, str]:
        """Where tries of an account count, and under which name."""
        known = self.is_mark_of(mark, name, wall)
        return (self._own, hash_text(mark)) if known else (self._strangers, hash_text(name))

    def make_mark(self, name: str, wall: float) -> str:
        """For a browser that `name` has just signed in from."""
        end = str(int(wall + MARK_S))
        return f"{end}.{self._sign(end, name)}"

    def is_mark_of(self, mark: str, name: str, wall: float) -> bool:
        end, _, signature = mark.partition(".")
        same = hmac.compare_digest(signature.encode(), self._sign(end, name).encode())
        return same and end.isdecimal() and int(end) > wall

    def _sign(self, end: str, name: str) -> str:
        return hmac.new(self._key, f"{end}\x00{name}".encode(), hashlib.sha256).hexdigest()


def explain_wait(wait_s: float) -> str:
    """
    >>> explain_wait(14.2), explain_wait(873.0)
    ('Too many attempts. Try again in 15 seconds.', 'Too many attempts. Try again in 15 minutes.')
    """
    whole = math.ceil(wait_s)
    number, unit = (whole, "second") if whole < 120 else (math.ceil(whole / 60), "minute")
    return f"Too many attempts. Try again in {number} {unit}{'' if number == 1 else 's'}."


def hash_text(text: str) -> str:
    """Of bounded length, and no name of anybody in memory."""
    return hashlib.sha256(text.encode()).hexdigest()
