"""The simulation of releases: as the live code decides, and its table in a small form."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from conftest import ROOT


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "bench_release.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("cells", ["A/A week, 5 to 25", "errors 1 to 3 %, 25 %, 10/s", "judge -0.1, 25 %, 1/s"])
def test_all_looks_at_once_decide_as_one_after_another(cells: str) -> None:
    done = bench("--check", "2", "--cells", cells)
    assert done.returncode == 0, done.stdout + done.stderr


def test_harm_is_found_and_a_candidate_at_the_margin_seldom_passes() -> None:
    done = bench("--simulations", "40", "--cells", "errors", "--json")
    rows = {row["cell"]: row for row in json.loads(done.stdout)}
    assert rows["errors 1 to 3 %, 25 %, 1/s"]["share"] >= 0.8
    assert rows["errors at the margin, 1 to 2 %"]["interval"][0] <= 0.05
    assert rows["A/A week, 25 %, errors x 4"]["interval"][0] <= 0.01


def test_the_second_score_of_a_winner_is_unbiased() -> None:
    code = "import release_winner as w; r = w.measure_winner(18, 90, 3, 300); print(r.first, *r.interval)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "benchmarks", capture_output=True, text=True, timeout=300
    )
    first, low, high = map(float, done.stdout.split())
    assert first > 0.03 and low <= 0.005 and high >= -0.005
