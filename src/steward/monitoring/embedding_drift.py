"""Have embeddings of requests moved? The energy distance of two samples of vectors, and whether that could be chance.

Effect: the energy coefficient, 0 (the same distribution) to 1: how much larger distances across the two samples are
than distances within them; Szekely and Rizzo, Energy statistics (2013). Chance: a permutation test of it. Distances
within a sample leave out that of a vector to itself, so that the effect of no drift is 0 on average. Vectors of two
embedding models have nothing in common: only those of the same model and length are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from steward.monitoring.events import Event

MOST_VECTORS: Final = 500  # of a side; of more, evenly spread ones are taken
MIN_VECTORS: Final = 30
PERMUTATIONS: Final = 999
MIN_EFFECT: Final = 0.002  # of 16 numbers of equal spread: a shift of 0.36 standard deviations in all

Floats = npt.NDArray[np.float64]
Kind = tuple[str, int]  # name of the embedding model, numbers in a vector


class EmbeddingDrift(msgspec.Struct, frozen=True, kw_only=True):
    """`effect` and `p` None: nobody can tell, for the reason in `why`. Spreads are mean distances from the mean of the
    baseline's vectors."""

    before: int  # vectors
    after: int
    effect: float | None = None
    p: float | None = None
    spread_before: float | None = None
    spread_after: float | None = None
    why: str = ""


def compare_embeddings(
    before: Sequence[Event], after: Sequence[Event], rng: np.random.Generator
) -> EmbeddingDrift | None:
    """None: no event of either side has a vector."""
    kinds = [Counter(kind for event in side if (kind := find_kind(event))) for side in (before, after)]
    if not kinds[0] and not kinds[1]:
        return None
    best = max(sorted(kinds[0] | kinds[1]), key=lambda kind: min(kinds[0][kind], kinds[1][kind]))
    counts = kinds[0][best], kinds[1][best]
    if min(counts) < MIN_VECTORS:
        totals = kinds[0].total(), kinds[1].total()
        if min(totals) < MIN_VECTORS:
            why = f"{min(totals)} known on one side; at least {MIN_VECTORS} are needed"
        else:
            names = [_name_kind(side.most_common(1)[0][0]) for side in kinds]
            why = f"made by {names[0]} before and by {names[1]} now, which cannot be compared; freeze a new baseline"
        return EmbeddingDrift(before=totals[0], after=totals[1], why=why)
    first, second = (_collect(side, best) for side in (before, after))
    centre = first.mean(axis=0)
    effect, p = measure_energy(first, second, rng)
    return EmbeddingDrift(
        before=counts[0],
        after=counts[1],
        effect=effect,
        p=p,
        spread_before=float(np.linalg.norm(first - centre, axis=1).mean()),
        spread_after=float(np.linalg.norm(second - centre, axis=1).mean()),
    )


def find_kind(event: Event) -> Kind | None:
    return (event.embedder or "", len(event.embedding)) if event.embedding else None


def measure_energy(
    first: Floats, second: Floats, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> tuple[float, float]:
    """Effect and p of two samples of vectors, shapes (vectors, numbers)."""
    pooled, size = np.concatenate((first, second)), len(first)
    squares = (pooled**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2.0 * pooled @ pooled.T, 0.0))
    np.fill_diagonal(distances, 0.0)
    splits = np.zeros((permutations + 1, len(pooled)))  # (splits, vectors): 1 for those of the first side
    splits[0, :size] = 1.0
    for split in splits[1:]:
        split[rng.permutation(len(pooled))[:size]] = 1.0
    within_first = ((splits @ distances) * splits).sum(axis=1)
    reach = splits @ distances.sum(axis=1)
    across = reach - within_first
    within_second = distances.sum() - 2.0 * reach + within_first
    other = len(pooled) - size
    far = 2.0 * across / (size * other)  # twice the mean distance across, (splits,)
    energies = far - within_first / (size * (size - 1)) - within_second / (other * (other - 1))
    seen = float(energies[0])
    if far[0] <= 0.0:
        return 0.0, 1.0
    tolerance = 1e-9 * float(far[0])
    farther = np.count_nonzero(energies[1:] > seen + tolerance)
    as_far = 1 + np.count_nonzero(np.abs(energies[1:] - seen) <= tolerance)
    return min(1.0, max(0.0, seen / float(far[0]))), float((farther + as_far / 2) / (1 + permutations))


def _collect(events: Sequence[Event], kind: Kind) -> Floats:
    vectors = [event.embedding for event in events if find_kind(event) == kind]
    step = max(1.0, len(vectors) / MOST_VECTORS)
    chosen = [vectors[int(number * step)] for number in range(min(len(vectors), MOST_VECTORS))]
    return np.asarray(chosen, dtype=float)


def _name_kind(kind: Kind) -> str:
    return f"{kind[0] or 'an unnamed model'} ({kind[1]} numbers)"
