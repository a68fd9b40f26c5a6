from data_batches import batch
from steward.data.decisions import make_decision, remove_rows


def test_absent_columns_are_nulls_and_one_rule_is_for_all() -> None:
    decision = make_decision([4, 7], action="drop", rule="too_odd", value=[1.5, 2.5], threshold=1.0)
    assert decision.to_pylist() == [
        {
            "row": row, "id": None, "action": "drop", "rule": "too_odd", "value": value, "threshold": 1.0,
            "duplicate_of": None,
        }
        for row, value in ((4, 1.5), (7, 2.5))
    ]  # fmt: skip


def test_dropped_and_merged_rows_go_and_are_named_by_the_batchs_ids() -> None:
    decision = make_decision([2, 0], action="merge", rule=["a", "b"], ids=["x", "y"], duplicate_of=["d1", "d1"])
    result = remove_rows(batch("p", "q", "r"), decision, "s")
    assert result.batch["text"].to_pylist() == ["q"]
    assert [(e.id, e.row, e.rule, e.stage, e.duplicate_of) for e in result.entries] == [
        ("d2", 2, "a", "s", "d1"),
        ("d0", 0, "b", "s", "d1"),
    ]
