import pytest

from corpus_stages import batch, cut, ran
from steward.core.errors import InputError, UnknownName
from steward.data.stages.sample import Mix, Sample

ROWS = batch(["x"] * 100, tokens=[10] * 100, source=["web"] * 60 + ["books"] * 30 + ["code"] * 10)


@pytest.mark.parametrize(
    ("stage", "count"),
    [
        (Sample(rows=7), 7), (Sample(rows=100), 100), (Sample(rows=500), 100), (Sample(share=0.25), 25),
        (Sample(share=1.0), 100), (Sample(budget=105), 10), (Sample(budget=110), 11), (Sample(budget=9), 0),
    ],
)  # fmt: skip
def test_so_many_rows_are_drawn_whatever_the_batches(stage: Sample, count: int) -> None:
    one, entries = ran(stage, [ROWS])
    many, _ = ran(stage, cut(ROWS, 7))
    assert len(one) == count and one["id"] == many["id"]
    assert {(entry.action, entry.rule) for entry in entries} <= {("drop", "sample")}


def test_a_larger_sample_holds_the_smaller_and_another_seed_is_another() -> None:
    ids = [
        set(ran(Sample(rows=rows, seed=seed), [ROWS])[0]["id"].to_pylist()) for rows, seed in ((9, 0), (30, 0), (9, 1))
    ]
    assert ids[0] < ids[1] and ids[0] != ids[2]


def test_a_sample_is_asked_for_in_one_way() -> None:
    for settings in ({}, {"rows": 1, "share": 0.5}):
        with pytest.raises(InputError, match="one of rows, share and budget"):
            Sample(**settings)
    with pytest.raises(UnknownName):
        Sample(budget=1, of="token").survey(ROWS)


def counts(stage: Mix) -> dict[str, int]:
    out, _ = ran(stage, cut(ROWS, 9))
    found = out["source"].to_pylist()
    return {name: found.count(name) for name in ("web", "books", "code") if name in found}


def test_groups_are_mixed_by_their_weights() -> None:
    assert counts(Mix(by="source", weights={"web": 1, "books": 1})) == {"web": 30, "books": 30}
    assert counts(Mix(by="source", weights={"web": 3, "books": 1, "code": 1})) == {"web": 30, "books": 10, "code": 10}
    assert counts(Mix(by="source", weights={"web": 0.5, "code": 0.5}, rows=10)) == {"web": 5, "code": 5}
    _, entries = ran(Mix(by="source", weights={"web": 1}), [ROWS])
    assert [entry.rule for entry in entries] == ["not_in_mix"] * 40


def test_what_cannot_be_mixed_is_said() -> None:
    for settings, expected in (
        ({"weights": {}}, "weight above 0"),
        ({"weights": {"web": 0}}, "weight above 0"),
        ({"weights": {"web": 1, "wiki": 1}}, "no row has source 'wiki'"),
        ({"weights": {"web": 1, "code": 1}, "rows": 21}, "at most 20"),
    ):
        with pytest.raises(InputError, match=expected):
            ran(Mix(by="source", **settings), [ROWS])
    with pytest.raises(UnknownName):
        Mix(by="origin", weights={"web": 1}).survey(ROWS)
