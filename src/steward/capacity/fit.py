"""Fits efficiency terms to measurements: damped Gauss-Newton on log ratios, robust, held near a prior.

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

from steward.capacity.measurements import MeasuredMetric, Measurement, get_predicted, predict_measurement
from steward.capacity.step_time import StepTime, Terms

KNEE: Final = 0.08  # |log ratio| beyond which a row counts by its size, not its square
_STEP: Final = 0.02  # of the numerical derivative, in log
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
    names = list(sigmas)
    sizes = Counter(row.group for row in rows)
    terms, damping = start, 1e-3
    best = compute_residuals(rows, terms)
    for _ in range(rounds):
        columns = [_residuals_after_step(rows, terms, name, best) for name in names]
        weights = _compute_weights(rows, best, sizes if balance else None)
        for _ in range(4):
            step = _solve_step(best, columns, weights, terms, prior, sigmas, damping)
            tried = terms
            for name, move in zip(names, step, strict=True):
                tried = _step_term(tried, name, max(-0.5, min(0.5, move)))
            found = compute_residuals(rows, tried)
            if _total_loss(rows, found, tried, prior, sigmas, sizes if balance else None) < _total_loss(
                rows, best, terms, prior, sigmas, sizes if balance else None
            ):
                terms, best, damping = tried, found, damping / 3
                break
            damping = max(damping, 1e-2) * 5
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
    sizes = Counter(row.group for row in rows) if balance else None
    found = {}
    for group in dict.fromkeys(owner):
        moves = [0.0] * len(names)
        for _ in range(again):
            now = [r + sum(m * slope[i] for m, slope in zip(moves, slopes, strict=True)) for i, r in enumerate(base)]
            weights = [
                0.0 if name == group else weight
                for name, weight in zip(owner, _compute_weights(rows, now, sizes), strict=True)
            ]
            moves = _solve_step(base, columns, weights, prior, prior, sigmas, 0.0)
        terms = prior
        for name, move in zip(names, moves, strict=True):
            terms = _step_term(terms, name, max(-0.7, min(0.7, move)))
        found[group] = terms
    return found


def compute_residuals(rows: Sequence[Measurement], terms: Terms) -> list[float]:
    """log(predicted/measured) of each row's metrics, in order."""
    found: list[float] = []
    for row in rows:
        prediction = predict_measurement(row, terms)
        found += [
            math.log(max(1e-9, get_predicted(prediction, metric)) / value) for metric, value in row.measured.items()
        ]
    return found


def _residuals_after_step(rows: Sequence[Measurement], terms: Terms, name: str, base: Sequence[float]) -> list[float]:
    """Residuals with one term moved; rows whose deployment does not use it keep theirs, without a simulation."""
    moved = _step_term(terms, name, _STEP)
    found: list[float] = []
    for row in rows:
        count = len(row.measured)
        if StepTime(row.deployment, terms).is_same_as(StepTime(row.deployment, moved)):
            found += base[len(found) : len(found) + count]
        else:
            found += compute_residuals([row], moved)
    return found


def _compute_weights(rows: Sequence[Measurement], found: Sequence[float], sizes: Counter[str] | None) -> list[float]:
    weights: list[float] = []
    for row in rows:
        base = 1.0 / math.sqrt(sizes[row.group]) if sizes else 1.0
        weights += [base * _metric_weight(metric, sizes) for metric in row.measured]
    return [weight / max(abs(residual), KNEE) for weight, residual in zip(weights, found, strict=True)]


def _metric_weight(metric: MeasuredMetric, sizes: Counter[str] | None) -> float:
    return _TTFT_WEIGHT if metric == "ttft_ms" and sizes else 1.0


def _total_loss(
    rows: Sequence[Measurement],
    found: Sequence[float],
    terms: Terms,
    prior: Terms,
    sigmas: Mapping[str, float],
    sizes: Counter[str] | None,
) -> float:
    total, index = 0.0, 0
    for row in rows:
        base = 1.0 / math.sqrt(sizes[row.group]) if sizes else 1.0
        for metric in row.measured:
            residual = found[index]
            index += 1
            size = abs(residual)
            total += base * _metric_weight(metric, sizes) * (size * size / KNEE if size < KNEE else 2 * size - KNEE)
    for name, sigma in sigmas.items():
        total += (math.log(getattr(terms, name) / getattr(prior, name)) / sigma) ** 2
    return total


def _solve_step(
    found: Sequence[float],
    columns: Sequence[Sequence[float]],
    weights: Sequence[float],
    terms: Terms,
    prior: Terms,
    sigmas: Mapping[str, float],
    damping: float,
) -> list[float]:
    """The damped step in log terms."""
    names, count = list(sigmas), len(columns)
    slopes = [[(a - b) / _STEP for a, b in zip(column, found, strict=True)] for column in columns]
    matrix = [[0.0] * count for _ in range(count)]
    right = [0.0] * count
    for one in range(count):
        for other in range(one, count):
            matrix[one][other] = matrix[other][one] = sum(
                w * x * y for w, x, y in zip(weights, slopes[one], slopes[other], strict=True)
            )
        right[one] = -sum(w * x * r for w, x, r in zip(weights, slopes[one], found, strict=True))
        name = names[one]
        pull = 1.0 / sigmas[name] ** 2
        right[one] -= pull * math.log(getattr(terms, name) / getattr(prior, name))
        matrix[one][one] += pull
        matrix[one][one] *= 1 + damping
    return _solve_linear(matrix, right)


def _solve_linear(matrix: list[list[float]], right: list[float]) -> list[float]:
    """
    >>> _solve_linear([[2.0, 1.0], [1.0, 3.0]], [3.0, 5.0])
    [0.8, 1.4]
    """
    count = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for at in range(count):
        pivot = max(range(at, count), key=lambda index: abs(rows[index][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        if abs(rows[at][at]) < 1e-12:
            continue
        for below in range(at + 1, count):
            factor = rows[below][at] / rows[at][at]
            rows[below] = [x - factor * y for x, y in zip(rows[below], rows[at], strict=True)]
    solved = [0.0] * count
    for at in reversed(range(count)):
        rest = sum(rows[at][other] * solved[other] for other in range(at + 1, count))
        solved[at] = (rows[at][count] - rest) / rows[at][at] if abs(rows[at][at]) >= 1e-12 else 0.0
    return [round(value, 12) for value in solved]


def _step_term(terms: Terms, name: str, log_step: float) -> Terms:
    return msgspec.structs.replace(terms, **{name: getattr(terms, name) * math.exp(log_step)})
