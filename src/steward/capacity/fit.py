"""Fits efficiency terms to measurements: Gauss-Newton on log ratios, robust, held near a prior.

Few terms and many rows, so it is plain Python. Residuals are log(predicted/measured), so that twice too fast and twice
too slow weigh the same; weights 1/max(|r|, c) make it an L1 fit beyond `c` (iteratively reweighted least squares), so
that rows which measure something else do not pull. The prior keeps a term at its known value where rows say nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from steward.capacity.measurements import Measurement, get_predicted, predict_measurement
from steward.capacity.step_time import StepTime, Terms

KNEE: Final = 0.08  # |log ratio| beyond which a row counts by its size, not its square
_STEP: Final = 0.02  # of the numerical derivative, in log
_PARTS: Final = (1.0, 0.25, 0.0625)  # of a step, where all of it makes the fit worse
_FARTHEST: Final = 0.5  # that a term moves in one step, in log: the residuals are not straight lines
_FARTHEST_AT_ONCE: Final = 0.7  # where there is one step only
_TTFT_WEIGHT: Final = 0.5  # across deployments, whose load generators count beginnings differently; within one: 1


def fit_terms(
    rows: Sequence[Measurement],
    start: Terms,
    prior: Terms,
    sigmas: Mapping[str, float],
    *,
    rounds: int = 6,
    balance: bool = True,
) -> Terms:
    """Terms named in `sigmas` (log-normal widths of their prior). `balance`: a group's weight grows with the square
    root of its rows only, so that one much-measured deployment does not decide for all."""
    names, shares = list(sigmas), weigh_metrics(rows, balance=balance)

    def sum_all(residuals: Sequence[float], terms: Terms) -> float:
        return sum_losses(residuals, shares) + sum_pulls(terms, prior, sigmas)

    terms, residuals = start, compute_residuals(rows, start)
    loss = sum_all(residuals, terms)
    for _ in range(rounds):
        columns = [_residuals_after_step(rows, terms, name, residuals) for name in names]
        step = solve_step(residuals, columns, weigh_residuals(residuals, shares), terms, prior, sigmas)
        for part in _PARTS:
            tried = _step_terms(terms, {name: part * move for name, move in zip(names, step, strict=True)}, _FARTHEST)
            tried_residuals = compute_residuals(rows, tried)
            found_loss = sum_all(tried_residuals, tried)
            if found_loss < loss:
                terms, residuals, loss = tried, tried_residuals, found_loss
                break
        else:
            break
    return terms


def fit_leaving_one_out(
    rows: Sequence[Measurement],
    prior: Terms,
    sigmas: Mapping[str, float],
    *,
    groups: Sequence[str] | None = None,
    balance: bool = True,
    again: int = 12,
) -> dict[str, Terms]:
    """Terms fitted without each group (the rows' own, or `groups`, one for each row), from one linearisation at the
    prior: the derivatives are the same whichever rows are left out, so that a refit costs sums only. `again`: how often
    the robust weights are taken anew."""
    names = list(sigmas)
    base = compute_residuals(rows, prior)
    columns = [_residuals_after_step(rows, prior, name, base) for name in names]
    slopes = [[(a - b) / _STEP for a, b in zip(column, base, strict=True)] for column in columns]
    labels = groups or [row.group for row in rows]
    owner = [label for row, label in zip(rows, labels, strict=True) for _ in row.measured]
    shares = weigh_metrics(rows, balance=balance)
    terms_by_group = {}
    for group in dict.fromkeys(owner):
        moves = [0.0] * len(names)
        for _ in range(again):
            now = [r + sum(m * slope[i] for m, slope in zip(moves, slopes, strict=True)) for i, r in enumerate(base)]
            weights = [
                0.0 if name == group else weight
                for name, weight in zip(owner, weigh_residuals(now, shares), strict=True)
            ]
            moves = solve_step(base, columns, weights, prior, prior, sigmas)
        terms_by_group[group] = _step_terms(prior, dict(zip(names, moves, strict=True)), _FARTHEST_AT_ONCE)
    return terms_by_group


def compute_residuals(rows: Sequence[Measurement], terms: Terms) -> list[float]:
    """log(predicted/measured) of each row's metrics, in order."""
    residuals: list[float] = []
    for row in rows:
        prediction = predict_measurement(row, terms)
        residuals += [
            math.log(max(1e-9, get_predicted(prediction, metric)) / value) for metric, value in row.measured.items()
        ]
    return residuals


def _residuals_after_step(rows: Sequence[Measurement], terms: Terms, name: str, base: Sequence[float]) -> list[float]:
    """Residuals with one term moved; rows whose deployment does not use it keep theirs, without a simulation."""
    moved = _step_terms(terms, {name: _STEP}, _STEP)
    residuals: list[float] = []
    for row in rows:
        count = len(row.measured)
        if StepTime(row.deployment, terms).is_same_as(StepTime(row.deployment, moved)):
            residuals += base[len(residuals) : len(residuals) + count]
        else:
            residuals += compute_residuals([row], moved)
    return residuals


def weigh_metrics(rows: Sequence[Measurement], *, balance: bool) -> list[float]:
    """What each row's metrics count, in order; where groups are balanced, less with the root of a group's rows."""
    sizes = Counter(row.group for row in rows)
    if not balance:
        return [1.0 for row in rows for _ in row.measured]
    return [
        (_TTFT_WEIGHT if metric == "ttft_ms" else 1.0) / math.sqrt(sizes[row.group])
        for row in rows
        for metric in row.measured
    ]


def weigh_residuals(residuals: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Iteratively reweighted least squares: these weights make squares grow as `sum_losses` does."""
    return [share / max(abs(residual), KNEE) for residual, share in zip(residuals, shares, strict=True)]


def sum_losses(residuals: Sequence[float], shares: Sequence[float]) -> float:
    """Squares over the knee up to it, twice the distance beyond it (Huber 1964, over half the knee)."""
    total = 0.0
    for residual, share in zip(residuals, shares, strict=True):
        inner = min(abs(residual), KNEE)
        total += share * inner * (2 * abs(residual) - inner) / KNEE
    return total


def sum_pulls(terms: Terms, prior: Terms, sigmas: Mapping[str, float]) -> float:
    """Squared distances of the terms from their prior, each in widths of its own."""
    return sum((_log_distance(terms, prior, name) / sigma) ** 2 for name, sigma in sigmas.items())


def _log_distance(terms: Terms, prior: Terms, name: str) -> float:
    return math.log(getattr(terms, name) / getattr(prior, name))


def solve_step(
    found: Sequence[float],
    columns: Sequence[Sequence[float]],
    weights: Sequence[float],
    terms: Terms,
    prior: Terms,
    sigmas: Mapping[str, float],
) -> list[float]:
    """The Gauss-Newton step in log terms. `columns`: the residuals after `_STEP` of each term."""
    slopes = [[(a - b) / _STEP for a, b in zip(column, found, strict=True)] for column in columns]
    matrix = [[_dot(weights, one, other) for other in slopes] for one in slopes]
    right = [-_dot(weights, slope, found) for slope in slopes]
    for at, (name, sigma) in enumerate(sigmas.items()):
        matrix[at][at] += sigma**-2
        right[at] -= sigma**-2 * _log_distance(terms, prior, name)
    return solve_linear(matrix, right)


def _dot(weights: Sequence[float], one: Sequence[float], other: Sequence[float]) -> float:
    return sum(w * x * y for w, x, y in zip(weights, one, other, strict=True))


def solve_linear(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Gauss-Jordan elimination of a positive definite matrix, which needs no pivoting.

    >>> solve_linear([[2.0, 1.0], [1.0, 3.0]], [3.0, 5.0])
    [0.8, 1.4]
    """
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for at, row in enumerate(rows):
        rows[at] = pivot = [value / row[at] for value in row]
        for other, values in enumerate(rows):
            if other != at:
                rows[other] = [x - values[at] * y for x, y in zip(values, pivot, strict=True)]
    return [row[-1] for row in rows]


def _step_terms(terms: Terms, moves: Mapping[str, float], farthest: float) -> Terms:
    """Terms times the exponential of their moves, each no farther than `farthest`."""
    return msgspec.structs.replace(
        terms,
        **{name: getattr(terms, name) * math.exp(max(-farthest, min(farthest, move))) for name, move in moves.items()},
    )
