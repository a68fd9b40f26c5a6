import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_stages import batch, cut, ran
from steward.core.errors import InputError, UnknownName
from steward.data.stages.pack import Pack, number_packs


@pytest.mark.parametrize(
    ("sizes", "length", "packs"),
    [
        ([], 10, []),
        ([10], 10, [0]),
        ([5, 5], 10, [0, 0]),
        ([5, 6], 10, [0, 1]),
        ([0, 0], 10, [0, 0]),
        ([10, 0], 10, [0, 0]),
        # Best fit by hand: 7 and 6 open packs of 3 and 4 left; 4 goes where 4 is left, 3 where 3 is.
        ([3, 4, 6, 7], 10, [0, 1, 1, 0]),
        # First fit would put 2 beside 7, best fit beside 8.
        ([7, 8, 2], 10, [0, 1, 1]),
        ([11, 3, 7], 10, [0, 1, 1]),
    ],
)
def test_each_row_goes_where_the_least_room_is_left(sizes: list[int], length: int, packs: list[int]) -> None:
    assert number_packs(np.array(sizes, np.int64), length).tolist() == packs


@given(st.lists(st.integers(0, 40), max_size=60))
@settings(deadline=None)
def test_no_pack_is_too_long_and_no_two_fit_into_one(sizes: list[int]) -> None:
    packs = number_packs(np.array(sizes, np.int64), 40)
    totals = np.bincount(packs, sizes) if sizes else np.zeros(0)
    assert (totals <= 40).all()
    assert len(totals) < 2 or sum(sorted(totals.tolist())[:2]) > 40  # else the two would be one


def test_rows_are_numbered_whatever_the_batches_and_stay_in_order() -> None:
    rows = batch(["a", "b", "c", "d"], tokens=[5, 9, 4, 12])
    out, entries = ran(Pack(length=10), [rows])
    assert out["pack"].to_pylist() == [0, 1, 0] and out["id"].to_pylist() == ["r0", "r1", "r2"]
    assert [(e.id, e.stage, e.action, e.rule, e.value, e.threshold) for e in entries] == [
        ("r3", "pack", "drop", "too_long", 12.0, 10.0)
    ]
    again, _ = ran(Pack(length=10), cut(rows, 1))
    assert again["pack"] == out["pack"]


def test_long_rows_may_stand_alone_and_extra_tokens_count() -> None:
    rows = batch(["a", "b", "c"], tokens=[12, 5, 5])
    assert ran(Pack(length=10, too_long="alone"), [rows])[0]["pack"].to_pylist() == [0, 1, 1]
    assert ran(Pack(length=10, extra=1), [rows])[0]["pack"].to_pylist() == [0, 1]
    assert ran(Pack(length=12, extra=1), [rows])[0]["pack"].to_pylist() == [0, 0]
    assert ran(Pack(length=12), [rows])[0]["pack"].to_pylist() == [0, 1, 1]  # just as long as a pack


def test_what_is_no_length_is_refused() -> None:
    with pytest.raises(UnknownName):
        Pack(length=10).survey(batch(["a"], token=[1]))
    for values in ([None], [-1], [1.5], ["1"]):
        with pytest.raises(InputError, match=r"'tokens' of type .* whole number from 0"):
            Pack(length=10).survey(batch(["a"], tokens=pa.array(values)))
    assert Pack(length=10).survey(batch(["a"], tokens=[0]))["size"].to_pylist() == [0]
    assert ran(Pack(length=10), [batch([], tokens=pa.array([], pa.int64()))])[0].num_rows == 0
