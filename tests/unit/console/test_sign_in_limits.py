from __future__ import annotations

import pytest

from steward.console.sign_in_limits import SignInLimits, explain_wait

KEY = bytes(32)
HALF_YEAR = 180 * 24 * 3600  # seconds


def test_an_address_has_ten_tries_a_minute_whatever_the_names() -> None:
    limits = SignInLimits(KEY)
    assert [limits.take("a", f"name{number}", "", 0.0, 0.0) for number in range(11)] == [True] * 10 + [False]
    assert limits.take("b", "name0", "", 0.0, 0.0) and limits.take("a", "other", "", 60.1, 0.0)


def test_an_account_has_twenty_tries_a_quarter_from_strangers_whatever_their_addresses() -> None:
    limits = SignInLimits(KEY)
    assert [limits.take(f"a{number}", "anna", "", 0.0, 0.0) for number in range(21)] == [True] * 20 + [False]
    assert limits.take("a99", "bert", "", 0.0, 0.0)
    assert not limits.take("a99", "anna", "", 899.0, 0.0) and limits.take("a99", "anna", "", 900.1, 0.0)


def test_a_flood_of_strangers_does_not_lock_out_the_owner() -> None:
    limits = SignInLimits(KEY)
    mark = limits.make_mark("anna", 0.0)
    for number in range(1000):
        limits.take(f"a{number}", "anna", "", 0.0, 0.0)
    assert [limits.take(f"home{number}", "anna", mark, 0.0, 1.0) for number in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize("name", ["bert", "", "anna2"])
def test_a_mark_is_good_for_its_own_account_alone(name: str) -> None:
    limits = SignInLimits(KEY)
    mark = limits.make_mark("anna", 0.0)
    assert limits.is_mark_of(mark, "anna", 1.0) and not limits.is_mark_of(mark, name, 1.0)


def test_a_mark_ends_and_cannot_be_made_up() -> None:
    limits = SignInLimits(KEY)
    mark = limits.make_mark("anna", 0.0)
    assert limits.is_mark_of(mark, "anna", HALF_YEAR - 1.0) and not limits.is_mark_of(mark, "anna", float(HALF_YEAR))
    later = f"{HALF_YEAR * 9}.{mark.partition('.')[2]}"
    forged = [
        later,
        "",
        ".",
        mark[:-1],
        mark.upper(),
        SignInLimits(b"x" * 32).make_mark("anna", 0.0),
        "é.x",
        "9" * 5000,
    ]
    assert not any(limits.is_mark_of(text, "anna", 1.0) for text in forged)


def test_a_mark_is_not_read_as_one_of_another_account_whose_name_ends_its_own() -> None:
    limits = SignInLimits(KEY)
    end, _, signature = limits.make_mark("b\x00anna", 0.0).partition(".")
    assert not limits.is_mark_of(f"{end}\x00b.{signature}", "anna", 1.0)


def test_who_is_locked_out_is_told_until_when() -> None:
    limits = SignInLimits(KEY)
    for number in range(10):
        limits.take("a", f"name{number}", "", float(number), 0.0)
    assert limits.find_wait_s("a", "other", "", 20.0, 0.0) == 40.0  # the first of ten a minute was at 0
    for number in range(20):
        limits.take(f"b{number}", "anna", "", 30.0, 0.0)
    assert limits.find_wait_s("c", "anna", "", 100.0, 0.0) == 830.0  # of twenty a quarter of an hour
    assert limits.find_wait_s("c", "bert", "", 100.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("wait_s", "words"),
    [(0.4, "1 second"), (1.1, "2 seconds"), (119.0, "119 seconds"), (119.1, "2 minutes"), (120.1, "3 minutes")],
)
def test_a_wait_is_told_in_whole_seconds_or_from_two_minutes_on_in_minutes(wait_s: float, words: str) -> None:
    assert explain_wait(wait_s) == f"Too many attempts. Try again in {words}."
