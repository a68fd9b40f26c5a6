"""The line against sequences worked out by hand, and against its promises for any sequence."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.core.records import Priority
from steward.gateway.queue_records import QueueDepth, QueuedRequest, QueuePlan
from steward.gateway.route_queue import WEIGHTS, RouteQueue, lower_priority, retry_after_s, sum_depths, worker_share


def fill(line: RouteQueue, *tickets: tuple[str, Priority]) -> list[str]:
    return [line.arrive(QueuedRequest(number, *ticket), 1e9).action for number, ticket in enumerate(tickets)]


def served(line: RouteQueue, count: int) -> list[QueuedRequest]:
    found = [line.finish(None) for _ in range(count)]
    return [ticket for ticket in found if ticket is not None]


def test_runs_then_waits_then_sheds() -> None:
    line = RouteQueue(2, 1)
    assert fill(line, *[("a", "normal")] * 4) == ["run", "run", "wait", "shed"]
    assert [ticket.number for ticket in served(line, 1)] == [2] and line.finish(None) is None
    assert (line.running, line.waiting) == (1, 0)


def test_keys_take_turns_however_much_one_sends() -> None:
    line = RouteQueue(1, 100)
    fill(line, ("x", "normal"), *[("a", "normal")] * 6, ("b", "normal"), ("b", "normal"), ("c", "normal"))
    assert "".join(ticket.key for ticket in served(line, 9)) == "abcabaaaa"


def test_priorities_share_sixteen_to_four_to_one() -> None:
    line = RouteQueue(1, 300)
    fill(line, ("x", "normal"), *[("k", priority) for priority in WEIGHTS for _ in range(100)])
    counts = Counter(ticket.priority for ticket in served(line, 105))
    assert [counts[priority] for priority in WEIGHTS] == [80, 20, 5]


def test_a_full_line_makes_room_for_who_has_less_in_it() -> None:
    line = RouteQueue(1, 4)
    fill(line, ("x", "normal"), *[("greedy", "normal")] * 4)
    verdict = line.arrive(QueuedRequest(9, "modest"), 1e9)
    assert verdict.action == "wait" and verdict.displaced == QueuedRequest(4, "greedy")
    assert line.arrive(QueuedRequest(10, "greedy"), 1e9).reason == "full"
    assert line.waiting == 4


def test_a_full_line_makes_room_for_the_higher_but_keeps_a_part_for_the_lower() -> None:
    line = RouteQueue(1, 4)
    fill(line, ("x", "normal"), *[("a", "low")] * 4)
    verdicts = [line.arrive(QueuedRequest(10 + number, f"k{number}", "high"), 1e9) for number in range(5)]
    assert [verdict.action for verdict in verdicts] == ["wait", "wait", "wait", "shed", "shed"]  # ceil(4 · 1/21) stays
    assert [verdict.displaced.number for verdict in verdicts if verdict.displaced] == [4, 3, 2]


def test_who_would_wait_longer_than_its_client_is_sent_away_at_once() -> None:
    line = RouteQueue(2, 100)
    fill(line, *[("a", "normal")] * 3)
    line.finish(4.0)  # each place is held for 4 s, two places: one is free every 2 s
    assert line.predict_wait_s(QueuedRequest(9, "a")) == 2.0
    fill(line, ("a", "normal"), ("b", "normal"))
    verdict = line.arrive(QueuedRequest(10, "a"), 5.9)  # a's own and b's are before it: third in line
    assert (verdict.action, verdict.reason, verdict.wait_s) == ("shed", "late", 6.0)
    assert line.arrive(QueuedRequest(11, "c"), 6.0).action == "wait"


def test_who_leaves_is_not_served() -> None:
    line = RouteQueue(1, 10)
    fill(line, ("x", "normal"), ("a", "normal"), ("b", "normal"))
    line.leave(QueuedRequest(1, "a"))
    assert [ticket.number for ticket in served(line, 1)] == [2]


ARRIVALS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(list(WEIGHTS))), st.just("finish"), st.integers(0, 50)
    ),
    max_size=200,
)


@given(st.integers(1, 4), st.integers(0, 8), ARRIVALS)
def test_nothing_is_lost_doubled_or_unbounded(concurrency: int, length: int, events: list[object]) -> None:
    """A model of one set: whatever happens, the line is within its bounds and every ticket is in one place."""
    line = RouteQueue(concurrency, length)
    waiting: dict[int, QueuedRequest] = {}
    running = 0
    for number, event in enumerate(events):
        if isinstance(event, tuple):
            ticket = QueuedRequest(number, *event)
            verdict = line.arrive(ticket, 1e9)
            if verdict.displaced:
                del waiting[verdict.displaced.number]
            running += verdict.action == "run"
            if verdict.action == "wait":
                waiting[number] = ticket
        elif event == "finish" and running:
            following = line.finish(1.0)
            assert (following is None) == (not waiting)
            running -= following is None
            if following:
                del waiting[following.number]
        elif isinstance(event, int) and event in waiting:
            line.leave(waiting.pop(event))
        assert line.running == running <= concurrency and line.waiting == len(waiting) <= length
        assert not waiting or running == concurrency  # no place stands empty while somebody waits


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 40), min_size=2))
def test_keys_that_wait_are_served_alike(loads: dict[str, int]) -> None:
    """Round robin: while two keys both wait, the numbers served of them differ by one at most."""
    line = RouteQueue(1, 1000)
    fill(line, ("x", "normal"), *[(key, "normal") for key, count in loads.items() for _ in range(count)])
    counts: Counter[str] = Counter()
    for ticket in served(line, sum(loads.values())):
        counts[ticket.key] += 1
        open_ = [counts[key] for key in loads if counts[key] < loads[key]]
        assert not open_ or max(open_) - min(open_) <= 1
    assert counts == loads


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 5))
def test_the_lowest_is_served_within_its_share(high: int, normal: int, keys: int) -> None:
    """No starvation: with new high and normal ones at every step, a low one runs within 21 + 1 places."""
    line = RouteQueue(1, 10_000)
    fill(line, ("x", "normal"), *[("h", "high")] * high, *[("n", "normal")] * normal)
    line.arrive(QueuedRequest(5000, "low", "low"), 1e9)
    for step in range(22):
        line.arrive(QueuedRequest(6000 + 2 * step, f"h{step % keys}", "high"), 1e9)
        line.arrive(QueuedRequest(6001 + 2 * step, f"n{step % keys}", "normal"), 1e9)
        following = line.finish(None)
        if following and following.number == 5000:
            return
    raise AssertionError("starved")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(WEIGHTS))), min_size=1, max_size=30))
def test_the_prediction_is_never_short_of_the_wait_when_nobody_else_comes(tickets: list[tuple[str, Priority]]) -> None:
    line = RouteQueue(1, 100)
    line.arrive(QueuedRequest(1000, "x"), 1e9)
    line.finish(1.0)  # a place is held for one second
    fill(line, ("x", "normal"), *tickets[:-1])
    last = QueuedRequest(999, *tickets[-1])
    predicted = line.arrive(last, 1e9).wait_s
    served_before = [ticket.number for ticket in served(line, len(tickets))].index(999)
    assert served_before + 1 <= predicted + 1e-9


def test_small_numbers() -> None:
    assert [worker_share(8, 2), worker_share(1, 4), worker_share(0, 4)] == [4, 1, 0]
    assert [retry_after_s(seconds) for seconds in (0.0, 1.2, 500.0)] == [1, 2, 60]
    assert lower_priority("low", "normal") == "low" and lower_priority("high", "normal") == "normal"
    assert pytest.approx(sum(WEIGHTS.values())) == 21


def test_a_route_has_room_for_1024_and_lets_them_wait_half_a_minute() -> None:
    """docs/reference/configuration: `gateway.concurrency`, `gateway.queue`, `gateway.queue_wait_s`."""
    assert QueuePlan() == QueuePlan(concurrency=1024, queue=1024, wait_s=30.0)


def test_the_time_that_a_place_is_held_is_a_smoothed_mean() -> None:
    line = RouteQueue(1, 100)
    for held_s, mean_s in ((4.0, 4.0), (14.0, 5.0), (5.0, 5.0), (None, 5.0)):  # 4 + .1 * (14 - 4) = 5
        line.arrive(QueuedRequest(1, "x"), 1e9)
        line.finish(held_s)
        assert line.predict_wait_s(QueuedRequest(2, "a")) == mean_s


def waits_for(*waiting: tuple[str, Priority], priority: Priority = "normal", key: str = "new") -> float:
    """Requests served up to and with a newcomer, each of one second."""
    line = RouteQueue(1, 1000)
    line.arrive(QueuedRequest(1000, "x"), 1e9)
    line.finish(1.0)
    fill(line, ("x", "normal"), *waiting)
    return line.predict_wait_s(QueuedRequest(999, key, priority))


def test_a_newcomer_waits_for_one_round_of_the_other_keys() -> None:
    assert waits_for(*[("a", "normal")] * 3) == 2
    assert waits_for(*[("a", "normal")] * 3, *[("b", "normal")] * 3) == 3
    assert waits_for(*[("a", "normal")] * 3, ("new", "normal")) == 4


def test_a_newcomer_waits_for_the_other_priorities_share() -> None:
    assert waits_for(*[("h", "high")] * 100) == 1 + 4  # 16 to 4
    assert waits_for(*[("l", "low")] * 100) == 1 + 1  # 1 to 4
    assert waits_for(*[("h", "high")] * 100, priority="low") == 1 + 16
    assert waits_for(*[("h", "high")] * 3) == 1 + 3


def test_a_priority_that_was_idle_has_saved_nothing_up() -> None:
    line = RouteQueue(1, 1000)
    fill(line, ("x", "normal"), *[("h", "high")] * 120)
    served(line, 80)  # five times 16
    for number in range(10):
        line.arrive(QueuedRequest(500 + number, "l", "low"), 1e9)
    assert [ticket.priority for ticket in served(line, 16)].count("low") == 1


def full(*waiting: tuple[str, Priority]) -> RouteQueue:
    line = RouteQueue(1, len(waiting))
    fill(line, ("x", "normal"), *waiting)
    return line


def comes(line: RouteQueue, key: str, priority: Priority) -> str:
    """Of the request that loses its place the priority, "full" where none does."""
    decision = line.arrive(QueuedRequest(999, key, priority), 1e9)
    return decision.displaced.priority if decision.displaced else decision.reason


def test_each_priority_is_guaranteed_its_share_of_a_full_queue() -> None:
    """Of 21 places 16, 4 and 1."""
    normals = full(*((f"n{number}", "normal") for number in range(21)))
    assert [comes(normals, "l", "low"), comes(normals, "m", "low")] == ["normal", "full"]
    share: list[tuple[str, Priority]] = [(f"n{number}", "normal") for number in range(4)]
    assert comes(full(*share, *((f"h{number}", "high") for number in range(17))), "new", "high") == "full"
    more: list[tuple[str, Priority]] = [*share, ("n4", "normal")]
    assert comes(full(*more, *((f"h{number}", "high") for number in range(16))), "new", "high") == "normal"


def test_within_a_priority_a_key_loses_to_one_that_would_have_fewer() -> None:
    assert comes(full(("a", "normal"), ("a", "normal")), "b", "normal") == "normal"
    assert comes(full(("a", "normal"), ("a", "normal"), ("b", "normal")), "b", "normal") == "full"
    assert comes(full(("a", "normal")), "b", "normal") == "full"


def test_the_depths_of_workers_add_up() -> None:
    one, other = {"big": QueueDepth(3, 4), "small": QueueDepth(1, 0)}, {"big": QueueDepth(10, 20)}
    assert sum_depths([one, other]) == {"big": QueueDepth(13, 24), "small": QueueDepth(1, 0)}
