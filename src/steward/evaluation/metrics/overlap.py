"""BLEU, chrF, TER by sacreBLEU and ROUGE by rouge-score: the reference implementations, not copies of them.

sacreBLEU's values are on its scale of 0 to 100, ROUGE's from 0 to 1. References are each sentence's own list, any
number of them: sacreBLEU's order, streams of references, is the most repeated mistake of its users, and made here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from steward.core.errors import InputError, UnknownName
from steward.core.extras import install_package
from steward.evaluation.metrics import require_text, require_texts
from steward.evaluation.statistics import Array, ratio
from steward.evaluation.text_tokens import compose, is_latin, tokenise_pair


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
        self.signature = f"{title}|{self._describe_metric(1)}"

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        most = max(len(row) for row in references)
        streams = [[row[i] if i < len(row) else None for row in references] for i in range(most)]
        statistics = self._metric._extract_corpus_statistics(list(predictions), streams)
        same = len({len(row) for row in references}) == 1
        self.signature = f"{self._title}|{self._describe_metric(most if same else 'var')}"
        return np.array([np.asarray(row, dtype=np.float64) for row in statistics])

    def combine(self, sums: Array) -> Array:
        score = self._metric._compute_score_from_stats
        return np.array([score(self._convert_row(row)).score for row in sums.tolist()])

    def _convert_row(self, row: list[float]) -> list[Any]:
        return [round(value) for value in row]

    def _describe_metric(self, references: int | str) -> str:
        self._metric.num_refs = references
        return str(self._metric.get_signature())


class Bleu(_Sacre):
    """Papineni et al. 2002 as sacreBLEU computes it: 13a tokens, exponential smoothing."""

    def __init__(self, tokenize: str = "13a", lowercase: bool = False) -> None:
        from sacrebleu.metrics.bleu import BLEU

        check_tokenizer(tokenize)
        super().__init__(BLEU(tokenize=tokenize, lowercase=lowercase), "bleu")


_TOKENIZERS: Final = ("13a", "char", "intl", "none", "zh")
_PACKAGES: Final = {"ja-mecab": ("ja", "MeCab"), "ko-mecab": ("ko", "mecab_ko")}  # sacreBLEU's extra, its module
_DOWNLOADED: Final = ("flores101", "flores200", "spm", "spBLEU-1K")


def check_tokenizer(name: str) -> None:
    """:raises InputError: unknown, not installed, or one that sacreBLEU would download"""
    if name in _DOWNLOADED:
        raise InputError(
            f"bleu: the tokenizer {name!r} downloads a model when it is used, which steward never does; choose one of "
            f"{', '.join(_TOKENIZERS)}, or tokenize the texts beforehand and use none"
        )
    if name in _PACKAGES and find_spec(_PACKAGES[name][1]) is None:
        install = install_package(f"sacrebleu[{_PACKAGES[name][0]}]")
        raise InputError(f"bleu: the tokenizer {name!r} needs a package: {install}")
    if name not in (*_TOKENIZERS, *_PACKAGES):
        raise UnknownName("tokenizer of bleu", name, [*_TOKENIZERS, *_PACKAGES])


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


MOST_TER_WORDS: Final = 2_000


class Ter(_Sacre):
    """Snover et al. 2006: edits a word of the reference; lower is better."""

    def __init__(self, normalized: bool = False) -> None:
        from sacrebleu.metrics.ter import TER

        super().__init__(TER(normalized=normalized), "ter")

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        """Its search for shifts takes the square of the words, and more."""
        why = super().screen(prediction, references)
        words = max(len(text.split()) for text in (prediction, *references))
        if why or words <= MOST_TER_WORDS:
            return why
        return f"a text has {words:,} words; ter compares at most {MOST_TER_WORDS:,}"

    def _convert_row(self, row: list[float]) -> list[Any]:
        return row  # the mean length of several references need not be whole


class _UnicodeTokenizer:
    """Tokens that stand apart already."""

    def tokenize(self, text: str) -> list[str]:
        return text.split(" ") if text else []


class _Rouge(_Overlap):
    """Lin 2004, F of precision and recall, the best of several references, averaged over items.

    Words as rouge-score cuts them; where a text has letters that are not Latin, words of any script, or characters
    where one of the two texts is in a script without spaces (`text_tokens`).
    """

    kind = ""

    def __init__(self, stemmer: bool = False) -> None:
        from rouge_score.rouge_scorer import RougeScorer

        self._scorer = RougeScorer([self.kind], use_stemmer=stemmer)
        self._unicode = RougeScorer([self.kind], tokenizer=_UnicodeTokenizer())
        stem = f"stem:{'yes' if stemmer else 'no'}"
        self.signature = f"{self.kind}|tok:auto|{stem}|refs:max|rouge-score:{version('rouge-score')}"

    def _score(self, reference: str, prediction: str) -> float:
        """rouge-score keeps a to z and digits only, and would read of other scripts nothing but their numbers."""
        if is_latin(reference) and is_latin(prediction):
            return float(self._scorer.score(reference, prediction)[self.kind].fmeasure)
        predicted, right = tokenise_pair(prediction, reference, marks=False)
        return float(self._unicode.score(" ".join(right), " ".join(predicted))[self.kind].fmeasure)

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        values = [
            max(self._score(compose(reference), compose(prediction)) for reference in row)
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

    def _score(self, reference: str, prediction: str) -> float:
        """As rouge-score, whose table takes the product of both lengths in time and memory."""
        if is_latin(reference) and is_latin(prediction):
            tokenize = self._scorer._tokenizer.tokenize
            predicted, right = tokenize(prediction), tokenize(reference)
        else:
            predicted, right = tokenise_pair(prediction, reference, marks=False)
        common = count_common_subsequence(right, predicted)
        return 2 * common / (len(predicted) + len(right)) if common else 0.0


MOST_SUMMARY_WORDS: Final = 2_000
_RUN: Final = re.compile(r"[^\W_]+")


class RougeLsum(_Rouge):
    """The longest common subsequences of each line of a reference with all lines, joined: for summaries, whose
    sentences stand on lines of their own. Takes the product of both lengths, so that texts are bounded."""

    kind = "rougeLsum"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        why = super().screen(prediction, references)
        words = max(_count_tokens(text) for text in (prediction, *references))
        if why or words <= MOST_SUMMARY_WORDS:
            return why
        return f"a text has {words:,} words; rougeLsum compares at most {MOST_SUMMARY_WORDS:,}"

    def _score(self, reference: str, prediction: str) -> float:
        if is_latin(reference) and is_latin(prediction):
            return float(self._scorer.score(reference, prediction)[self.kind].fmeasure)
        both = f"{reference} {prediction}"
        right, given = ("\n".join(_tokenise_lines(text, both)) for text in (reference, prediction))
        return float(self._unicode.score(right, given)[self.kind].fmeasure)


def _count_tokens(text: str) -> int:
    """Never fewer than tokens, or than lines that hold something: characters count where a script writes no blanks."""
    runs = len(_RUN.findall(text)) if is_latin(text) else sum(map(str.isalnum, text))
    return max(runs, len(text.split()))


def _tokenise_lines(text: str, both: str) -> list[str]:
    """Tokens of each line with blanks between; `both` texts decide whether they are words or characters."""
    return [" ".join(tokenise_pair(line, both, marks=False)[0]) for line in text.split("\n")]


def count_common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence, 64 cells of its table at a time.

    Hyyrö 2004, "Bit-parallel LCS-length computation revisited".

    >>> count_common_subsequence("the cat sat on the mat".split(), "the mat cat sat".split())
    3
    """
    places: dict[str, int] = {}
    for index, token in enumerate(one):
        places[token] = places.get(token, 0) | 1 << index
    full = row = (1 << len(one)) - 1
    for token in other:
        same = row & places.get(token, 0)
        row = ((row + same) | (row - same)) & full
    return len(one) - row.bit_count()
