"""The manifest of a training set: what went in, what each step did, whose rows are there, and digests of all of it.

`digest` is over the manifest itself without `digest` and `seal`; `seal` is an HMAC of the digest under the home's key,
so that whoever changes rows and works out all digests anew is found, too. Pure: files are read by the workflow.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from steward.core.errors import Contradiction, InputError
from steward.improvement.dataset.rows import SPLITS, Split, TrainingRow, commit_row

FORMAT: Final = 1
MANIFEST, CROISSANT, MEMBERS, SUCCESS = "manifest.json", "croissant.json", "members.jsonl", "_SUCCESS"
ROW_FILES: Final[dict[Split, str]] = {
    "train": "train.jsonl",
    "select": "select.jsonl",
    "judge": "judge.jsonl.sealed",  # opened by `steward crypt decrypt`, with the home's key only
    "newest": "newest.jsonl.sealed",  # a second judge: of everybody, but later than all that is trained on
}


class DatasetStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step: rows_in = rows_out + removed, and `reasons` add up to `removed`."""

    name: str
    rows_in: int
    rows_out: int
    removed: int
    changed: int = 0  # rows whose texts are others now
    reasons: dict[str, int] = {}


class DatasetFile(msgspec.Struct, frozen=True):
    """A file of the set or of a source."""

    name: str
    rows: int
    bytes: int
    sha256: str


class DatasetMember(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row without its words: a line of members.jsonl."""

    id: str
    split: Split
    commitment: str  # SHA-256 of the row's line
    origin: str
    source: str
    basis: str
    consent: str
    subject: str = ""  # HMAC
    at: float | None = None


class DatasetManifest(msgspec.Struct, frozen=True, kw_only=True):
    """manifest.json."""

    format: int
    name: str
    version: str  # of steward
    created_at: float
    tenant: str
    project: str
    digest: str = ""
    seal: str = ""
    key: str  # tells one home's key from another's and says nothing of it
    parent: str = ""  # the set that this one was made of by an erasure
    erased: int = 0  # rows that this version has fewer than its parent
    parameters: dict[str, Any]
    steps: tuple[DatasetStep, ...]
    rows: dict[str, int]  # by split
    origins: dict[str, int]
    consents: dict[str, int]  # "basis, consent": rows
    groups: dict[str, int]
    replay_share: float  # of the training slice
    model_share: float  # of the training slice
    distinct_ngrams: float | None  # different runs of 3 words in the answers of the training slice, of all
    subjects: tuple[str, ...]  # HMACs of everybody who is in it, sorted
    sources: tuple[DatasetFile, ...]
    files: tuple[DatasetFile, ...]
    warnings: tuple[str, ...] = ()


def digest_manifest(manifest: DatasetManifest) -> str:
    """The digest that belongs into the manifest."""
    bare = msgspec.structs.replace(manifest, digest="", seal="")
    return "sha256:" + hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()


def seal_manifest(manifest: DatasetManifest, key: bytes) -> DatasetManifest:
    """The same, with its digest and seal."""
    digest = digest_manifest(manifest)
    seal = hmac.digest(key, b"manifest " + digest.encode(), "sha256").hex()
    return msgspec.structs.replace(manifest, digest=digest, seal=seal)


def fingerprint_key(key: bytes) -> str:
    return hmac.digest(key, b"fingerprint", "sha256").hex()[:16]


def parse_manifest(data: bytes, where: str) -> DatasetManifest:
    """:raises InputError: no manifest, or one of another format"""
    try:
        manifest = msgspec.json.decode(data, type=DatasetManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: not the manifest of a training set ({error})") from None
    if manifest.format != FORMAT:
        raise InputError(f"{where}: format {manifest.format}, expected {FORMAT}; a newer steward wrote it")
    return manifest


def make_member(row: TrainingRow, split: Split) -> DatasetMember:
    return DatasetMember(
        id=row.id, split=split, commitment=commit_row(row), origin=row.origin, source=row.source, basis=row.basis,
        consent=row.consent, subject=row.subject, at=row.at,
    )  # fmt: skip


def check_steps(steps: Sequence[DatasetStep], final: int) -> None:
    """:raises Contradiction: a row came or went without being counted"""
    for step in steps:
        if step.rows_in != step.rows_out + step.removed or step.removed != sum(step.reasons.values()):
            raise Contradiction(
                f"step {step.name}: {step.rows_in} rows in, {step.rows_out} out, {step.removed} removed"
            )
    for earlier, later in pairwise(steps):
        if earlier.rows_out != later.rows_in:
            raise Contradiction(f"{earlier.name} left {earlier.rows_out} rows, {later.name} took {later.rows_in}")
    if steps and steps[-1].rows_out != final:
        raise Contradiction(f"{steps[-1].rows_out} rows were left, {final} were written")


def count_rows(slices: Mapping[Split, Sequence[TrainingRow]]) -> dict[str, Any]:
    """Rows by split, origin, consent and group."""
    rows = [row for split in SPLITS for row in slices[split]]
    return {
        "rows": {split: len(slices[split]) for split in SPLITS},
        "origins": _count(row.origin for row in rows),
        "consents": _count(f"{row.basis}, {row.consent}" for row in rows),
        "groups": _count(row.group for row in rows if row.group),
    }


def _count(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def measure_diversity(texts: Sequence[str], n: int = 3) -> float | None:
    """Different runs of `n` words as a share of all (distinct-n, Li et al. 2016, arXiv 1510.03055); None: no run.

    >>> measure_diversity(["a b c d", "a b c"])
    0.6666666666666666
    """
    runs = [tuple(words[at : at + n]) for words in map(str.split, texts) for at in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else None
