"""A row of a training set, whatever it came from, and who it is of.

Captured exchanges, ratings, corrections and the user's own files all become `TrainingRow`. What it does not know: where
rows are read from, how texts are scrubbed, and the shapes that trainers read (`shapes.py`).
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec

Message = dict[str, Any]
Origin = Literal["correction", "rating", "exchange", "file", "replay"]
Basis = Literal["consent", "contract", "legitimate interest", "own data", "public"]
Consent = Literal["given", "withheld", "not asked"]
Split = Literal["train", "select", "judge", "newest"]
SPLITS: Final[tuple[Split, ...]] = ("train", "select", "judge", "newest")
SEALED: Final[tuple[Split, ...]] = ("judge", "newest")  # that no training job and no trial reads
_ORDER: Final[dict[Origin, int]] = {"correction": 0, "file": 1, "rating": 2, "exchange": 3, "replay": 4}


class TrainingRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A prompt and an answer. `label` false: the answer is one not to give, and there is no better one."""

    id: str  # of the exchange, or "file:line"
    origin: Origin
    source: str
    prompt: tuple[Message, ...]
    completion: tuple[Message, ...]
    rejected: tuple[Message, ...] = ()  # the answer that was corrected, or liked less
    label: bool = True
    tools: tuple[Any, ...] = ()
    by_model: bool = False  # a model wrote `completion`
    subject: str = ""  # HMAC of the person; empty: unknown
    conversation: str = ""
    at: float | None = None  # seconds since the epoch
    group: str = ""  # what is balanced against traffic, such as a topic
    purposes: tuple[str, ...] = ()
    basis: Basis = "own data"
    consent: Consent = "not asked"

    def unit(self) -> str:
        """Who is never in two slices: the person, else the conversation, else whoever asks just this."""
        if self.subject:
            return f"subject {self.subject}"
        if self.conversation:
            return f"conversation {self.conversation}"
        return f"prompt {hashlib.sha256(msgspec.json.encode(self.prompt)).hexdigest()}"


def encode_row(row: TrainingRow) -> bytes:
    """The row as its file holds it, without the line's end; equal rows give equal bytes."""
    return msgspec.json.encode(row)


def commit_row(row: TrainingRow) -> str:
    """SHA-256 of what `encode_row` writes, as the list of rows keeps it."""
    return hashlib.sha256(encode_row(row)).hexdigest()


def order_rows(rows: list[TrainingRow]) -> list[TrainingRow]:
    """Corrections first, then files, ratings and bare exchanges, replay last; newest first within each.

    Whatever takes rows away afterwards (duplicates, caps, balance) takes the later one.
    """
    return sorted(rows, key=lambda row: (_ORDER[row.origin], -(row.at or 0.0), row.source, row.id))
