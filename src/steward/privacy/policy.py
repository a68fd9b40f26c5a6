"""What is done with each kind of personal data: the actions, the profiles that set them, and what they make of a value.

Pure. A policy knows routes and keys by name; which one a request has, the guard says.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from steward.privacy.custom import CustomDetector
from steward.privacy.entities import KINDS, PROFILES

Action = Literal["pseudonymise", "mask", "redact", "generalise", "hash", "block", "allow"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
Actions = Mapping[str, Action]  # by entity; one that is not there is allowed

_GENERALISED: Final = ("DATE_TIME", "DATE_OF_BIRTH", "AGE", "US_ZIP_CODE")
PROFILE_ACTIONS: Final[Mapping[str, Actions]] = {
    "default": dict.fromkeys(PROFILES["default"], "pseudonymise"),
    "standard": dict.fromkeys(PROFILES["standard"], "pseudonymise"),
    "gdpr": dict.fromkeys(PROFILES["gdpr"], "pseudonymise"),
    "hipaa_safe_harbor": {
        entity: "generalise" if entity in _GENERALISED else "pseudonymise" for entity in PROFILES["hipaa_safe_harbor"]
    },
    "pci": dict.fromkeys(PROFILES["pci"], "mask"),
    "secrets-only": dict.fromkeys(PROFILES["secrets-only"], "redact"),
    "off": {},
}


class PrivacyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A key's actions come before its route's, and those before the general ones."""

    actions: dict[str, Action]
    routes: dict[str, dict[str, Action]] = {}
    keys: dict[str, dict[str, Action]] = {}
    on_error: Literal["block", "allow"] = "block"
    unread: Literal["pass", "block", "ocr"] = "pass"  # what no guard can read
    ocr_url: str = ""  # of the service that reads pictures
    ocr_budget_ms: float = 10_000.0
    detectors: tuple[CustomDetector, ...] = ()
    surrogates: bool = False  # realistic names for people, rather than tokens

    def choose_actions(self, route: str, key: str) -> Actions:
        """Those of a request."""
        chosen = self.keys.get(key)
        return self.routes.get(route, self.actions) if chosen is None else chosen


def change_value(action: Action, entity: str, value: str, key: bytes, year: int) -> str | None:
    """What stands where `value` stood, for good; None where a token stands there that comes back. `year` is this one.

    >>> change_value("mask", "CREDIT_CARD", "4111 1111 1111 1111", b"", 2026)
    '**** **** **** 1111'
    """
    if action == "redact":
        return f"[{KINDS[entity].token} REDACTED]"
    if action == "mask":
        return _mask(value)
    if action == "hash":
        digest = hmac.digest(key, f"{entity}\0{value}".encode("utf-8", "surrogatepass"), "sha256").hex()
        return f"[{KINDS[entity].token} #{digest[:16]}]"
    return _generalise(entity, value, year) if action == "generalise" else None


def _mask(value: str) -> str:
    """Letters and digits as asterisks, but the last four of numbers that are long enough (PCI DSS 4.0, 3.4.1)."""
    shown = 4 if sum(letter.isdigit() for letter in value) >= 12 else 0
    end = len(value) - shown
    return "".join("*" if letter.isalnum() else letter for letter in value[:end]) + value[end:]


_YEAR: Final = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])")


_NUMBER: Final = re.compile("[0-9]+")
_OLDEST: Final = 89  # 45 CFR 164.514(b)(2)(i)(C)
# First three digits of postal codes that 20,000 people or fewer share (Census 2000, in the guidance of the Department
# of Health and Human Services on de-identification): 45 CFR 164.514(b)(2)(i)(B).
_SMALL_AREAS: Final = frozenset(
    (
        "036",
        "059",
        "063",
        "102",
        "203",
        "556",
        "692",
        "790",
        "821",
        "823",
        "830",
        "831",
        "878",
        "879",
        "884",
        "890",
        "893",
    )
)


def _generalise(entity: str, value: str, this_year: int) -> str:
    """Coarser, by the Safe Harbor rule: the year of a date unless it tells an age over 89, such ages as `90+`, three
    digits of a postal code. What has no coarser form is redacted.
    """
    number, year = _NUMBER.search(value), _YEAR.search(value)
    if entity == "AGE" and number:
        return "90+" if int(number[0]) > _OLDEST else value
    if entity == "US_ZIP_CODE":
        return "000" if value[:3] in _SMALL_AREAS else value[:3]
    if entity == "DATE_OF_BIRTH" and year and this_year - int(year[0]) > _OLDEST:
        return "90+"
    if entity in ("DATE_TIME", "DATE_OF_BIRTH") and year:
        return year[0]
    return f"[{KINDS[entity].token} REDACTED]"
