"""Limits that reports, errors and docs/reference/data-stages.md name, and sizes that other programs rely on.

One more or one less would reach people without another test's notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stages.decontaminate._MAX_SHORT_CHARACTERS", 600),
        ("stages.dedupe_semantic._EXACT", 8_192),
        ("stages.split._SHARES", {"train": 0.9, "validation": 0.05, "test": 0.05}),
        ("arpa._NO_UNKNOWN", -100.0),  # KenLM
        ("c4._MAX_WORD_LENGTH", 1000),  # c4_utils.py of tensorflow_datasets
        ("chat_checks._MIN_RATIO_LENGTH", 50),
        ("chat_checks._MIN_PROSE_LENGTH", 200),
        ("classifier.PLACES", 262_144),
        ("classifier.HELD_OUT", 0.2),
        ("classifier.LEAST_ROWS", 10),
        ("compare_page._MOST_RULES", 200),
        ("contract.EXAMPLES", 5),
        ("expression._MAX_NODES", 500),
        (
            "fineweb.LIMITS",
            {"line_punct_ratio": 0.12, "short_line_ratio": 0.67, "char_dup_ratio": 0.01, "list_ratio": 0.3},
        ),
        ("fineweb._SHORT_LINE_LENGTH", 30),  # FineWeb (arXiv 2406.17557)
        ("language_detection._MIN_LETTERS", 20),
        ("planner.SAMPLE_ROWS", 200),
        ("planner.SAMPLE_FILES", 64),
        ("profile._MAX_LABEL_VALUES", 50),
        ("reader.BATCH_ROWS", 4096),
        ("reader.BATCH_BYTES", 8_388_608),
        ("repeated_bytes.MAX_LEAST", 1_048_576),
        ("report.MAX_REPORT_BYTES", 500_000),
        ("report.EXAMPLES_PER_RULE", 3),
        ("report._MAX_RULES_WITH_EXAMPLES", 24),
        ("report._MAX_EXAMPLE_CHARACTERS", 220),
        ("report._MAX_CLUSTERS", 6),
        ("row_ids.MAX_COPIES", 2047),
        ("run.FORMAT", 3),
        ("row_order.BUCKET_BYTES", 67_108_864),
    ],
)
def test_the_limit_is_the_documented_one(name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.data.{module}"), constant) == value
