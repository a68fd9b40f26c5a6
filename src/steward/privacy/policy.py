"""What is done with each kind of personal data: the actions, the profiles that set them, and what they make of a value.

Pure. A policy knows routes and keys by name; which one a request has, the guard says.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from steward.privacy.entities import KINDS, PROFILES

Action = Literal["pseudonymise", "mask", "redact", "generalise", "hash", "block", "allow"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
Actions = Mapping[str, Action]  # by entity; one that is not there is allowed

_GENERALISED: Final = ("DATE_TIME", "DATE_OF_BIRTH")
PROFILE_ACTIONS: Final[Mapping[str, Actions]] = {
    "default": dict.fromkeys(PROFILES["default"], "pseudonymise"),
    "standard": dict.fromkeys(PROFILES["standard"], "pseudonymise"),
    "gdpr": dict.fromkeys(PROFILES["gdpr"], "pseudonymise"),
    "hipaa_safe_harbor": {
        entity: "generalise" if entity in _GENERALISED else "pseudonymise" for entity in PROFILES["hipaa_safe_harbor"]
    },
    "pci": dict.fromkeys(PROFILES["pci"], "mask"),
    "off": {},
}


class PrivacyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A key's actions come before its route's, and those before the general ones."""

    actions: dict[str, Action]
    routes: dict[str, dict[str, Action]] = {}
    keys: dict[str, dict[str, Action]] = {}
    on_error: Literal["block", "allow"] = "block"

    def choose_actions(self, route: str, key: str) -> Actions:
        """Those of a request."""
        chosen = self.keys.get(key)
        return self.routes.get(route, self.actions) if chosen is None else chosen


def change_value(action: Action, entity: str, value: str, key: bytes) -> str | None:
    """What stands where `value` stood, for good; None where a token stands there that comes back.

    >>> change_value("mask", "CREDIT_CARD", "4111 1111 1111 1111", b""), change_value("redact", "PERSON", "Bo Li", b"")
    ('**** **** **** 1111', '[PERSON REDACTED]')
    """
    if action == "redact":
        return f"[{KINDS[entity].token} REDACTED]"
    if action == "mask":
        return _mask(value)
    if action == "hash":
        digest = hmac.digest(key, f"{entity}\0{value}".encode("utf-8", "surrogatepass"), "sha256").hex()
        return f"[{KINDS[entity].token} #{digest[:16]}]"
    return _generalise(entity, value) if action == "generalise" else None


def _mask(value: str) -> str:
    """Letters and digits as asterisks, but the last four of numbers that are long enough (PCI DSS 4.0, 3.4.1)."""
    shown = 4 if sum(letter.isdigit() for letter in value) >= 12 else 0
    end = len(value) - shown
    return "".join("*" if letter.isalnum() else letter for letter in value[:end]) + value[end:]


_YEAR: Final = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])")


def _generalise(entity: str, value: str) -> str:
    """Coarser: the year of a date; what has no coarser form is redacted."""
    year = _YEAR.search(value)
    if entity in _GENERALISED and year:
        return year[0]
    return f"[{KINDS[entity].token} REDACTED]"
