import pytest

from ranges import read_ranges
from steward.configuration.validation import validate
from steward.core.errors import InputError
from steward.improvement.dataset.config import (
    BalanceConfig,
    CapConfig,
    DatasetConfig,
    DuplicatesConfig,
    FloorConfig,
    ReplayConfig,
)


def parse(**fields):
    return validate(DatasetConfig, {"name": "s", "sources": [{"path": "a.jsonl"}], **fields}, lambda dotted: "d.yaml")


def test_defaults_are_those_that_the_documentation_names():
    config = parse()
    assert (config.cap.share, config.cap.rows) == (0.05, 20)
    assert (config.floor.rows, config.floor.subjects, config.model_share) == (200, 10, 0.5)
    assert config.sources[0].purposes == ["training"] and config.sources[0].list_patterns() == ["a.jsonl"]
    assert parse(replay={"path": "old.jsonl"}).replay.share == 0.25
    assert config.scrub.profile == "default" and config.duplicates.near == 0.9


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sources": []}, "sources"),
        ({"sources": [{"kind": "feedback"}]}, "needs `path`"),
        ({"sources": [{"path": "a", "basis": "consent"}]}, "basis consent needs `consent`"),
        ({"sources": [{"path": []}]}, "at least one file"),
        ({"sources": [{"path": "a", "paht": 1}]}, "did you mean 'path'"),
        ({"balance": {"column": "t", "traffic": {"a": 0}}}, "a: expected a number above 0"),
        ({"replay": {"path": "a", "share": 1}}, "less than 1"),
        ({"name": "a b"}, "name"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        parse(**fields)


def test_ranges_of_numbers_that_are_accepted():
    assert read_ranges(ReplayConfig) == {"share": "0 <= x < 1"}
    assert read_ranges(BalanceConfig) == {"tolerance": "1 <= x"}
    assert read_ranges(CapConfig) == {"share": "0 < x <= 1", "rows": "1 <= x"}
    assert read_ranges(FloorConfig) == {"rows": "1 <= x", "subjects": "1 <= x"}
    assert read_ranges(DuplicatesConfig) == {"near": "0 < x <= 1"}
    assert read_ranges(DatasetConfig) == {"model_share": "0 < x <= 1"}
