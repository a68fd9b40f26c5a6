"""`steward release backtest`: exit codes and what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from conftest import inside
from steward.cli.release import EXIT_CODES
from steward.core.records import Arm
from steward.improvement.events import ReleaseEvent

ARMS: tuple[Arm, Arm] = ("champion", "candidate")


def test_exit_codes_are_those_of_gates() -> None:
    assert EXIT_CODES == {"promote": 0, "roll back": 1, "inconclusive": 3}


@pytest.mark.parametrize(("bad", "code", "said"), [(True, 1, "Rolled back at 50%"), (False, 3, "Undecided at 50%")])
def test_a_replay_in_words_and_as_json(bad: bool, code: int, said: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    events = [
        ReleaseEvent(
            at=n * 1.0, subject=str(n), arm="candidate" if n % 2 else "champion", weight=0.5, bad=bad and n % 2 > 0
        )
        for n in range(200)
    ]
    file.write_bytes(b"\n".join(map(msgspec.json.encode, events)))
    words = ["release", "backtest", "--events", str(file)]
    shown = inside(*words)
    assert shown.returncode == code and said in shown.stdout and "1970-01-01 00:0" in shown.stdout
    as_json = json.loads(inside(*words, "--json").stdout)
    assert set(as_json) >= {"decision", "at", "step", "guards", "split_check"}
    assert set(as_json["guards"][0]) >= {"name", "verdict", "estimate", "interval", "e_value"}
    assert [guard["name"] for guard in as_json["guards"]][:2] == ["errors", "slow"]
