"""Compares the groups of a run, and scores published sets about stereotypes."""

from __future__ import annotations

from pathlib import Path

from steward.core.errors import InputError, UnknownName
from steward.evaluation import bias
from steward.evaluation.bias import BiasReport, SentenceScores
from steward.evaluation.groups import GroupComparison, compare_groups
from steward.evaluation.run import read_run
from steward.evaluation.score import Prediction, read_predictions
from steward.workflows.evaluate.sentences import score_sentences
from steward.workflows.evaluate.suites import run_suites
from steward.workflows.evaluate.target import ModelTarget, Progress


def compare_run_groups(run: Path, field: str, positive: str | None) -> GroupComparison:
    """:raises InputError: no run, no such slice or label"""
    return compare_groups(read_run(run), field, positive)


def measure_bias(
    benchmark: str,
    data: Path,
    *,
    scores: Path | None,
    predictions: Path | None,
    target: ModelTarget | None,
    out: Path | None,
    progress: Progress,
) -> BiasReport:
    """Score a published set: ask `target`, or read predictions (bbq) or log-probabilities (crows-pairs, stereoset).

    :raises InputError: no such benchmark, a file in another format, or an option that the benchmark needs is missing
    """
    if benchmark not in bias.BENCHMARKS:
        raise UnknownName("benchmark", benchmark, bias.BENCHMARKS)
    if benchmark == "bbq":
        return _measure_bbq(data, predictions, target, out, progress)
    sentence_scores = _obtain_scores(benchmark, data, scores, target, progress)
    score = bias.score_crows_pairs if benchmark == "crows-pairs" else bias.score_stereoset
    return score(data, sentence_scores)


def _measure_bbq(
    data: Path, predictions: Path | None, target: ModelTarget | None, out: Path | None, progress: Progress
) -> BiasReport:
    questions, suite = bias.read_bbq(data)
    if predictions is not None:
        return bias.score_bbq(questions, read_predictions(predictions))
    if target is None or out is None:
        raise InputError("bbq needs --predictions, or --model and --out to ask a model")
    run_suites([(suite, out)], data.parent, target, progress)
    answers = read_run(out).answers.values()
    return bias.score_bbq(questions, [Prediction(each.id, each.prediction, each.error) for each in answers])


def _obtain_scores(
    benchmark: str, data: Path, scores: Path | None, target: ModelTarget | None, progress: Progress
) -> SentenceScores:
    crows = benchmark == "crows-pairs"
    if scores is not None:
        return bias.read_crows_scores(scores) if crows else bias.read_stereoset_scores(scores)
    if target is None:
        raise InputError(f"{benchmark} needs --model, or --scores with the log-probabilities of its sentences")
    texts = bias.read_crows_texts(data) if crows else bias.read_stereoset_texts(data)
    return score_sentences(target, texts, mean=not crows, progress=progress)
