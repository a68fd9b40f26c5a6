"""One-time codes of an authenticator app (RFC 6238): six digits, a step of 30 s, one step of difference is allowed.

A code is good once: its step must be later than the last one that was used.
"""

from __future__ import annotations

import hmac
from typing import Final

import pyotp

STEP_S: Final = 30
SLACK: Final = (-1, 0, 1)  # steps that the clocks of server and phone may differ by


def make_secret() -> str:
    """160 random bits in base32."""
    return pyotp.random_base32()


def describe_secret(secret: str, name: str) -> str:
    """The address that an authenticator app reads, often from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="steward")


def find_step(secret: str, code: str, now: float, last: int | None) -> int | None:
    """The step that the code is of; None: it is of none that may still be used.

    >>> find_step("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "287082", 59.0, None)
    1
    """
    text = code.replace(" ", "")
    if len(text) != 6 or not text.isascii() or not text.isdigit():
        return None
    totp, found = pyotp.TOTP(secret), None
    for slack in SLACK:
        step = int(now // STEP_S) + slack
        if step >= 0 and hmac.compare_digest(totp.generate_otp(step), text) and (last is None or step > last):
            found = step
    return found
