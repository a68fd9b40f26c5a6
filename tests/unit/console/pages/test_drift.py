"""The page Drift shows what has changed, and requests that show it."""

import re
from pathlib import Path
from typing import Any

import pytest

from console_home import NOW, HomeConsole, read_text
from steward.console.pages.drift import view
from steward.console.reader import Reader
from steward.core.records import Admitted, LedgerRecord, Settled
from steward.monitoring.events import Event
from steward.workflows.alerts import SampleDrift, find_examples

WEEK = 7 * 86400.0


def fill(console: HomeConsole, mark: str, since: float, size: int, model: str) -> None:
    records: list[LedgerRecord] = []
    for number in range(100):
        name, at = f"{mark}{number:02}", since + number * WEEK / 100 + 60
        records.append(
            Admitted(request_id=name, at=at, key_id="k", project="p", endpoint="/", route="r", streamed=False)
        )
        records.append(
            Settled(request_id=name, at=at + 1, outcome="ok", status=200, model=model, input_tokens=size + number)
        )
    console.store.ledger.drain("w", mark, 1, records)


def test_the_requests_that_show_a_change_are_linked(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    console = HomeConsole(tmp_path)
    fill(console, "old", NOW - 2 * WEEK, 100, "small")
    fill(console, "new", NOW - WEEK, 500, "large")
    page = console.get("/drift?span=7d")
    text = read_text(page)
    assert "Examples: tokens of the prompt" in text and "Examples: model" in text
    assert 'href="/requests/new99"' in page and "599" in text  # the longest: 500 + 99
    assert "old" not in text.partition("Examples")[2]
    assert re.search(r"large 1\.000 bits 0\.\d{3} to 1\.000", text)  # no model in common, and how sure that is
    console.store.close()


def test_examples_are_of_the_value_that_gained_most() -> None:
    before = [Event(at=0.0, route=name) for name in ("a", "a", "a", "b")]
    after = [(f"r{number}", Event(at=float(number), route=name)) for number, name in enumerate("aabbb")]
    found = find_examples("route", before, after)
    assert [(one.request_id, one.value) for one in found.requests] == [("r4", "b"), ("r3", "b"), ("r2", "b")]


def test_examples_of_less_are_the_least() -> None:
    before = [Event(at=0.0, output_tokens=size) for size in (50, 60)]
    after = [(f"r{size}", Event(at=1.0, output_tokens=size)) for size in (9, 3, 60)]
    assert [one.value for one in find_examples("output_tokens", before, after).requests] == [3, 9, 60]


def test_a_feature_that_nobody_knows_has_no_examples() -> None:
    assert find_examples("language", [], [("r", Event(at=0.0))]).requests == ()


def test_each_verdict_is_said_with_its_effect_and_chance() -> None:
    drift: Any = pytest.importorskip("steward.monitoring.drift")
    usual = {"kind": "number", "effect": 0.12345, "p": 0.01, "p_adjusted": 0.0312, "drifted": False}
    features = [
        drift.FeatureDrift(**{"name": name, **usual, **changes})
        for name, changes in (
            ("input_tokens", {"drifted": True, "baseline": 12_345.0, "current": 1.23456}),
            ("route", {"kind": "word", "baseline": "a", "current": "", "effect_low": 0.1, "effect_high": 0.2}),
            ("embedding", {"kind": "vector", "effect_low": 0.1, "baseline": 0.9996}),
            ("topic", {"effect": None, "p": None, "p_adjusted": None, "why": "too few"}),
        )
    ]
    found = drift.Drift(features=tuple(features), drifted=True, baseline_events=1, current_events=1)
    shown = view(SampleDrift(drift=found), Reader())
    assert [(row.state, row.verdict) for row in shown["rows"]] == [
        ("bad", "changed"), ("good", "not changed"), ("good", "not changed"), ("unknown", "too few"),
    ]  # fmt: skip
    assert [row.effect for row in shown["rows"]] == ["0.123 bits", "0.123 bits", "0.123", "–"]
    assert [row.interval for row in shown["rows"]] == ["–", "0.100 to 0.200", "–", "–"]
    assert [row.chance for row in shown["rows"]] == ["p = 0.0312"] * 3 + ["–"]
    assert [(row.before, row.now) for row in shown["rows"]] == [("12.3k", "1.2"), ("a", "–"), ("1", "–"), ("–", "–")]
    assert shown["changed"] == ["Tokens of the prompt"]
    assert view(SampleDrift(), Reader()) == {"rows": [], "examples": [], "changed": []}
