"""Which suite a name means, and progress over several of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from steward.core.errors import UnknownName
from steward.evaluation.run import RunResults
from steward.workflows.evaluate.suites import BUILT_IN, _continue_progress, estimate_suite_file, find_suite


def test_a_file_goes_before_a_suite_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_suite("starter") == BUILT_IN["starter"] and find_suite("starter").is_file()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "starter").write_text("")
    assert find_suite("starter") == Path("starter")
    assert find_suite("gone.yaml") == Path("gone.yaml") and find_suite(Path("gone.yml")) == Path("gone.yml")


def test_other_names_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownName, match="suite 'satrter'"):
        find_suite("satrter")


def test_counts_of_a_suite_stand_on_those_before() -> None:
    def results(items: int, errored: int) -> RunResults:
        return RunResults(
            suite="s", model="m", items=items, errored=tuple(map(str, range(errored))), scores=(), slices=()
        )

    seen: list[tuple[int, int]] = []
    show = cast(Any, lambda done, failed: seen.append((done, failed)))
    _continue_progress(show, [])(3, 1)
    _continue_progress(show, [results(10, 2), results(5, 1)])(3, 1)
    assert seen == [(3, 1), (15, 4)]  # 12 of the items before were answered, 3 failed


def test_what_a_run_would_take_is_known_without_asking(tmp_path: Path) -> None:
    estimate = estimate_suite_file("starter", tmp_path, 4, None, 2.0, 2)
    twice = estimate_suite_file("starter", tmp_path, 4, None, 4.0, 2)
    assert estimate.seconds is not None and twice.seconds == pytest.approx(2 * estimate.seconds)
    assert estimate_suite_file("starter", tmp_path, 4, None, None, 2).seconds is None
