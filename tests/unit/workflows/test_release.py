"""A release replayed from files: policies and their errors."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError
from steward.improvement.config import ReleaseConfig
from steward.improvement.events import ReleaseEvent
from steward.workflows.release import backtest_file, read_policy


def test_a_policy_stands_under_release_or_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("release:\n  look_every_s: 5\nhome: x\n")
    assert read_policy(file).look_every_s == 5.0
    file.write_text("look_every_s: 6\n")
    assert read_policy(file).look_every_s == 6.0
    file.write_text("release:\n")
    assert read_policy(file) == ReleaseConfig().plan() == read_policy(None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("release:\n  guards:\n    slow: {margin: 0.5}\n", "policy.yaml:2: guards"),
        ("promotion_alpha: 2\n", "policy.yaml:1: promotion_alpha"),
        ("release: {stepps: [0.1]}\n", "did you mean 'steps'"),
    ],
)
def test_a_wrong_policy_says_where(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        read_policy(file)


def test_a_file_is_decided_with_its_policy(tmp_path: Path) -> None:
    file, policy = tmp_path / "events.jsonl", tmp_path / "policy.yaml"
    bad = [
        ReleaseEvent(at=n / 2, subject=str(n), arm="candidate" if n % 2 else "champion", weight=0.5, bad=n % 2 > 0)
        for n in range(119)
    ]
    file.write_bytes(b"\n".join(map(msgspec.json.encode, bad)))
    policy.write_text("warm_up_s: 0\n")
    seen: list[tuple[int, int, str]] = []
    assert backtest_file(file, policy, lambda *now: seen.append(now)).decision == "roll back"
    assert backtest_file(file, None).decision == "inconclusive"  # all of it is warm-up
    file.write_text("\n")
    with pytest.raises(InputError, match="no request; expected"):
        backtest_file(file, None)
