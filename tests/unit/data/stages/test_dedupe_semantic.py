import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from corpus_stages import batch, cut, ran
from steward.core.errors import InputError
from steward.data.stages import dedupe_semantic
from steward.data.stages.dedupe_semantic import DedupeSemantic, choose_first, find_pairs


def rows_with(*vectors: Any) -> pa.RecordBatch:
    return batch([f"t{n}" for n in range(len(vectors))], e=[json.dumps(vector) for vector in vectors])


def test_rows_of_nearly_the_same_direction_go_into_the_first() -> None:
    """Cosines by hand: of (1, 0) and (3, 0.3) 0.995, of (1, 0) and (1, 1) 0.707; the length does not count."""
    _, entries = ran(DedupeSemantic(embedding="e"), cut(rows_with([1, 0], [1, 1], [3, 0.3], [0, 2], [0, 5]), 2))
    assert [(entry.id, entry.rule, entry.duplicate_of) for entry in entries] == [
        ("r2", "same_meaning", "r0"), ("r4", "same_meaning", "r3")
    ]  # fmt: skip
    assert [entry.value for entry in entries] == pytest.approx([3 / np.hypot(3, 0.3), 1.0], abs=1e-6)


def test_chains_do_not_swallow_rows() -> None:
    assert choose_first({(0, 1): 0.96, (1, 2): 0.97, (0, 3): 0.95, (2, 3): 0.99}) == {1: (0, 0.96), 3: (0, 0.95)}


def test_rows_without_an_embedding_fail() -> None:
    rows = rows_with([1, 0], None, [1], "x", [0, 0], [1, 0.01])
    _, entries = ran(DedupeSemantic(embedding="e"), [rows])
    assert [(entry.id, entry.action, entry.rule) for entry in entries] == [
        ("r1", "fail", "no_embedding"), ("r2", "fail", "no_embedding"), ("r3", "fail", "no_embedding"),
        ("r4", "fail", "no_embedding"), ("r5", "merge", "same_meaning"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="no row has a list of numbers in column 'e'"):
        ran(DedupeSemantic(embedding="e"), [rows_with(None)])
    with pytest.raises(InputError, match="unknown column 'f'"):
        DedupeSemantic(embedding="f").survey(rows)


def test_clusters_find_what_comparing_all_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(3000, 16))
    vectors[2000:] = vectors[1000:2000] + rng.normal(scale=0.03, size=(1000, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    every = find_pairs(vectors, 0.98)
    assert all(
        cosine == pytest.approx(vectors[one] @ vectors[other], abs=1e-5) for (one, other), cosine in every.items()
    )
    monkeypatch.setattr(dedupe_semantic, "_EXACT", 100)
    monkeypatch.setattr(dedupe_semantic, "_IN_CLUSTER", 200)
    found = find_pairs(vectors, 0.98)
    assert len(every) >= 1000 and set(found) <= set(every) and len(found) >= 0.95 * len(every)
