"""Evaluation's composition root: files in, records out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.evaluation.score import Score


def score_files(metric: str, predictions: Path, references: Path, options: Mapping[str, str]) -> Score:
    """:raises InputError: a row of another kind, by its item; or the extra is not installed"""
    need_extra()
    from steward.evaluation.score import read_predictions, read_references, score

    return score(metric, read_predictions(predictions), read_references(references), options).score


def need_extra() -> None:
    """:raises InputError: the extra `eval` is not installed"""
    import importlib.util

    missing = [
        name for name in ("numpy", "sacrebleu", "rouge_score", "jsonschema") if not importlib.util.find_spec(name)
    ]
    if missing:
        raise InputError(f"steward eval needs {', '.join(missing)}: pip install 'llm-steward[eval]'")
