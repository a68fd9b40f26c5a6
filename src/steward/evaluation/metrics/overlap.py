"""BLEU, chrF, TER by sacreBLEU and ROUGE by rouge-score: the reference implementations, not copies of them.

sacreBLEU's values are on its scale of 0 to 100, ROUGE's from 0 to 1. References are each sentence's own list, any
number of them: sacreBLEU's order, streams of references, is the most repeated mistake of its users, and made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from steward.evaluation.metrics import require_text, require_texts
from steward.evaluation.statistics import Array, ratio


class _Overlap:
    """What the four share: text against texts."""

    proportion = False

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        require_text(prediction, "prediction")
        require_texts(references)
        return ""


class _Sacre(_Overlap):
    """A corpus metric of sacreBLEU: counts of each sentence, added up, then one formula."""

    def __init__(self, metric: Any, title: str) -> None:
        self._metric, self._title = metric, title
        self.signature = f"{title}|{self._described(1)}"

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        most = max(len(row) for row in references)
        streams = [[row[i] if i < len(row) else None for row in references] for i in range(most)]
        found = self._metric._extract_corpus_statistics(list(predictions), streams)
        same = len({len(row) for row in references}) == 1
        self.signature = f"{self._title}|{self._described(most if same else 'var')}"
        return np.array([np.asarray(row, dtype=np.float64) for row in found])

    def combine(self, sums: Array) -> Array:
        score = self._metric._compute_score_from_stats
        return np.array([score(self._cast(row)).score for row in sums.tolist()])

    def _cast(self, row: list[float]) -> list[Any]:
        return [round(value) for value in row]

    def _described(self, references: int | str) -> str:
        self._metric.num_refs = references
        return str(self._metric.get_signature())


class Bleu(_Sacre):
    """Papineni et al. 2002 as sacreBLEU computes it: 13a tokens, exponential smoothing."""

    def __init__(self, tokenize: str = "13a", lowercase: bool = False) -> None:
        from sacrebleu.metrics.bleu import BLEU

        super().__init__(BLEU(tokenize=tokenize, lowercase=lowercase), "bleu")


class Chrf(_Sacre):
    """Popović 2015: character 6-grams, beta 2."""

    def __init__(self, lowercase: bool = False) -> None:
        from sacrebleu.metrics.chrf import CHRF

        super().__init__(CHRF(lowercase=lowercase), "chrf")


class ChrfPlus(_Sacre):
    """chrF++ (Popović 2017): words and their pairs beside the characters."""

    def __init__(self, lowercase: bool = False) -> None:
        from sacrebleu.metrics.chrf import CHRF

        super().__init__(CHRF(word_order=2, lowercase=lowercase), "chrf++")


class Ter(_Sacre):
    """Snover et al. 2006: edits a word of the reference; lower is better."""

    def __init__(self, normalized: bool = False) -> None:
        from sacrebleu.metrics.ter import TER

        super().__init__(TER(normalized=normalized), "ter")

    def _cast(self, row: list[float]) -> list[Any]:
        return row  # the mean length of several references need not be whole


class _Rouge(_Overlap):
    """Lin 2004, F of precision and recall, the best of several references, averaged over items."""

    kind = ""

    def __init__(self, stemmer: bool = False) -> None:
        from rouge_score.rouge_scorer import RougeScorer

        self._scorer = RougeScorer([self.kind], use_stemmer=stemmer)
        self.signature = f"{self.kind}|stem:{'yes' if stemmer else 'no'}|refs:max|rouge-score:{version('rouge-score')}"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        """rouge-score keeps a to z and digits only, so that text in other scripts would score 0 without being read."""
        super().screen(prediction, references)
        if any(any(c.isascii() and c.isalnum() for c in reference.lower()) for reference in references):
            return ""
        return "no reference contains a letter from a to z or a digit, which is all that ROUGE reads; use chrf"

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        values = [
            max(self._scorer.score(reference, prediction)[self.kind].fmeasure for reference in row)
            for prediction, row in zip(predictions, references, strict=True)
        ]
        return np.column_stack([np.array(values, dtype=np.float64), np.ones(len(values))])

    def combine(self, sums: Array) -> Array:
        return ratio(sums)


class Rouge1(_Rouge):
    """Single words."""

    kind = "rouge1"


class Rouge2(_Rouge):
    """Pairs of words."""

    kind = "rouge2"


class RougeL(_Rouge):
    """The longest common subsequence of the whole text."""

    kind = "rougeL"
