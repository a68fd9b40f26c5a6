"""Every metric by its name, and what a metric is.

A metric turns items into a table of statistics that add up, (items, statistics), and sums of them into a value. One
shape serves means, ratios and corpus metrics alike, and the bootstrap resamples rows without knowing which it is.
"""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from steward.core.errors import InputError, UnknownName
from steward.evaluation.statistics import Array


class Metric(Protocol):
    """One metric with its options set."""

    signature: str  # all that the value depends on beside the data
    proportion: bool  # every item is 0 or 1, and the value is their mean

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        """Why this item cannot be scored; empty where it can.

        :raises InputError: the item is of the wrong kind, whatever the model said
        """
        ...

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        """(items, statistics) of items that passed the screen."""
        ...

    def combine(self, sums: Array) -> Array:
        """(samples, statistics) of summed rows to (samples,) values; higher is better, but for TER and ECE."""
        ...


METRICS: Final = {
    "bleu": "overlap:Bleu",
    "chrf": "overlap:Chrf",
    "chrf++": "overlap:ChrfPlus",
    "ter": "overlap:Ter",
    "rouge1": "overlap:Rouge1",
    "rouge2": "overlap:Rouge2",
    "rougeL": "overlap:RougeL",
    "rougeLsum": "overlap:RougeLsum",
    "exact_match": "answers:ExactMatch",
    "squad_em": "answers:SquadExactMatch",
    "squad_f1": "answers:SquadF1",
    "squad_v2_em": "answers:SquadV2ExactMatch",
    "squad_v2_f1": "answers:SquadV2F1",
    "token_f1": "answers:TokenF1",
    "choice": "answers:ChoiceLetter",
    "words": "answers:WordCount",
    "contains": "answers:Contains",
    "regex": "answers:Regex",
    "numeric": "answers:Numeric",
    "refusal": "answers:Refusal",
    "json_schema": "answers:JsonSchema",
    "groundedness": "answers:Groundedness",
    "accuracy": "classification:Accuracy",
    "precision": "classification:LabelPrecision",
    "recall": "classification:LabelRecall",
    "f1": "classification:LabelF1",
    "multilabel_f1": "multilabel:MultiLabelF1",
    "multilabel_exact": "multilabel:MultiLabelExact",
    "ece": "classification:CalibrationError",
    "hit": "ranking:Hit",
    "ndcg": "ranking:Ndcg",
    "mrr": "ranking:ReciprocalRank",
    "map": "ranking:MeanAveragePrecision",
    "recall_at": "ranking:RecallAt",
    "precision_at": "ranking:PrecisionAt",
    "tool_calls": "tool_calls:ToolCalls",
    "withstood": "withstood:Withstood",
    "latency": "measured:MeanLatency",
    "in_time": "measured:InTime",
    "cost": "measured:MeanCost",
    "judge": "graded:Judge",
    "groundedness_judge": "graded:GroundednessJudge",
    "faithfulness": "rag:Faithfulness",
    "answer_relevance": "rag:AnswerRelevance",
    "context_precision": "rag:ContextPrecision",
    "context_recall": "rag:ContextRecall",
    "python": "python:PythonMetric",
    "embedding_similarity": "graded:EmbeddingSimilarity",
    "toxicity": "graded:MeanToxicity",
}
LOWER_IS_BETTER: Final = frozenset({"ter", "ece", "toxicity", "latency", "cost"})
MEASURED: Final = frozenset({"latency", "in_time", "cost"})  # of a run's clock and counts, not of what was said
UNBOUNDED: Final = frozenset({"latency", "cost", "words"})  # no item's value has a highest
GRADED: Final = frozenset(  # by another program
    {
        *("judge", "groundedness_judge", "embedding_similarity", "toxicity", "python"),
        *("faithfulness", "answer_relevance", "context_precision", "context_recall"),
    }
)
_RANKED: Final = {"recall": "recall_at", "precision": "precision_at"}  # "recall@10" is of a ranking, "recall" of labels


MetricOption = str | bool | int | float


def make_metric(name: str, options: Mapping[str, MetricOption] | None = None) -> Metric:
    """The metric of that name, "ndcg@10" with its depth; options as text, `{"average": "macro"}`.

    What follows the @ of a graded metric is a name of the user's, so that a suite may have two: "judge@tone".

    :raises UnknownName: no such metric or option
    :raises InputError: an option's value is of the wrong kind
    """
    bare, _, depth = name.partition("@")
    bare = _RANKED.get(bare, bare) if depth else bare
    if bare not in METRICS:
        raise UnknownName("metric", name, METRICS)
    module, _, title = METRICS[bare].partition(":")
    kind = getattr(importlib.import_module(f"{__name__}.{module}"), title)
    if depth and bare not in GRADED and "k" not in inspect.signature(kind).parameters:
        raise InputError(f"metric {name!r}: {bare} has no depth; expected {bare}")
    settings = {**(options or {}), **({"k": depth} if depth and bare not in GRADED else {})}
    known = inspect.signature(kind).parameters
    values: dict[str, Any] = {}
    for option, text in settings.items():
        if option not in known:
            raise UnknownName(f"option of {bare}", option, known)
        values[option] = _parse_option(known[option].default, _option_text(text), f"{bare}: {option}")
    metric: Metric = kind(**values)
    return metric


def is_graded(name: str) -> bool:
    """Whether another program gives this metric's values, so that only a run can have them."""
    return name.partition("@")[0] in GRADED


def is_measured(name: str) -> bool:
    """Whether a run's clock and counts give this metric's values."""
    return name.partition("@")[0] in MEASURED


def higher_is_better(name: str) -> bool:
    return name.partition("@")[0] not in LOWER_IS_BETTER


def metric_scale(metric: str) -> float:
    """The most that one item can gain or lose: sacreBLEU's metrics go to 100, seconds and dollars have no end."""
    if metric.partition("@")[0] in UNBOUNDED:
        return math.inf
    return 100.0 if metric in ("bleu", "chrf", "chrf++", "ter") else 1.0


def require_text(value: Any, what: str) -> str:
    """:raises InputError: the value is not text"""
    if not isinstance(value, str):
        raise InputError(f"{what} is {type(value).__name__}, expected text")
    return value


def require_texts(references: Sequence[Any], least: int = 1) -> None:
    """:raises InputError: fewer references than `least`, or one that is not text"""
    if len(references) < least:
        raise InputError("references is empty, expected at least one text")
    for reference in references:
        require_text(reference, "a reference")


_KINDS: Final = {bool: "true or false", int: "a whole number from 1, such as 10", float: "a number", str: "a text"}


def _option_text(option: MetricOption) -> str:
    return str(option).lower() if isinstance(option, bool) else str(option)


def _parse_option(default: Any, text: str, where: str) -> Any:
    try:
        if isinstance(default, bool):
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        if isinstance(default, int):
            if not re.fullmatch(r"[1-9]\d{0,5}", text):
                raise ValueError
            return int(text)
        return float(text) if isinstance(default, float) else text
    except (KeyError, ValueError):
        raise InputError(f"{where}: {text!r}, expected {_KINDS[type(default)]}") from None
