"""Right values are worked out by hand from the rules in docs/how-to/build-a-training-set.md."""

import hmac
from collections import Counter

import pytest

from steward.improvement.dataset import selection
from steward.improvement.dataset.rows import TrainingRow

KEY = bytes(32)


def row(name, **fields):
    given = {
        "origin": "file",
        "source": "f",
        "purposes": ("training",),
        "prompt": ({"role": "user", "content": f"question {name}"},),
        "completion": ({"role": "assistant", "content": "answer"},),
    }
    return TrainingRow(id=str(name), **{**given, **fields})


def ids(taken):
    return [one.id for one in taken.rows]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"basis": "consent", "consent": "given"}, None),
        ({"basis": "public", "consent": "withheld"}, "the person said no"),
        ({"basis": "consent"}, "no consent on record"),
        ({"basis": "consent", "consent": "withheld"}, "the person said no"),
        ({"purposes": ("support",)}, "not kept for training"),
        ({"purposes": ()}, "not kept for training"),
    ],
)
def test_rows_are_taken_by_purpose_and_consent(fields, reason):
    taken = selection.keep_allowed([row(1, **fields)])
    assert (ids(taken), taken.reasons) == ((["1"], {}) if reason is None else ([], {reason: 1}))


def test_a_row_needs_a_question_and_an_answer():
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}
    rows = [
        row(1),
        row(2, prompt=({"role": "system", "content": "Be kind."},)),
        row(3, completion=()),
        row(4, completion=({"role": "assistant", "content": ""},)),
        row(5, completion=(call,)),
    ]
    taken = selection.keep_complete(rows)
    assert ids(taken) == ["1", "5"]
    assert taken.reasons == {"no question": 1, "no answer": 2}


def test_people_of_evaluation_sets_are_left_out():
    rows = [row(1, subject="x"), row(2, subject="y"), row(3)]
    taken = selection.leave_out_subjects(rows, {"x", ""})
    assert (ids(taken), taken.reasons) == (["2", "3"], {"in an evaluation set": 1})


def test_one_person_has_at_most_a_share_and_a_number_of_rows():
    rows = [row(n, subject="one") for n in range(30)] + [row(100 + n, subject=f"p{n}") for n in range(70)]
    assert len(selection.cap_subjects(rows, 0.05, 20).rows) == 75  # 5 of 100
    assert len(selection.cap_subjects(rows, 0.5, 20).rows) == 90
    assert ids(selection.cap_subjects(rows, 0.05, 20))[:5] == ["0", "1", "2", "3", "4"]
    assert len(selection.cap_subjects(rows[:3], 0.05, 20).rows) == 1  # never none
    assert len(selection.cap_subjects([row(n) for n in range(9)], 0.05, 20).rows) == 9  # nobody knows whose


def test_a_group_may_be_tolerance_times_its_share_of_traffic():
    rows = [row(n, group="a") for n in range(80)] + [row(100 + n, group="b") for n in range(20)]
    taken = selection.balance_groups(rows, {"a": 1.0, "b": 3.0}, 2.0)
    counts = Counter(one.group for one in taken.rows)
    assert counts == {"a": 20, "b": 20}  # 2 × 1/4 of 40 is 20
    assert taken.reasons == {"more of group a than in traffic": 60}
    assert counts["a"] / len(taken.rows) <= 2.0 * 0.25


def test_without_shares_or_for_groups_that_traffic_does_not_have_nothing_is_taken_away():
    rows = [row(n, group="a") for n in range(9)]
    assert len(selection.balance_groups(rows, {}, 2.0).rows) == 9
    assert len(selection.balance_groups(rows, {"b": 1.0}, 2.0).rows) == 9


def test_a_model_may_have_written_half_of_the_rows():
    rows = [row(n, by_model=True) for n in range(10)] + [row(10 + n) for n in range(4)]
    taken = selection.limit_model_rows(rows, 0.5)
    assert ids(taken) == ["0", "1", "2", "3", "10", "11", "12", "13"]
    assert taken.reasons == {"more than 50% written by the model": 6}
    assert len(selection.limit_model_rows(rows, 0.5, others=3).rows) == 11  # 7 by people beside 7
    assert len(selection.limit_model_rows(rows, 1.0).rows) == 14
    assert selection.limit_model_rows(rows[:10], 0.5).rows == []


def test_replay_is_a_share_of_the_whole_slice():
    old = [row(n, origin="replay") for n in range(100)]
    taken = selection.choose_replay(old, 90, 0.25, KEY)
    assert len(taken.rows) == 30  # 30 of 120
    assert taken.reasons == {"more than the replay share": 70}
    assert ids(selection.choose_replay(list(reversed(old)), 90, 0.25, KEY)) == ids(taken)[::-1]  # by id, not by place
    assert len(selection.choose_replay(old, 900, 0.25, KEY).rows) == 100
    assert selection.choose_replay(old, 90, 0.0, KEY).rows == []


def test_the_slice_of_a_person_is_their_hmac_modulo_a_hundred():
    one = row(1, subject="5f2c")
    bucket = int.from_bytes(hmac.digest(KEY, b"split subject 5f2c", "sha256")[:8], "big") % 100
    expected = "train" if bucket < 80 else "select" if bucket < 90 else "judge"
    assert selection.choose_split(one, KEY) == selection.choose_split(row(2, subject="5f2c"), KEY) == expected
    assert selection.choose_split(row(3, subject="5f2c", origin="replay"), b"other key" * 4) == "train"


def test_four_fifths_are_trained_on_and_a_tenth_each_selects_and_judges():
    counts = Counter(selection.choose_split(row(n, subject=f"person {n}"), KEY) for n in range(10_000))
    # binomial: 3 standard deviations of 10,000 draws at 0.8 and 0.1 are 120 and 90
    assert abs(counts["train"] - 8000) < 120 and abs(counts["select"] - 1000) < 90 and abs(counts["judge"] - 1000) < 90


def test_too_little_is_refused_with_the_reason():
    rows = [row(n, subject=f"p{n % 4}") for n in range(20)]
    assert selection.find_shortfall(rows, 20, 4) == ""
    assert selection.find_shortfall(rows, 21, 4) == "20 rows are left to train on; expected 21 or more (floor.rows)"
    assert selection.find_shortfall(rows, 20, 5) == ("all 20 rows are of 4 people; expected 5 or more (floor.subjects)")
    assert "one person" in selection.find_shortfall([row(n, subject="x") for n in range(20)], 20, 2)
    assert selection.find_shortfall([], 1, 1) == "no row is left; expected 1 or more (floor.rows)"
    replayed = [row(n, origin="replay") for n in range(20)]
    assert selection.find_shortfall(replayed, 1, 1).startswith("no row is left")


DAY = 86400.0


@pytest.mark.parametrize(
    ("ages", "days", "most", "now", "begins"),
    [
        (range(40), 7.0, 0.2, 100 * DAY, 93 * DAY),  # 8 of 40: days 93 to 100
        (range(30), 7.0, 0.2, 100 * DAY, None),  # 8 of 30 are more than a fifth
        (range(40), 0.0, 0.2, 100 * DAY, None),
        ([-3650, *range(39)], 7.0, 0.25, 100 * DAY, 93 * DAY),  # a clock that was ten years ahead
        ([], 7.0, 0.2, 100 * DAY, None),
    ],
)
def test_the_newest_days_are_held_back_unless_they_are_most_of_what_there_is(ages, days, most, now, begins):
    rows = [row(n, at=(100 - age) * DAY) for n, age in enumerate(ages)]
    assert selection.find_newest([*rows, row("old", origin="replay", at=99 * DAY)], days, most, now)[0] == begins


def test_newest_rows_judge_whosever_they_are_but_nobody_leaves_the_judge():
    rows = [row(n, subject=f"s{n}", at=at) for n in range(200) for at in (10.0, 20.0)]
    before = {one.id + str(one.at): selection.choose_split(one, KEY) for one in rows}
    after = {one.id + str(one.at): selection.choose_split(one, KEY, 20.0) for one in rows}
    assert {after[name] for name in after if name.endswith("20.0")} == {"judge", "newest"}
    assert all(after[name] == split for name, split in before.items() if split == "judge" or name.endswith("10.0"))
    assert selection.choose_split(row(1, at=None), KEY, 20.0) == selection.choose_split(row(1, at=None), KEY)
    assert selection.choose_split(row(1, origin="replay", at=30.0), KEY, 20.0) == "train"
