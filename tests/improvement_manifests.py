"""A manifest of a training set for tests."""

from typing import Any

from steward.improvement.dataset.manifest import DatasetFile, DatasetManifest


def make_manifest(**fields: Any) -> DatasetManifest:
    given: dict[str, Any] = dict(
        format=1, name="support", version="0.2.0", created_at=1764374400.0, tenant="default", project="default",
        key="ab", parameters={}, steps=(), rows={"train": 2}, origins={}, consents={}, groups={}, replay_share=0.25,
        model_share=0.0, distinct_ngrams=None, subjects=("5f",), sources=(),
        files=(DatasetFile("train.jsonl", 2, 9, "0" * 64), DatasetFile("judge.jsonl.sealed", 1, 9, "1" * 64)),
    )  # fmt: skip
    return DatasetManifest(**{**given, **fields})
