import pytest

from ranges import read_ranges
from steward.configuration.validation import validate
from steward.core.errors import InputError
from steward.improvement.experiment_config import ExperimentConfig, HalvingConfig

SPACE = {"rate": {"low": 1e-5, "high": 1e-3, "log": True}, "rank": {"choices": [8, 16]}}


def parse(**fields):
    tree = {"name": "e", "space": SPACE, "evaluate": ["true"], "dataset": "set", **fields}
    return validate(ExperimentConfig, tree, lambda dotted: "e.yaml")


def test_dimensions_and_limits():
    config = parse(constraints={"latency_s": {"max": 1}}, first={"rate": 1e-4, "rank": 8})
    rate, rank = config.dimensions()
    assert (rate.low, rate.high, rate.log, rank.choices) == (1e-5, 1e-3, True, (8, 16))
    assert (rank.low, rank.high) == (0.0, 1.0)  # as of every dimension that is told no ends
    [limit] = config.limits()
    assert (limit.metric, limit.min, limit.max) == ("latency_s", None, 1.0)


def test_few_trials_are_spread_and_many_searched():
    assert parse(trials=30).choose_sampler() == "qmc" and parse(trials=31).choose_sampler() == "optuna"
    assert parse(trials=31, sampler="random").choose_sampler() == "random"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"space": {"a": {"low": 2, "high": 1}}}, "low below high"),
        ({"space": {"a": {"low": 0, "high": 1, "log": True}}}, "expected above 0"),
        ({"space": {"a": {"choices": [1], "low": 0}}}, "not both"),
        ({"first": {"rate": 1e-4}}, "rank is missing"),
        ({"first": {"rate": 1e-4, "rank": 9}}, "rank is 9, which is not among its choices"),
        ({"first": {"rote": 1}}, "rote is not in the space"),
        ({"slices": {"select": "a", "judge": "b"}}, "`dataset`, a training set, or `slices`"),
        ({"dataset": None}, "`dataset`, a training set, or `slices`"),
        ({"constraints": {"x": {}}}, "expected min or max"),
        ({"space": {f"p{n}": {"choices": [1, 2]} for n in range(17)}}, "at most 16"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        parse(**fields)


def test_ranges_and_defaults():
    assert read_ranges(HalvingConfig) == {"eta": "2 <= x", "rungs": "1 <= x <= 5"}
    assert (HalvingConfig().eta, HalvingConfig().rungs) == (3, 1)
    assert read_ranges(ExperimentConfig) == {"trials": "1 <= x <= 1000", "trial_timeout_s": "0 < x", "seed": "0 <= x"}
    assert ExperimentConfig.model_fields["trials"].default == 12
    assert ExperimentConfig.model_fields["trial_timeout_s"].default == 3600.0
