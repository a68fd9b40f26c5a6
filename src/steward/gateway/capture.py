"""Which exchanges are kept with their texts, under which rule; and the texts of an answer as they are kept.

Nothing is kept unless a rule says so. The rules are looked at in their order, and the first that fits keeps the
exchange: of its route and project, drawn by its sample, and with the consent that its purpose needs. Whether a
conversation is drawn follows from its name, so that all of its exchanges are kept or none. Knows nothing of where
texts are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from steward.core.captures import CapturedContent, CapturedText, CaptureForm, CapturePurpose
from steward.core.durations import DAY_S
from steward.core.excerpts import cut_text
from steward.gateway.text_fields import Json
from steward.gateway.wire import bad_request

CONSENT_HEADER: Final = "x-steward-training"
_CONSENTS: Final = {"yes": True, "no": False}
_NAMING: Final = ("user", "safety_identifier", "metadata")  # fields of a request that name its user to the provider


class CaptureRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of the section `capture`."""

    purpose: CapturePurpose
    route: str | None = None  # None: all
    project: str | None = None  # None: all
    sample: float = 1.0
    keep_s: float = 30 * DAY_S
    form: CaptureForm = "masked"


class CapturePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The section `capture`; without rules nothing is kept."""

    rules: tuple[CaptureRule, ...] = ()
    max_exchange_bytes: int = 256 * 1024  # of a request and its answer; a longer one is not kept
    max_spool_bytes: int = 256 * 1024 * 1024  # of what waits for the keeper

    @property
    def version(self) -> str:
        """A name that changes with the rules, 12 hex digits."""
        return hashlib.sha256(msgspec.json.encode(self.rules)).hexdigest()[:12]


def read_consent(header: str | None) -> bool | None:
    """What a client says of training; None: nothing.

    :raises Refused: 400, neither yes nor no

    >>> read_consent("Yes"), read_consent("no"), read_consent(None)
    (True, False, None)
    """
    if header is None:
        return None
    consent = _CONSENTS.get(header.strip().lower())
    if consent is None:
        raise bad_request(f"X-Steward-Training must be yes or no, not {cut_text(header)!r}.")
    return consent


def choose_rule(
    rules: Sequence[CaptureRule], route: str, project: str, consent: bool | None, unit: str
) -> CaptureRule | None:
    """The first rule that fits; None: the exchange is not kept. `unit`: what a sample is drawn of.

    For training only what a client has agreed to is kept.
    """
    for number, rule in enumerate(rules):
        if rule.route not in (None, route) or rule.project not in (None, project):
            continue
        if rule.purpose == "training" and consent is not True:
            continue
        if draw(f"{number} {rule.purpose} {unit}") < rule.sample:
            return rule
    return None


def draw(unit: str) -> float:
    """A number in [0, 1) that is always the same for a unit, and evenly spread over units.

    >>> round(draw("a"), 3)
    0.791
    """
    return int.from_bytes(hashlib.sha256(unit.encode()).digest()[:7]) / 2**56


class AnswerTexts:
    """A `TextFilter` that changes nothing and keeps what passes, up to `most` characters."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: dict[tuple[int, str], list[str]] = {}
        self.too_long = False

    def text(self, choice: int, field: str, text: str, last: bool = False) -> str:
        if text:
            self._most -= len(text)
            if self._most < 0:
                self.too_long = True
                self._pieces.clear()
            else:
                self._pieces.setdefault((choice, field), []).append(text)
        return text

    arguments = text  # JSON in a string is kept as it stands

    def flush(self, choice: int) -> list[tuple[str, str]]:
        return []

    def collect(self) -> tuple[CapturedText, ...]:
        """All texts by choice and field, in the order in which they began."""
        return tuple(CapturedText(choice, field, "".join(pieces)) for (choice, field), pieces in self._pieces.items())


def make_content(request: bytes, texts: AnswerTexts) -> CapturedContent:
    """What is sealed: without the fields that name the user. :raises msgspec.MsgspecError: the request is not JSON"""
    body: Json = msgspec.json.decode(request, type=dict[str, msgspec.Raw])
    if any(name in body for name in _NAMING):
        request = msgspec.json.encode({name: value for name, value in body.items() if name not in _NAMING})
    return CapturedContent(request, texts.collect())
