"""The frozen record of a proof: a load test, a plan, a contract, an evaluation, a gate.

Whoever proves something writes one; cards, readiness and control maps are renderings of these records and hold no
number of their own.
"""

from __future__ import annotations

from typing import Literal

import msgspec

EvidenceVerdict = Literal["pass", "fail", "cannot tell"]


class EvidenceInput(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a proof was made from, as it was then. Of a pattern: how many names it had, and a digest of them."""

    path: str  # absolute, or the pattern
    size: int = 0  # bytes, or names
    mtime_ns: int = 0
    sha256: str = ""  # empty: too large to be read again; then its time decides


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked of what, how it came out, and how to check it again."""

    id: str  # "ev_" and 24 hex digits
    check: str  # "loadtest.run", "capacity.plan", "data.contract", "evaluation.run", "evaluation.gate", …
    subject: str  # what it speaks of, in words: "model starter", "data set train.jsonl"
    subject_digest: str  # "sha256:…" of it; another digest makes the evidence stale
    verdict: EvidenceVerdict
    value: str  # what was found, with its unit: "p95 412 ms"
    expected: str  # what was asked for: "p95 < 500 ms"; empty where nothing was
    source: str  # the file or run that holds the details
    produced_at: float  # seconds since the epoch
    valid_until: float | None  # seconds since the epoch; None: until the subject changes
    command: str  # what makes it again when pasted
    signer: str  # the actor that produced it: "operator:1000"
    inputs: tuple[EvidenceInput, ...] = ()  # files of this machine that it speaks of; changed ones make it stale
