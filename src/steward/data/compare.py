"""What differs between two finished runs: rows, stages and the rules by which rows left. Pure: reads two summaries."""

from __future__ import annotations

import msgspec

from steward.data.summary import StageCount, Summary


class StageDifference(msgspec.Struct, frozen=True):
    """One stage of either run; None where that run does not have it."""

    name: str
    first_in: int | None
    first_out: int | None
    second_in: int | None
    second_out: int | None


class RuleDifference(msgspec.Struct, frozen=True):
    """How many rows a rule dropped, changed, merged, added or failed in each run."""

    stage: str
    rule: str  # "drop too_few_words"
    first: int
    second: int


class RunComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward data compare` prints."""

    same_inputs: bool  # the same files with the same contents
    same_rows: bool  # the rows that came out are the same, byte for byte
    first_rows: tuple[int, int]  # in, out
    second_rows: tuple[int, int]
    first_mean_characters: float  # of the rows that came out
    second_mean_characters: float
    first_tokens: int | None = None  # of the rows that came out; None where no stage counted them
    second_tokens: int | None = None
    stages: tuple[StageDifference, ...]
    rules: tuple[RuleDifference, ...]  # those whose numbers differ, the largest difference first


def compare_runs(first: Summary, second: Summary) -> RunComparison:
    """The second run beside the first."""
    return RunComparison(
        same_inputs={(item.bytes, item.digest) for item in first.inputs}
        == {(item.bytes, item.digest) for item in second.inputs},
        same_rows=first.digest == second.digest,
        first_rows=(first.rows_in, first.rows_out),
        second_rows=(second.rows_in, second.rows_out),
        first_mean_characters=_mean_characters(first),
        second_mean_characters=_mean_characters(second),
        first_tokens=first.after.tokens if first.after.token_buckets else None,
        second_tokens=second.after.tokens if second.after.token_buckets else None,
        stages=tuple(_compare_stages(first.stages, second.stages)),
        rules=tuple(_compare_rules(first.stages, second.stages)),
    )


def _mean_characters(summary: Summary) -> float:
    return summary.after.characters / summary.after.rows if summary.after.rows else 0.0


def _compare_stages(first: tuple[StageCount, ...], second: tuple[StageCount, ...]) -> list[StageDifference]:
    """In the order of the second run; what only the first has comes last."""
    before, after = ({count.name: count for count in stages} for stages in (first, second))
    differences = []
    for name in [*after, *(name for name in before if name not in after)]:
        first_rows, second_rows = (
            (stages[name].rows_in, stages[name].rows_out) if name in stages else (None, None)
            for stages in (before, after)
        )
        differences.append(StageDifference(name, *first_rows, *second_rows))
    return differences


def _compare_rules(first: tuple[StageCount, ...], second: tuple[StageCount, ...]) -> list[RuleDifference]:
    counts = [
        {(count.name, rule): rows for count in stages for rule, rows in count.rules.items()}
        for stages in (first, second)
    ]
    differences = [
        RuleDifference(*key, counts[0].get(key, 0), counts[1].get(key, 0))
        for key in dict.fromkeys([*counts[0], *counts[1]])
        if counts[0].get(key, 0) != counts[1].get(key, 0)
    ]
    return sorted(differences, key=lambda item: (-abs(item.second - item.first), item.stage, item.rule))
