"""Whether items of a suite stand in training data: such an item shows memory, not ability.

An item overlaps where its question or one of its references shares a run of `ngram` words with the training data (13
words: Brown et al. 2020, Language Models are Few-Shot Learners, appendix C); texts of fewer words are looked for whole,
and those shorter than `shortest` are not, since they would be found by chance. A paraphrase is not found.

How words are cut and hashed comes in as functions: data's, the same that `decontaminate` takes items out by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.evaluation.intervals import difference_interval, finite_or_none, mean_of_shares
from steward.evaluation.metrics import higher_is_better
from steward.evaluation.run import EvalRun, score_items
from steward.evaluation.score import Score
from steward.evaluation.statistics import Interval
from steward.evaluation.suite import MetricSpec, SuiteItem, SuiteSpec, list_asked_fields, load_suite


class PackedHashes(Protocol):
    """Hashes of texts: `values[offsets[i]:offsets[i + 1]]` are those of text i."""

    @property
    def values(self) -> NDArray[np.uint64]: ...

    @property
    def offsets(self) -> NDArray[np.int64]: ...


class OverlappingItem(msgspec.Struct, frozen=True):
    """One item that overlaps, and the share of its longest overlapping text's runs that were found."""

    id: str
    share: float


class OverlapGap(msgspec.Struct, frozen=True, kw_only=True):
    """One metric on items that overlap and on those that do not; above 0 it is better on what may be remembered."""

    metric: str
    overlapping: float | None
    clean: float | None
    gap: float | None
    low: float | None
    high: float | None
    n_overlapping: int
    n_clean: int


class OverlapReport(msgspec.Struct, frozen=True, kw_only=True):
    """All items."""

    items: int
    too_short: int  # items none of whose texts was looked for
    share: float | None
    low: float | None
    high: float | None
    overlapping: tuple[OverlappingItem, ...]
    gaps: tuple[OverlapGap, ...]
    ngram: int
    shortest: int


def read_asked_texts(path: Path, limit: int | None = None) -> dict[str, list[str]]:
    """Of each item the fields that are asked and the references, without the template's words."""
    rows: dict[str, dict[str, Any]] = {}

    def keep_row(row: dict[str, Any], name: str) -> dict[str, Any]:
        rows[name] = row
        return row

    spec = load_suite(path, limit, keep_row).spec
    return {name: _list_texts(row, spec) for name, row in rows.items()}


def _list_texts(row: Mapping[str, Any], spec: SuiteSpec) -> list[str]:
    right = row.get(str(spec.references), [])
    values = [row.get(field) for field in list_asked_fields(spec)] + (right if isinstance(right, list) else [right])
    return [value for value in values if isinstance(value, str)]


def find_overlap(
    texts: Mapping[str, Sequence[str]],
    train: Iterable[list[str]],
    runs: Callable[[Sequence[str], int], PackedHashes],
    words: Callable[[Sequence[str]], PackedHashes],
    run: EvalRun | None = None,
    ngram: int = 13,
    shortest: int = 8,
) -> OverlapReport:
    """`texts`: of each item. `train`: batches of texts. `runs(texts, n)`: the hashes of runs of n words.

    :raises InputError: the run is over other items
    """
    flat = [(name, text) for name, several in texts.items() for text in several]
    counts = np.diff(words([text for _, text in flat]).offsets)
    lengths = sorted({min(int(count), ngram) for count in counts if count >= shortest})
    wanted = {length: _hash_by_length(flat, counts, length, ngram, runs) for length in lengths}
    seen = {length: np.zeros(len(values), bool) for length, (_, values, _) in wanted.items()}
    for batch in train:
        for length, (_, values, _) in wanted.items():
            there = np.unique(runs(batch, length).values)
            seen[length] |= np.isin(values, there)
    shares: dict[str, float] = {}
    for length, (names, _, owners) in wanted.items():
        hits = np.bincount(owners, weights=seen[length], minlength=len(names)) / np.bincount(
            owners, minlength=len(names)
        )
        for name, share in zip(names, hits.tolist(), strict=True):
            shares[name] = max(shares.get(name, 0.0), share)
    hit = {name for name, share in shares.items() if share > 0}
    share = mean_of_shares([float(name in hit) for name in shares]) if shares else None
    return OverlapReport(
        items=len(texts),
        too_short=len(texts) - len(shares),
        share=None if share is None else share.value,
        low=None if share is None else share.low,
        high=None if share is None else share.high,
        overlapping=tuple(OverlappingItem(name, shares[name]) for name in sorted(hit, key=lambda name: -shares[name])),
        gaps=_compare_overlapping(run, set(texts), hit) if run is not None else (),
        ngram=ngram,
        shortest=shortest,
    )


def _hash_by_length(
    flat: Sequence[tuple[str, str]],
    counts: NDArray[np.int64],
    length: int,
    ngram: int,
    runs: Callable[[Sequence[str], int], PackedHashes],
) -> tuple[list[str], NDArray[np.uint64], NDArray[np.intp]]:
    """(items, hashes of runs, index of the item of each) of the texts that are looked for by runs of that length."""
    chosen = [at for at, count in enumerate(counts) if min(int(count), ngram) == length]
    names = [flat[at][0] for at in chosen]
    values, offsets = (hashes := runs([flat[at][1] for at in chosen], length)).values, hashes.offsets
    return names, values, np.repeat(np.arange(len(names)), np.diff(offsets))


def _compare_overlapping(run: EvalRun, known: set[str], hit: set[str]) -> tuple[OverlapGap, ...]:
    first = next((item.id for item in run.items if _strip_repeat(item, run) not in known), None)
    if first is not None:
        raise InputError(f"the run contains item {first!r}, which is not in the suite; give the suite that was run")
    seen = [item for item in run.items if _strip_repeat(item, run) in hit]
    clean = [item for item in run.items if _strip_repeat(item, run) not in hit]
    return tuple(_compare_metric(spec, run, seen, clean) for spec in run.manifest.suite.metric_specs())


def _strip_repeat(item: SuiteItem, run: EvalRun) -> str:
    """The id without the repeat's number."""
    return item.id.rpartition("#")[0] if run.manifest.suite.repeats > 1 else item.id


def _compare_metric(
    spec: MetricSpec, run: EvalRun, seen: Sequence[SuiteItem], clean: Sequence[SuiteItem]
) -> OverlapGap:
    one, other = (score_items(spec, items, run.answers, run.manifest.suite.filters).score for items in (seen, clean))
    gap = _difference(one, other) if higher_is_better(spec.name) else _difference(other, one)
    return OverlapGap(
        metric=spec.name,
        overlapping=one.value,
        clean=other.value,
        gap=None if gap is None else gap.value,
        low=None if gap is None else finite_or_none(gap.low),
        high=None if gap is None else finite_or_none(gap.high),
        n_overlapping=one.n,
        n_clean=other.n,
    )


def _difference(one: Score, other: Score) -> Interval | None:
    """Of the scores of two different sets of items; without ends where one of them has none."""
    first, second = _score_interval(one), _score_interval(other)
    return None if first is None or second is None else difference_interval(first, second)


def _score_interval(score: Score) -> Interval | None:
    """Its ends are NaN where it has none."""
    if score.value is None:
        return None
    return Interval(score.value, *(math.nan if end is None else end for end in (score.low, score.high)))
