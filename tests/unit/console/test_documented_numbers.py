"""Limits of the console that the documentation promises: its sentence stands there still, and the code keeps it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MINUTE, DAY = 60.0, 86_400.0

PROMISED = [
    ("sign-in.md", "An address has ten attempts a minute", {"sessions.ATTEMPTS_PER_MINUTE": 10}),
    (
        "sign-in.md",
        "an account twenty in a quarter of an hour from browsers that it was never used from",
        {"sign_in_limits.STRANGERS_PER_QUARTER": 20},
    ),
    ("work-in-the-console.md", "recognised within five minutes goes on reading", {"recognised.KNOWN_S": 5 * MINUTE}),
    ("administer-by-api.md", "sent again within a day is answered as before", {"api.REMEMBERED_S": DAY}),
    ("administer-by-api.md", "Bodies have at most 64 KiB", {"api.BODY_LIMIT": 64 * 1024}),
]


@pytest.mark.parametrize(("page", "sentence", "numbers"), PROMISED, ids=[sentence for _, sentence, _ in PROMISED])
def test_what_the_documentation_promises_is_kept(page: str, sentence: str, numbers: dict[str, float]) -> None:
    text = " ".join((ROOT / "docs/how-to" / page).read_text().split())
    assert sentence in text, "say here what the page says now, if it is right"
    for name, value in numbers.items():
        module, _, constant = name.rpartition(".")
        assert getattr(importlib.import_module(f"steward.console.{module}"), constant) == value, name
