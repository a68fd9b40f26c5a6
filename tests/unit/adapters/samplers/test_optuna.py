import importlib.util

import pytest

if importlib.util.find_spec("optuna") is None:
    pytest.skip("optuna is not installed", allow_module_level=True)

from steward.adapters.samplers.optuna import OptunaSampler

BOUNDS = {
    "rate": (1e-5, 1e-1, True, False, ()),
    "rank": (0.0, 1.0, False, False, (8, 16)),
    "n": (1.0, 3.0, False, True, ()),
}


def test_points_are_in_the_space_and_the_same_for_what_is_known():
    sampler = OptunaSampler(BOUNDS, maximize=True, seed=3)
    known = [({"rate": 1e-3, "rank": 8, "n": 2}, 0.5), ({"rate": 1e-2, "rank": 16, "n": 1}, None)]
    point = sampler.sample(2, known)
    assert 1e-5 <= point["rate"] <= 1e-1 and point["rank"] in (8, 16) and point["n"] in (1, 2, 3)
    assert point == OptunaSampler(BOUNDS, maximize=True, seed=3).sample(2, known)


def test_it_searches_where_scores_were_good():
    sampler = OptunaSampler({"x": (0.0, 1.0, False, False, ())}, maximize=True, seed=1)
    known = [({"x": n / 40}, -abs(n / 40 - 0.75)) for n in range(40)]
    points = [sampler.sample(40 + n, known)["x"] for n in range(20)]
    assert sum(0.55 < point < 0.95 for point in points) >= 15  # of chance, 8 would be


def test_each_trial_of_each_seed_has_a_point_of_its_own():
    points = {
        OptunaSampler(BOUNDS, maximize=True, seed=seed).sample(number, [])["rate"]
        for seed in range(3)
        for number in range(3)
    }
    assert len(points) == 9


def test_a_score_is_made_small_where_less_is_better():
    known = [({"x": n / 40}, abs(n / 40 - 0.75)) for n in range(40)]
    sampler = OptunaSampler({"x": (0.0, 1.0, False, False, ())}, maximize=False, seed=1)
    points = [sampler.sample(40 + n, known)["x"] for n in range(20)]
    assert sum(0.55 < point < 0.95 for point in points) >= 15
