"""Scores predictions that are there already: no model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from steward.evaluation.score import Score, read_predictions, read_references, score_predictions


def score_files(metric: str, predictions: Path, references: Path, options: Mapping[str, str]) -> Score:
    """:raises InputError: a row of the wrong kind, named by its item"""
    return score_predictions(metric, read_predictions(predictions), read_references(references), options).score
