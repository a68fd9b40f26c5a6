"""The benchmark's evidence for arrays of counts is that of the live code, count by count."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

from conftest import ROOT
from steward.improvement.anytime import log_coin_evidence, log_floor_evidence, log_split_evidence


@pytest.fixture
def arrays(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("release_evidence")
    sys.modules.pop("release_evidence", None)


@pytest.fixture
def counts():
    rng = np.random.default_rng(7)
    events = rng.integers(0, 4_000, 300)
    mine = (events * rng.random(300) ** 2).astype(np.int64)
    mine[:10], mine[10:20] = events[:10], 0
    return mine, events


@pytest.mark.parametrize("weight", [0.05, 0.25, 0.5])
@pytest.mark.parametrize("ratio", [1 / 1.5, 1.0, 2.0])
@pytest.mark.parametrize("direction", ["below", "above"])
def test_flips_of_a_coin(arrays, counts, weight, ratio, direction):
    mine, events = counts
    expected = [log_coin_evidence(int(a), int(b), weight, ratio, direction) for a, b in zip(*counts, strict=True)]
    assert arrays.log_coin_evidences(mine, events, weight, ratio, direction) == pytest.approx(expected, 1e-8, 1e-8)


def test_the_split_and_the_floor(arrays, counts):
    mine, events = counts
    split = [log_split_evidence(int(a), int(b), 0.25) for a, b in zip(*counts, strict=True)]
    floor = [log_floor_evidence(int(a), int(b), 0.002) for a, b in zip(*counts, strict=True)]
    assert arrays.log_split_evidences(mine, events, 0.25) == pytest.approx(split, 1e-8, 1e-8)
    assert arrays.log_floor_evidences(mine, events, 0.002) == pytest.approx(floor, 1e-8, 1e-8)
