import pytest

from ranges import read_limits
from steward.configuration.validation import validate
from steward.core.errors import InputError
from steward.improvement.dataset.config import (
    BalanceConfig,
    CapConfig,
    DatasetConfig,
    DuplicatesConfig,
    FloorConfig,
    NewestConfig,
    ReplayConfig,
    RowSource,
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


def test_defaults_and_ranges_are_those_of_the_recipes_reference():
    assert read_limits(ReplayConfig) == {"share": "0.25: 0 <= x < 1"}
    assert read_limits(BalanceConfig) == {"tolerance": "2.0: 1 <= x"}
    assert read_limits(CapConfig) == {"share": "0.05: 0 < x <= 1", "rows": "20: 1 <= x"}
    assert read_limits(FloorConfig) == {"rows": "200: 1 <= x", "subjects": "10: 1 <= x"}
    assert read_limits(NewestConfig) == {"days": "7.0: 0 <= x", "share": "0.2: 0 < x < 1"}
    assert read_limits(DuplicatesConfig) == {"near": "0.9: 0 < x <= 1"}
    assert read_limits(DatasetConfig) == {"sources": "1 <= n", "model_share": "0.5: 0 < x <= 1"}


def test_a_source_has_a_path_unless_it_reads_what_the_home_has_kept():
    file = RowSource(kind="file", path="a.jsonl")
    assert (file.list_patterns(), file.choose_basis()) == (["a.jsonl"], "own data")
    kept = RowSource(kind="captured")
    assert (kept.list_patterns(), kept.choose_basis()) == ([], "consent")
    assert RowSource(kind="feedback", path=["a", "b"], unrated=True).list_patterns() == ["a", "b"]
    assert RowSource(kind="captured", basis="own data").choose_basis() == "own data"
    assert RowSource(kind="file", path="a", basis="consent", consent="agreed").choose_basis() == "consent"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "file"}, "a source of kind file needs `path`"),
        ({"kind": "captured", "path": "a"}, "a source of kind captured has no `path`"),
        ({"kind": "file", "path": "a", "unrated": True}, "`unrated` is for captured exchanges and feedback"),
        ({"kind": "file", "path": "a", "basis": "consent"}, "basis consent needs `consent`"),
        ({"kind": "file", "path": []}, "expected at least one file or pattern"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        RowSource(**fields)
