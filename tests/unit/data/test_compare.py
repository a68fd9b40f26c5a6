from typing import Any

import msgspec

from steward.data.compare import compare_runs
from steward.data.profile import LengthStatistics
from steward.data.read_plan import InputFile
from steward.data.summary import StageCount, Summary

READ = StageCount("read", 10, 10)
QUALITY = StageCount("quality", 10, 7, dropped=3, rules={"drop short": 2, "drop refusal": 1})
BASE = Summary(
    rows_in=10, rows_out=7, added=0, dropped=3, merged=0, failed=0, blank_lines=0, empty_files=0,
    stages=(READ, QUALITY),
    digest="a", parts=(), inputs=(InputFile("in.jsonl", 5, "x"),), key="k", kind="text", before=LengthStatistics(),
    after=LengthStatistics(7, 70),
)  # fmt: skip


def changed(**fields: Any) -> Summary:
    return msgspec.structs.replace(BASE, **fields)


def test_a_run_beside_itself_is_the_same() -> None:
    found = compare_runs(BASE, changed(inputs=(InputFile("other/in.jsonl", 5, "x"),)))
    assert found.same_inputs and found.same_rows and found.rules == ()
    assert (found.first_rows, found.second_rows) == ((10, 7), (10, 7))
    assert (found.first_mean_characters, found.second_mean_characters) == (10.0, 10.0)


def test_reasons_that_differ_come_by_the_size_of_the_difference() -> None:
    other = StageCount("quality", 10, 4, dropped=6, rules={"drop short": 1, "drop long": 5})
    found = compare_runs(BASE, changed(stages=(READ, other), digest="b", rows_out=4, after=LengthStatistics()))
    assert [(item.rule, item.first, item.second) for item in found.rules] == [
        ("drop long", 0, 5), ("drop refusal", 1, 0), ("drop short", 2, 1)
    ]  # fmt: skip
    assert not found.same_rows and found.second_mean_characters == 0.0


def test_a_stage_of_one_run_only_has_no_numbers_of_the_other() -> None:
    found = compare_runs(
        BASE, changed(stages=(READ, StageCount("pii", 10, 10)), inputs=(InputFile("in.jsonl", 5, "y"),))
    )
    assert [(item.name, item.first_in, item.first_out, item.second_in, item.second_out) for item in found.stages] == [
        ("read", 10, 10, 10, 10), ("pii", None, None, 10, 10), ("quality", 10, 7, None, None)
    ]  # fmt: skip
    assert not found.same_inputs
