"""The plan: what is asked of whom, and that nothing in it says whose answer is whose."""

from __future__ import annotations

import hashlib
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


def rubric(folder: Path, levels: int) -> StudyOptions:
    names = ", ".join(f"l{n}" for n in range(levels))
    (folder / "r.yaml").write_text(f"criteria: [{{name: right, ask: is it, levels: [{names}]}}]")
    return StudyOptions(mode="rubric", rubric=read_rubric(folder / "r.yaml"))


@pytest.mark.parametrize(("levels", "fits"), [(1, False), (2, True), (9, True), (10, False)])
def test_a_criterion_has_two_to_nine_levels(tmp_path: Path, levels: int, fits: bool) -> None:
    if fits:
        assert rubric(tmp_path, levels).rubric is not None
    else:
        with pytest.raises(InputError, match=f"right has {levels} levels, expected 2 to 9"):
            rubric(tmp_path, levels)


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        ('{"prompt": "p", "answer": "a"}', "expected {"), ('{"prompt": "p", "levels": {"right": 1}}', "expected {"),
        ('{"prompt": "p", "answer": "a", "levels": {"right": 0}}', "levels.right is 0, expected one of"),
        ('{"prompt": "p", "answer": "a", "levels": {"right": 3}}', "levels.right is 3"),
        ('{"prompt": "p", "answer": "a", "levels": {"right": 1}}', ""),
        ('{"prompt": "p", "answer": "a", "levels": {"right": 2}}', ""),
    ],
)  # fmt: skip
def test_gold_has_an_answer_and_levels_from_1(tmp_path: Path, gold: str, said: str) -> None:
    wanted = rubric(tmp_path, 2)
    (tmp_path / "g.jsonl").write_text(gold)
    if said:
        with pytest.raises(InputError, match=said):
            read_gold(tmp_path / "g.jsonl", wanted)
    else:
        made, _ = make_tasks(RUNS, wanted, read_gold(tmp_path / "g.jsonl", wanted) * 2)
        assert [task.item for task in made if task.gold] == ["gold 1", "gold 2"]
        assert [task.cluster for task in made if task.gold] == ["gold 1", "gold 2"]
        assert {len(task.key) for task in made} == {16} and len({task.key for task in made}) == len(made)


@pytest.mark.parametrize(("overlap", "shared"), [(0.0, 0), (0.3, 4), (0.25, 3), (1.0, 12)])
def test_the_shared_part_of_the_tasks_is_rounded_up(overlap: float, shared: int) -> None:
    made, _ = make_tasks(RUNS, StudyOptions(overlap=overlap), [])
    assert sum(task.shared for task in made) == shared and len(made) == 12
    assert [task.shared for task in made] == [True] * shared + [False] * (12 - shared)


@pytest.mark.parametrize(("name", "covered"), [("emu", True), ("x2", False)])
def test_names_of_three_letters_are_covered_and_of_two_are_not(name: str, covered: bool) -> None:
    made, _ = make_tasks([folder(name, lambda n: f"I am {name}."), folder("quokka-2", lambda n: "other")],
                         StudyOptions(), [])  # fmt: skip
    assert (COVER in made[0].answers[0]) == covered


def test_where_nothing_was_asked_of_all_the_last_message_is_shown() -> None:
    def asked(run: EvalRun, *texts: str) -> EvalRun:
        messages = tuple(PromptMessage("user", text) for text in texts)
        items = tuple(msgspec.structs.replace(item, messages=messages) for item in run.items)
        return EvalRun(run.manifest, items, run.answers)

    made, _ = make_tasks([asked(RUNS[0], "one", "two"), asked(RUNS[1], "three")], StudyOptions(), [])
    assert made[0].asked == (("user", "two"),)


def test_a_design_has_the_words_that_were_given_or_those_of_its_mode(tmp_path: Path) -> None:
    _, pairings = make_tasks(RUNS, StudyOptions(), [])
    runs = [("a", RUNS[0]), ("b", RUNS[1])]
    plain = make_design(runs, StudyOptions(), pairings)
    assert plain.title and plain.question and (plain.overlap, plain.seed, plain.detect) == (0.3, 12345, 0.6)
    own = make_design(runs, StudyOptions(title="T", question="Q?"), pairings)
    assert (own.title, own.question) == ("T", "Q?")
    (tmp_path / "r.yaml").write_text("criteria: [{name: a, ask: b, levels: [c, d]}]\nquestion: R?\nguide: G")
    wanted = StudyOptions(mode="rubric", rubric=read_rubric(tmp_path / "r.yaml"))
    rated = make_design(runs, wanted, pairings)
    assert (rated.question, rated.guide, rated.criteria[0].name) == ("R?", "G", "a")
    assert make_design(runs, msgspec.structs.replace(wanted, question="Q?"), pairings).question == "Q?"


def test_a_queue_holds_nobody_elses_tasks() -> None:
    owners = {str(n): "r1" if n % 2 else "r2" for n in range(10, 30)}
    mine = {task.key for task in rater_queue(tasks(30, shared=10), owners, "r1", 1) if not task.shared}
    assert mine == {key for key, owner in owners.items() if owner == "r1"}


def test_a_study_that_goes_on_shows_the_same_sides() -> None:
    """The first eight hexadecimal digits of a SHA-256, odd or even."""
    digests = [hashlib.sha256(f"7\x1fside\x1fr0\x1f{key}".encode()).hexdigest() for key in range(40)]
    assert [choose_left(7, "r0", str(key)) for key in range(40)] == [int(digest[7], 16) % 2 for digest in digests]


def test_nobody_disagrees_about_gold_or_what_is_not_shared() -> None:
    def vote(rater: str, left: int) -> Vote:
        return Vote(at=0.0, rater=rater, task="0", left=left, choice="left")

    votes = [vote("r1", 0), vote("r2", 1)]
    (one,) = tasks(1, shared=1)
    assert find_disagreements([one], votes, ["r1", "r2"]) == ["0"]
    for other in (msgspec.structs.replace(one, gold=True), msgspec.structs.replace(one, shared=False)):
        assert find_disagreements([other], votes, ["r1", "r2"]) == []


@pytest.mark.parametrize(("raters", "each"), [(2, 9), (1, 12), (4, 8), (0, 12)])
def test_a_plan_says_how_much_work_there_is(raters: int, each: int) -> None:
    """Ten tasks of which four are everybody's, and two of gold: 4 + 2 + a share of 6, rounded up."""
    _, pairings = make_tasks(RUNS, StudyOptions(), [])
    design = make_design([("a", RUNS[0]), ("b", RUNS[1])], StudyOptions(), pairings)
    ten = tasks(10, shared=4)
    gold = [msgspec.structs.replace(task, key=f"g{task.key}", gold=True, shared=True) for task in ten[:2]]
    said = describe_plan(design, [*ten, *gold], raters)
    assert said[0].startswith("12 items, 10 tasks (4 of them judged by every rater) and 2 gold tasks;")
    assert f"about {each} tasks for each of {raters} raters" in said[0]
    assert not any("not shown" in line for line in said)


@pytest.mark.parametrize(("same", "failed"), [(1, 0), (0, 1)])
def test_a_plan_says_what_is_not_shown(same: int, failed: int) -> None:
    _, pairings = make_tasks(RUNS, StudyOptions(), [])
    pairings = [msgspec.structs.replace(one, same=same, failed=failed) for one in pairings]
    design = make_design([("a", RUNS[0]), ("b", RUNS[1])], StudyOptions(), pairings)
    expected = f"not shown: {same} items with identical answers, {failed} with a missing answer"
    assert expected in describe_plan(design, tasks(60, 60), 2)
