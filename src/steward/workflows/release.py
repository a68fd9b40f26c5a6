"""Releases from files: what the guards would have decided of one that has been."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steward.configuration.validation import validate
from steward.configuration.yaml_lines import read_mapping
from steward.core.errors import InputError
from steward.improvement.backtest import backtest
from steward.improvement.canary import ReleaseDecision
from steward.improvement.config import ReleaseConfig, ReleasePlan
from steward.improvement.events import EXAMPLE, align_weights, read_release_events

Progress = Callable[[int, int, str], None]  # done, of how many, what
_LINE_BYTES = 150  # of an event, about


def read_policy(path: Path | None) -> ReleasePlan:
    """The policy in a file, under `release:` as in steward.yaml or by itself; the usual one where no file is named.

    :raises InputError: with file, line, key and the next step
    """
    if path is None:
        return ReleaseConfig().plan()
    tree, lines = read_mapping(path, such_as="release")
    inner, prefix = (tree["release"] or {}, "release.") if "release" in tree else (tree, "")

    def place(dotted: str) -> str:
        line = lines.get(f"{prefix}{dotted}") or lines.get("release")
        return f"{path}:{line}" if line else str(path)

    words = {key.removeprefix(prefix): word for key, word in lines.words.items()}
    return validate(ReleaseConfig, inner, place, words).plan()


def backtest_file(
    events: Path, policy: Path | None, progress: Progress = lambda done, total, what: None
) -> ReleaseDecision:
    """:raises InputError: a file that cannot be understood, or holds no request"""
    plan = read_policy(policy)
    total = events.stat().st_size // _LINE_BYTES if events.is_file() else 0
    decision = backtest(
        align_weights(read_release_events(events)), plan, lambda done: progress(done, max(done, total), "replaying")
    )
    if not decision.events:
        raise InputError(f"{events}: no request; expected one JSON object a line, such as {EXAMPLE}")
    return decision
