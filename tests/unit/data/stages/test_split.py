import math
from collections import defaultdict

import pytest

from data_batches import batch
from steward.core.errors import InputError, UnknownName
from steward.data.draws import hash_share
from steward.data.stages.split import Split


def test_a_group_never_stands_in_two_parts() -> None:
    rows = batch(*["x"] * 3000, person=[f"p{number % 500}" for number in range(3000)])
    out = Split(by="person").apply(rows).batch
    parts = defaultdict(set)
    for person, part in zip(out["person"].to_pylist(), out["split"].to_pylist(), strict=True):
        parts[person].add(part)
    assert all(len(found) == 1 for found in parts.values())
    assert {part for found in parts.values() for part in found} == {"train", "validation", "test"}


def test_shares_are_met_on_average() -> None:
    """A binomial count: √(n·p·(1 − p)) is its standard deviation; four of them for a seed that is fixed."""
    rows = batch(*["x"] * 4000, key=[f"k{number}" for number in range(4000)])
    found = Split(by="key", parts={"a": 0.7, "b": 0.3}).apply(rows).batch["split"].to_pylist()
    assert abs(found.count("b") - 1200) < 4 * math.sqrt(4000 * 0.3 * 0.7)


def test_a_row_stays_in_its_part_when_others_go_and_another_seed_divides_otherwise() -> None:
    rows = batch(*["x"] * 200, key=[f"k{number}" for number in range(200)])
    whole = Split(by="key").apply(rows).batch["split"].to_pylist()
    assert Split(by="key").apply(rows.slice(150)).batch["split"].to_pylist() == whole[150:]
    halves = [Split(by="key", parts={"a": 0.5, "b": 0.5}, seed=seed).apply(rows).batch["split"] for seed in (0, 1)]
    assert halves[0] != halves[1]


def test_what_a_sample_keeps_is_divided_as_all_rows_are() -> None:
    """Else a sample of the half with the lowest hashes would be all `train`."""
    keys = [key for key in (f"k{number}" for number in range(2000)) if hash_share(key, 0) < 0.5]
    found = Split(by="key").apply(batch(*keys, key=keys)).batch["split"].to_pylist()
    assert abs(found.count("train") - 0.9 * len(keys)) < 4 * math.sqrt(len(keys) * 0.9 * 0.1)


def test_shares_begin_at_0_and_end_at_1() -> None:
    rows = batch("x", "y")
    assert Split(parts={"none": 0.0, "all": 1.0}).apply(rows).batch["split"].to_pylist() == ["all", "all"]
    assert hash_share("a", 0) == 0xE6C632B61E964E1F / 2**64  # XXH3 of "a", as xxHash's own tests have it
    for parts in ({}, {"a": 0.5}, {"a": 1.5, "b": -0.5}):
        with pytest.raises(InputError, match="add up to 1"):
            Split(parts=parts)
    with pytest.raises(UnknownName):
        Split(by="nobody").apply(rows)


@pytest.mark.parametrize(("by", "what"), [("id", "rows"), ("author", "values of 'author'")])
def test_a_part_without_a_row_needs_more_of_what_is_drawn(by: str, what: str) -> None:
    stage = Split(parts={"train": 0.9, "test": 0.1, "none": 0.0}, by=by)
    (warning,) = stage.review(10, {"part train": 10})
    assert warning.startswith("the part 'test' of share 0.1 got none of 10 rows") and warning.endswith(
        f", or more {what}"
    )
    assert list(stage.review(0, {})) == [] and list(stage.review(2, {"part train": 1, "part test": 1})) == []
