import pytest

from steward.configuration.validation import validate
from steward.core.errors import InputError
from steward.improvement.training_config import TrainConfig


def parse(**fields):
    return validate(TrainConfig, {"trainer": "trl", "dataset": "d", **fields}, lambda dotted: "t.yaml")


def test_limits_are_in_seconds_and_bytes():
    config = parse(budget={"hours": 2, "usd": 5, "usd_per_hour": 3}, hang_after_s=60, min_free_gb=2)
    limits = config.limits()
    assert (limits.max_seconds, limits.max_usd, limits.usd_per_hour) == (7200.0, 5.0, 3.0)
    assert (limits.hang_after_s, limits.min_free_bytes) == (60.0, 2_000_000_000)
    usual = parse().limits()
    assert (usual.max_seconds, usual.max_usd, usual.hang_after_s, usual.min_free_bytes) == (None, None, 1800.0, 10**9)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"budget": {"usd_per_hour": 3}}, "no effect without usd or hours"),
        ({"method": "rlhf"}, "method"),
        ({"trainr": "x"}, "did you mean 'trainer'"),
        ({"hang_after_s": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        parse(**fields)
