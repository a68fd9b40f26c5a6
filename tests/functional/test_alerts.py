"""`steward alerts backtest` and `steward drift compare` as their users run them."""

from __future__ import annotations

import json
import random
from pathlib import Path

from conftest import run


def write(path: Path, days: float, failing_after: float = 1e9, length: int = 900) -> Path:
    rng = random.Random(3)
    with path.open("w") as file:
        for minute in range(int(days * 1440)):
            failed = minute > failing_after * 1440 and rng.random() < 0.5
            event = {
                "at": 1764547200 + 60 * minute,
                "route": "assistant",
                "model": "m",
                "outcome": "upstream_error" if failed else "ok",
                "status": 502 if failed else 200,
                "prompt_chars": rng.randrange(length, 3 * length),
                "something_else": True,
            }
            file.write(json.dumps(event) + "\n")
    return path


def test_a_backtest_says_what_would_have_fired_and_exits_1(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("")
    events = write(tmp_path / "events.jsonl", 1.5, failing_after=1)
    result = run("alerts", "backtest", "rules.yaml", "--events", str(events), "--json", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    said = json.loads(result.stdout)
    assert said["span_s"] == 1.5 * 86400 and said["pages"] == 1
    (firing,) = [firing for rule in said["rules"] if rule["severity"] == "page" for firing in rule["firings"]]
    assert 0 < firing["start"] - (1764547200 + 86400) < 2 * 3600 and firing["end"] is None and firing["value"] > 0.02
    assert {item["rule"] for item in said["not_judged"]} >= {"satisfaction-down", "refusals-up"}


def test_a_backtest_of_health_is_silent_and_exits_0(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: [{name: burn, kind: burn_rate, severity: page}]")
    result = run("alerts", "backtest", "rules.yaml", "--events", str(write(tmp_path / "e", 0.5)), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "0 pages, 0 tickets." in result.stdout


def test_bad_rules_and_no_events_exit_2_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: [{name: burn, kind: burnrate}]")
    events = write(tmp_path / "e", 0.01)
    unknown = run("alerts", "backtest", "rules.yaml", "--events", str(events), cwd=tmp_path)
    assert unknown.returncode == 2 and "Invalid value 'burnrate'" in unknown.stderr
    (tmp_path / "rules.yaml").write_text("")
    (tmp_path / "none").write_text("\n")
    empty = run("alerts", "backtest", "rules.yaml", "--events", "none", cwd=tmp_path)
    assert empty.returncode == 2 and "no event; expected one JSON object a line" in empty.stderr


def test_drift_exits_1_where_something_drifted(tmp_path: Path) -> None:
    before, same = write(tmp_path / "a", 0.2), write(tmp_path / "b", 0.2)
    moved = write(tmp_path / "c", 0.2, length=1300)
    assert run("drift", "compare", str(before), str(same), cwd=tmp_path).returncode == 0
    result = run("drift", "compare", str(before), str(moved), "--json", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    said = json.loads(result.stdout)
    assert said["drifted"] and [one["name"] for one in said["features"] if one["drifted"]] == ["prompt_chars"]
    assert set(said["features"][0]) >= {"name", "kind", "effect", "p", "p_adjusted", "drifted"}
