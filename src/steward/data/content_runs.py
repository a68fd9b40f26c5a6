"""Short texts within longer ones by their content words: those that are no stop words, in their order.

"the largest city in northern Finland" and "a largest city of northern Finland" say the same. Stop words are ours
(English); in another language every word counts. A text of few content words would be found by chance and is left out:
`left_out` says which.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steward.data.shingles import SortedHashes, TextHashes, hash_ngrams, hash_words, index_hashes
from steward.text.hashing import U64
from steward.text.lexicons import load_lexicon


class ContentRuns(NamedTuple):
    """Texts by their first content words, ascending."""

    head_words: int
    heads: SortedHashes  # (texts,)
    words: U64  # (texts, most words), 0 beyond the end
    lengths: NDArray[np.int64]  # (texts,)
    owners: NDArray[np.int64]  # (texts,)

    def find(self, words: TextHashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(rows, owners) of every place where a text stands within a row, rows ascending."""
        if not len(self.heads.values):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        content = keep_content_words(words)
        grams = hash_ngrams(content, self.head_words)
        hit, low = self.heads.locate(grams.values)
        counts = np.searchsorted(self.heads.values, grams.values[hit], side="right") - low
        before = np.repeat(np.cumsum(counts) - counts, counts)
        texts = np.arange(int(counts.sum())) - before + np.repeat(low, counts)  # (candidates,)
        rows = np.searchsorted(grams.offsets, hit, side="right") - 1
        places = np.repeat(content.offsets[rows] + hit - grams.offsets[rows], counts)
        rows = np.repeat(rows, counts)
        same = places + self.lengths[texts] <= content.offsets[rows + 1]
        for k in range(self.words.shape[1]):
            at = np.minimum(places + k, len(content.values) - 1)
            same &= (k >= self.lengths[texts]) | (content.values[at] == self.words[texts, k])
        return rows[same], self.owners[texts[same]]


def index_content_runs(
    words: TextHashes, owners: NDArray[np.int64], head_words: int
) -> tuple[ContentRuns, NDArray[np.int64]]:
    """The texts, and the owners of those that are left out, having fewer content words than `head_words`."""
    content = keep_content_words(words)
    lengths = np.diff(content.offsets)
    kept = np.flatnonzero(lengths >= head_words)
    table = np.zeros((len(kept), int(lengths[kept].max(initial=0))), np.uint64)
    for row, place in enumerate(kept.tolist()):
        table[row, : lengths[place]] = content.values[content.offsets[place] : content.offsets[place + 1]]
    heads = hash_ngrams(content, head_words)
    first = heads.values[heads.offsets[kept]]
    order = np.argsort(first, kind="stable")
    runs = ContentRuns(head_words, index_hashes(first[order]), table[order], lengths[kept][order], owners[kept][order])
    return runs, owners[lengths < head_words]


def keep_content_words(words: TextHashes) -> TextHashes:
    """The words that are no stop words."""
    keep = np.ones(len(words.values), bool)
    keep[_hash_stop_words().locate(words.values)[0]] = False
    kept_before = np.concatenate((np.zeros(1, np.int64), np.cumsum(keep, dtype=np.int64)))
    return TextHashes(words.values[keep], kept_before[words.offsets])


@cache
def _hash_stop_words() -> SortedHashes:
    return index_hashes(np.unique(hash_words([" ".join(sorted(load_lexicon("stop_words")[""]))]).values))
