import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_stages import batch, cut, ran
from steward.core.errors import InputError
from steward.data.stages.balance import Balance

LABELS = ["a"] * 7 + ["b"] * 3 + [None] * 4


def groups(stage: Balance, labels: list[str | None], size: int = 5) -> tuple[dict[str, int], list[int]]:
    out, _ = ran(stage, cut(batch(["x"] * len(labels), label=labels), size))
    rows = out["row"].to_pylist()
    return stage.count_groups([stage.survey(one) for one in out.to_batches()]), rows


def test_downsampling_leaves_as_many_of_each_as_the_fewest() -> None:
    assert groups(Balance(by="label"), LABELS)[0] == {"(none)": 3, "a": 3, "b": 3}


def test_upsampling_repeats_until_each_has_as_many_as_the_most() -> None:
    counts, rows = groups(Balance(by="label", mode="upsample"), LABELS)
    assert counts == {"(none)": 7, "a": 7, "b": 7}
    assert len(set(rows)) == 21 and {row & (2**48 - 1) for row in rows} == set(range(14))


def test_a_report_counts_and_changes_nothing() -> None:
    assert groups(Balance(by="label", mode="report"), LABELS) == ({"(none)": 4, "a": 7, "b": 3}, list(range(14)))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from("aab"), min_size=1, max_size=15), st.integers(1, 6), st.integers(0, 3))
def test_any_cut_into_batches_draws_the_same_rows(labels: list[str | None], size: int, seed: int) -> None:
    for mode in ("downsample", "upsample"):
        stage = Balance(by="label", mode=mode, seed=seed)  # type: ignore[arg-type]
        assert sorted(groups(stage, labels, size)[1]) == sorted(groups(stage, labels, 99)[1])


def test_another_seed_draws_other_rows_and_a_missing_column_is_named() -> None:
    assert (
        groups(Balance(by="label"), ["a"] * 40 + ["b"] * 5)[1]
        != groups(Balance(by="label", seed=1), ["a"] * 40 + ["b"] * 5)[1]
    )
    with pytest.raises(InputError, match="unknown column 'topic'"):
        Balance(by="topic").survey(batch(["x"]))


def test_copies_are_numbered_from_one() -> None:
    rows = batch(["a", "b", "c", "d"], label=["x", "y", "y", "y"])
    out, entries = ran(Balance(by="label", mode="upsample"), [rows])
    assert [(e.id, e.row, e.duplicate_of, e.value, e.threshold) for e in entries] == [
        ("r0#copy1", 2**52, "r0", 1.0, 3.0),
        ("r0#copy2", 2**53, "r0", 1.0, 3.0),
    ]
    assert out["id"].to_pylist() == ["r0", "r1", "r2", "r3", "r0#copy1", "r0#copy2"]


def test_any_seed_serves() -> None:
    drawn = [tuple(groups(Balance(by="label", seed=seed), ["a"] * 40 + ["b"] * 5)[1]) for seed in (-1, 0, 1, 2**64)]
    assert drawn[3] == drawn[1] and len(set(drawn)) == 3
