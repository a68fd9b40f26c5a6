"""Scores predictions against references by one metric, with an interval, and counts what could not be scored.

Scored, unscored (the metric cannot judge the answer) and errored (there is no answer) are counted apart, and neither
of the latter enters a value: a missing measurement is not 0, nor a pass. Input that contradicts itself is refused by
the item's name.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from steward.core.errors import InputError
from steward.evaluation.answer_filters import DEFAULT, FilterSpec, describe_filters, filter_answer
from steward.evaluation.intervals import SMALL, finite_or_none, mean_interval
from steward.evaluation.metrics import Metric, MetricOption, make_metric, metric_scale
from steward.evaluation.statistics import (
    SAMPLES,
    SEED,
    Array,
    bootstrap,
    clopper_pearson,
    cluster_sums,
    wilson,
)
from steward.evaluation.text_files import read_text_file
from steward.evaluation.text_tokens import unify_line_ends


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One metric over all items. Without a scored item there is no value; without two there is no interval."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int  # scored items
    unscored: int
    errored: int
    signature: str


class Prediction(msgspec.Struct, frozen=True):
    """What a model answered; with `error`, why it did not."""

    id: str
    prediction: Any = None
    error: str | None = None


class ScoredItems(msgspec.Struct, frozen=True):
    """A score, and what its items were: the ids scored, each one's value, and why others were not."""

    score: Score
    ids: tuple[str, ...]
    values: tuple[float, ...]  # the metric of each item alone
    table: Array  # (items, statistics)
    unscored: dict[str, str]
    errored: dict[str, str]


def score_predictions(
    name: str,
    predictions: Sequence[Prediction],
    references: Mapping[str, Sequence[Any]],
    options: Mapping[str, MetricOption] | None = None,
    clusters: Mapping[str, Hashable] | None = None,
    confidence: float = 0.95,
    samples: int = SAMPLES,
    seed: int = SEED,
    filters: Sequence[FilterSpec] = DEFAULT,
) -> ScoredItems:
    """`filters`: applied to predictions that are text.

    :raises InputError: an id without its counterpart, or an item of the wrong kind, named by its id"""
    metric = make_metric(name, options)
    _require_same_ids([row.id for row in predictions], references)
    kept, unscored, errored = [], {}, {}
    for row in predictions:
        if row.error is not None:
            errored[row.id] = row.error
            continue
        answer = filter_prediction(row.prediction, filters)
        try:
            why = answer.why or metric.screen(answer.value, references[row.id])
        except InputError as error:
            raise InputError(f"item {row.id!r}: {error}") from error
        if why:
            unscored[row.id] = why
        else:
            kept.append(Prediction(row.id, answer.value))
    ids = tuple(row.id for row in kept)
    table = metric.table([row.prediction for row in kept], [references[i] for i in ids]) if kept else np.zeros((0, 1))
    groups = [clusters[i] for i in ids] if clusters is not None else None
    value, low, high = _estimate_value(metric, name, table, groups, confidence, samples, seed)
    score = Score(
        metric=name,
        value=value,
        low=low,
        high=high,
        n=len(kept),
        unscored=len(unscored),
        errored=len(errored),
        signature=_make_signature(metric, groups is not None, len(kept), confidence, samples, seed, filters),
    )
    values = tuple(metric.combine(table).tolist()) if kept else ()
    return ScoredItems(score, ids, values, table, unscored, errored)


def _estimate_value(
    metric: Metric,
    name: str,
    table: Array,
    clusters: Sequence[Hashable] | None,
    confidence: float,
    samples: int,
    seed: int,
) -> tuple[float | None, float | None, float | None]:
    if len(table) == 0:
        return None, None, None
    value = float(metric.combine(table.sum(0, keepdims=True))[0])
    if metric.proportion and clusters is None:
        hits = round(float(table[:, 0].sum()))
        interval = clopper_pearson if len(table) < SMALL else wilson
        ends = interval(hits, len(table), confidence)
        return value, ends.low, ends.high
    drawn = bootstrap(table, metric.combine, clusters, samples, seed)
    units = metric.combine(cluster_sums(table, clusters))
    ends = mean_interval(value, drawn, units, 0.0, metric_scale(name), confidence)
    return value, finite_or_none(ends.low), finite_or_none(ends.high)


class FilteredPrediction(msgspec.Struct, frozen=True):
    """What a metric gets to see; `why`: a filter found nothing."""

    value: Any
    why: str = ""


def filter_prediction(prediction: Any, filters: Sequence[FilterSpec]) -> FilteredPrediction:
    """Filters are for text: lists, numbers and grades come back as they are."""
    if not isinstance(prediction, str) or not filters:
        return FilteredPrediction(prediction)
    answer = filter_answer(prediction, filters)
    return FilteredPrediction(answer.text, answer.why)


def _make_signature(
    metric: Metric,
    clustered: bool,
    n: int,
    confidence: float,
    samples: int,
    seed: int,
    filters: Sequence[FilterSpec],
) -> str:
    exact = "clopper-pearson" if n < SMALL else "wilson"
    drawn = f"bootstrap:{'clusters' if clustered else 'items'}|samples:{samples}|seed:{seed}"
    method = exact if metric.proportion and not clustered else drawn
    return f"{metric.signature}|{describe_filters(filters)}|ci:{confidence}|{method}"


def _require_same_ids(ids: Sequence[str], references: Mapping[str, Sequence[Any]]) -> None:
    predicted = set(ids)
    alone = next((name for name in ids if name not in references), None)
    missing = next((name for name in references if name not in predicted), None)
    if alone is not None:
        raise InputError(f"item {alone!r} has a prediction and no references; every item needs both")
    if missing is not None:
        raise InputError(
            f"item {missing!r} has references and no prediction ({len(predicted)} predictions, {len(references)} "
            'references); if the model failed, write {"id", "error": reason}'
        )


def read_predictions(path: Path) -> list[Prediction]:
    """Rows `{"id", "prediction"}` or `{"id", "error"}`. :raises InputError: another row, by file and line"""
    predictions = []
    for where, name, row in _read_rows(path):
        if ("prediction" in row) == (row.get("error") is not None):
            raise InputError(f'{where}, item {name!r}: expected either "prediction" or "error"')
        error = row.get("error")
        if error is not None and not isinstance(error, str):
            raise InputError(f"{where}, item {name!r}: error is {type(error).__name__}, expected text")
        if error is None and row["prediction"] is None:
            raise InputError(f'{where}, item {name!r}: prediction is null; if the model failed, give "error": reason')
        predictions.append(Prediction(name, row.get("prediction"), error))
    return predictions


def read_references(path: Path) -> dict[str, list[Any]]:
    """Rows `{"id", "references": [...]}`. :raises InputError: another row, by file and line"""
    references: dict[str, list[Any]] = {}
    for where, name, row in _read_rows(path):
        if not isinstance(row.get("references"), list):
            raise InputError(f'{where}, item {name!r}: expected a list "references"; found {sorted(row)}')
        references[name] = row["references"]
    return references


def _read_rows(path: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Where each row stands, its id, and the row. :raises InputError: no object, no id, or one id twice"""
    lines = read_text_file(path, "a file with one JSON object per line").split("\n")
    rows: list[tuple[str, str, dict[str, Any]]] = []
    seen: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{where}: not valid JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{where}: {type(row).__name__}, expected an object")
        name = row.get("id")
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise InputError(f'{where}: expected an "id" that is text or a whole number; found {sorted(row)}')
        if str(name) in seen:
            raise InputError(f"{where}: id {str(name)!r} is already used at {seen[str(name)]}; ids must be unique")
        seen[str(name)] = where
        rows.append((where, str(name), unify_line_ends(row)))
    if not rows:
        raise InputError(f"{path}: the file has no rows; expected one JSON object per line")
    return rows
