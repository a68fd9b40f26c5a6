"""Which suite a name means, and progress over several of them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from steward.core.errors import UnknownName
from steward.evaluation.run import RunResults
from steward.workflows.evaluate.suites import (
    BUILT_IN,
    _continue_progress,
    estimate_suite_file,
    find_suite,
    list_suite_files,
)


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


def write_suite(folder: Path, *metrics: Any) -> Path:
    rows = [{"id": str(number), "q": "2+2?", "references": ["4"]} for number in range(3)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = {"name": "s", "data": "rows.jsonl", "prompt": "{q}", "metrics": list(metrics)}
    (folder / "suite.yaml").write_text(json.dumps(suite))
    return folder / "suite.yaml"


def test_a_suite_is_its_file_and_its_rows(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, "exact_match")
    assert list_suite_files(suite) == [str(suite), str(tmp_path / "rows.jsonl")]


def test_only_judges_are_asked_beside_the_model(tmp_path: Path) -> None:
    def ask(*metrics: Any) -> int:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return estimate_suite_file(write_suite(folder, *metrics), folder, None, None, 1.0, 1).requests

    judge = {"name": "judge@tone", "options": {"model": "j", "rubric": "Is it kind?", "url": "http://127.0.0.1:9"}}
    assert ask("exact_match") == 3 and ask("exact_match", judge) == 6
    assert ask({"name": "toxicity", "options": {"scorer": "lexicon"}}) == 3


def test_seconds_of_an_earlier_run_are_those_of_its_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = write_suite(tmp_path, "exact_match")
    answers = {str(n): SimpleNamespace(latency_s=seconds) for n, seconds in enumerate((1.0, 3.0, 0.0))}
    monkeypatch.setattr("steward.workflows.evaluate.suites.read_run", lambda _: SimpleNamespace(answers=answers))
    assert estimate_suite_file(suite, tmp_path, None, None, None, 1).seconds is None  # no earlier run
    (tmp_path / "manifest.json").write_text("{}")
    earlier = estimate_suite_file(suite, tmp_path, None, None, None, 1).seconds
    assert earlier == estimate_suite_file(suite, tmp_path, None, None, 2.0, 1).seconds == 6.0  # the third was cached
    assert estimate_suite_file(suite, tmp_path, None, None, 1.0, 1).seconds == 3.0  # what was told goes first
    answers.clear()
    assert estimate_suite_file(suite, tmp_path, None, None, None, 1).seconds is None
