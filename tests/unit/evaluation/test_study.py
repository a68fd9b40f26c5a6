"""The plan: what is asked of whom, and that nothing in it says whose answer is whose."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.study import StudyTask, Vote
from steward.evaluation.run import EvalRun
from steward.evaluation.study import (
    COVER,
    StudyOptions,
    assign_owners,
    choose_items,
    choose_left,
    comparisons_needed,
    describe_plan,
    detectable_rate,
    find_disagreements,
    latest_votes,
    make_design,
    make_tasks,
    rater_queue,
    read_gold,
    read_rubric,
)
from steward.evaluation.suite import PromptMessage
from studies import folder

RUNS = [folder("zebra-7b", lambda n: f"zebra says {n}"), folder("quokka-2", lambda n: f"a {n}")]
NAMES = [str(n) for n in range(1, 6)]


def tasks(count: int, shared: int = 0) -> list[StudyTask]:
    return [
        StudyTask(
            key=str(n), item=str(n), cluster=str(n), asked=(), references=(), answers=("a", "b"), shared=n < shared
        )
        for n in range(count)
    ]


def test_how_many_comparisons_are_needed() -> None:
    """statsmodels 0.15.0: normal_sample_size_one_tail(.1, .8, .025, .5, sqrt(.24)) is 193.847, 782.526 at .55."""
    assert (comparisons_needed(0.6), comparisons_needed(0.55)) == (194, 783)
    assert detectable_rate(783) == pytest.approx(0.55, abs=1e-4) and detectable_rate(1) == 1.0


def test_sides_are_tossed_for_each_rater_and_task() -> None:
    tossed = [[choose_left(7, f"r{rater}", str(key)) for key in range(2000)] for rater in range(2)]
    assert all(900 < sum(row) < 1100 for row in tossed)
    assert 900 < sum(a == b for a, b in zip(*tossed, strict=True)) < 1100
    assert tossed[0] == [choose_left(7, "r0", str(key)) for key in range(2000)]


def test_work_is_dealt_evenly_and_judged_work_stays() -> None:
    owners = assign_owners(tasks(100, shared=20), ["r1", "r2", "r3"], {}, set())
    assert sorted(Counter(owners.values()).values()) == [26, 27, 27] and len(owners) == 80
    voted = {key for key, owner in owners.items() if owner == "r1"}
    moved = assign_owners(tasks(100, shared=20), ["r1", "r2", "r3", "r4"], owners, voted)
    after = Counter({**owners, **moved}.values())
    assert not voted & set(moved) and after["r1"] == len(voted) and after["r4"] >= 13


def test_a_queue_is_everything_shared_and_ones_own_in_an_order_of_ones_own() -> None:
    owners = {str(n): "r1" if n % 2 else "r2" for n in range(10, 30)}
    one, other = (rater_queue(tasks(30, shared=10), owners, rater, 1) for rater in ("r1", "r2"))
    assert len(one) == len(other) == 20 and {t.key for t in one} & {t.key for t in other} == {str(n) for n in range(10)}
    assert [t.key for t in one if t.shared] != [t.key for t in other if t.shared]


def test_what_needs_no_judgement_is_counted_not_shown() -> None:
    same = folder("quokka-2", lambda n: None if n == 1 else f"zebra says {n}" if n <= 3 else "no", 12)
    made, (pairing,) = make_tasks([RUNS[0], same], StudyOptions(), [])
    assert (pairing.asked, pairing.same, pairing.failed) == (9, 2, 1) and len(made) == 9
    with pytest.raises(InputError, match="nothing to judge"):
        make_tasks([RUNS[0], RUNS[0]], StudyOptions(), [])


def test_names_of_models_are_covered_unless_they_were_asked_for() -> None:
    run = folder("Quokka-2", lambda n: "I am QUOKKA-2, not question.")
    asked = folder("question", lambda n: "other")
    made, _ = make_tasks([run, asked], StudyOptions(), [])
    assert made[0].answers[0] == f"I am {COVER}, not question."  # "question" stands in what was asked


def test_a_prompt_of_one_run_alone_is_not_shown() -> None:
    told = [
        msgspec.structs.replace(item, messages=(PromptMessage("system", "Be brief."), *item.messages))
        for item in RUNS[1].items
    ]
    briefed = EvalRun(RUNS[1].manifest, tuple(told), RUNS[1].answers)
    for pair in ([RUNS[0], briefed], [briefed, RUNS[0]]):
        for wanted in (StudyOptions(), StudyOptions(mode="rubric")):
            made, _ = make_tasks(pair, wanted, [])
            assert {role for task in made for role, _ in task.asked} == {"user"}
    made, _ = make_tasks([briefed, EvalRun(RUNS[0].manifest, tuple(told), RUNS[0].answers)], StudyOptions(), [])
    assert made[0].asked[0] == ("system", "Be brief.")


def test_every_two_runs_meet_and_few_items_are_the_same_few() -> None:
    three = [*RUNS, folder("emu", lambda n: "c")]
    made, pairings = make_tasks(three, StudyOptions(items=5), [])
    assert len(made) == 15 and [(p.first, p.second) for p in pairings] == [(0, 1), (0, 2), (1, 2)]
    assert {task.item for task in made} == {item.id for item in choose_items(three[1].items, StudyOptions(items=5))}


def test_the_plan_says_how_many_are_needed_and_when_to_stop() -> None:
    made, pairings = make_tasks(RUNS, StudyOptions(), [])
    design = make_design([("a", RUNS[0]), ("b", RUNS[1])], StudyOptions(), pairings)
    said = "\n".join(describe_plan(design, made, 2))
    assert (
        "takes 194 comparisons" in said
        and "the plan has 12 per pair" in said
        and "stop only when the queues are empty" in said
    )


def test_disagreements_wait_for_every_rater_and_corrections_count() -> None:
    def vote(rater: str, choice: str, left: int = 0) -> Vote:
        return Vote(at=0.0, rater=rater, task="0", left=left, choice=choice)  # type: ignore[arg-type]

    shared, both = tasks(1, shared=1), ["r1", "r2"]
    assert find_disagreements(shared, [vote("r1", "left")], both) == []
    assert find_disagreements(shared, [vote("r1", "left"), vote("r2", "left", left=1)], both) == ["0"]
    votes = [vote("r1", "left"), vote("r2", "tie"), vote("r2", "right", left=1)]
    assert find_disagreements(shared, votes, both) == [] and latest_votes(votes)["r2", "0"].chosen == "first"
    assert find_disagreements(shared, [vote("r1", "left"), vote("r2", "skip")], both) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("criteria: []", "at least one"),
        ("criteria: [{name: a, ask: b, levels: [c]}]", "1 levels, expected 2 to 9"),
        ("criteria: [{name: a, ask: b, levels: [c, d], more: 1}]", "more"),
        ("criteria: {", "expected"),
    ],
)
def test_a_wrong_rubric_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_rubric(tmp_path / "r.yaml")


def test_wrong_gold_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "g.jsonl").write_text('{"prompt": "p", "better": "a", "worse": "b"}\n{"prompt": "p", "better": "a"}x\n')
    with pytest.raises(InputError, match=r"g\.jsonl:2"):
        read_gold(tmp_path / "g.jsonl", StudyOptions())
    (tmp_path / "g.jsonl").write_text('{"prompt": "p", "better": "a", "worse": " a"}\n')
    with pytest.raises(InputError, match="two answers that differ"):
        read_gold(tmp_path / "g.jsonl", StudyOptions())


def test_gold_of_a_rubric_names_levels_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("criteria: [{name: right, ask: is it, levels: [wrong, partly, fully]}]")
    wanted = StudyOptions(mode="rubric", rubric=read_rubric(tmp_path / "r.yaml"))
    (tmp_path / "g.jsonl").write_text('{"prompt": "p", "answer": "a", "levels": {"right": 3}}\n')
    made, pairings = make_tasks(RUNS, wanted, read_gold(tmp_path / "g.jsonl", wanted))
    assert len(made) == 25 and made[-1].gold and made[-1].levels == {"right": 3} and len(made[0].answers) == 1
    assert [(p.first, p.second, p.asked) for p in pairings] == [(0, 0, 12), (1, 1, 12)]
    for levels in ('{"right": 4}', '{"clear": 1}'):
        (tmp_path / "g.jsonl").write_text(f'{{"prompt": "p", "answer": "a", "levels": {levels}}}\n')
        with pytest.raises(InputError, match="expected one of"):
            read_gold(tmp_path / "g.jsonl", wanted)


@pytest.mark.parametrize(("shared", "warned"), [(49, True), (50, False)])
def test_a_plan_warns_of_too_few_shared_tasks(shared: int, warned: bool) -> None:
    made, pairings = make_tasks(RUNS, StudyOptions(), [])
    design = make_design([("a", RUNS[0]), ("b", RUNS[1])], StudyOptions(), pairings)
    assert any("needs at least 50 tasks" in line for line in describe_plan(design, tasks(60, shared), 2)) == warned
    assert not any("needs at least 50" in line for line in describe_plan(design, tasks(60, 1), 1))
    assert {len(task.key) for task in made} == {16}
