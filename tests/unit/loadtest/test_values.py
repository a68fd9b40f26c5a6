import numpy as np
import pytest

from steward.loadtest.objective import parse_objective
from steward.loadtest.recorder import RECORD, Recorder, SenderResult, SenderStats
from steward.loadtest.response import CAUSES, HTTP, OK
from steward.loadtest.values import (
    count_good,
    has_unknown_value,
    judge,
    metric_values,
    read_records,
    select_rows,
    values_with_failures,
)


def rows(*requests):
    """Each: seconds of intended, late, first, last, tokens, first_tokens, cause."""
    found = np.zeros(len(requests), dtype=np.dtype(RECORD))
    for place, (intended, late, first, last, tokens, first_tokens, cause) in enumerate(requests):
        found[place]["intended"], found[place]["late"] = intended, late
        found[place]["first"] = found[place]["first_output"] = first
        found[place]["last"], found[place]["output_tokens"], found[place]["first_tokens"] = last, tokens, first_tokens
        found[place]["cause"] = cause
    return found


ONE = (0.0, 0.25, 0.5, 1.5, 11, 1, OK)  # ten tokens in a second after the first
BUNDLED = (1.0, 0.0, 0.5, 1.5, 11, 6, OK)  # six with the first event: five in the second after it
AT_ONCE = (2.0, 0.0, 0.5, 0.5, 11, 0, OK)
SINGLE = (3.0, 0.0, 0.5, 0.5, 1, 1, OK)
FAILED = (4.0, 0.0, np.nan, np.nan, 0, 0, HTTP)
ALL = rows(ONE, BUNDLED, AT_ONCE, SINGLE, FAILED)


def test_latencies_count_from_the_intended_send_or_the_actual_one():
    assert metric_values(ALL, "ttft")[0] == 500 and metric_values(ALL, "e2e")[0] == 1500
    assert metric_values(ALL, "ttft", from_actual=True)[0] == 250 and metric_values(ALL, "ttfo")[0] == 500


def test_l1_tpot_counts_the_tokens_after_those_of_the_first_event():
    assert list(metric_values(ALL, "tpot")[:2]) == [100.0, 200.0]  # 1,000 ms over 10 and over 5
    assert list(metric_values(ALL, "tps")[:2]) == [10.0, 5.0]
    assert np.isnan(metric_values(ALL, "tpot")[2:]).all() and np.isnan(metric_values(ALL, "tps")[2:]).all()


def test_l1_an_answer_that_arrives_at_once_has_an_unknown_tpot():
    assert list(has_unknown_value(ALL, "tpot")) == [False, False, True, False, False]
    assert not has_unknown_value(ALL, "ttft").any()
    two = (2.0, 0.0, 0.5, 0.5, 2, 0, OK)  # two tokens at once are the fewest that hide something
    assert list(has_unknown_value(rows(two, SINGLE), "tps")) == [True, False]
    (term,) = judge(rows(*[AT_ONCE] * 300), parse_objective("tpot_p95<50ms"))
    assert (term.answer, term.n, term.unknown) == ("unclear", 0, 300)


def test_failures_are_beyond_every_limit():
    assert values_with_failures(ALL, "ttft")[4] == np.inf and values_with_failures(ALL, "tps")[4] == 0
    assert list(values_with_failures(ALL, "error_rate")) == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "slo, good",
    [
        ("ttft<500ms", 4),  # all that were answered
        ("ttft<499ms", 0),
        ("tpot<150ms", 2),  # the first, and the one with a single token, which has no TPOT
        ("tps>6", 2),
        ("e2e<1s", 2),
        ("ttft<500ms,e2e<1s", 2),
    ],
)
def test_goodput_counts_answers_that_are_known_to_meet_every_limit(slo, good):
    assert count_good(ALL, parse_objective(slo)) == good


def add(recorder, intended):
    recorder.add(intended, 0, 0.1, 0.2, 0.2, 0, 0.1, 5, 2, 2, 1, 1, 200, CAUSES.index("ok"), 0)


def test_records_of_several_processes_are_in_order_of_the_intended_send():
    recorders = [Recorder(), Recorder()]
    for number in range(6):
        add(recorders[number % 2], 5.0 - number)
    found = read_records([SenderResult(bytes(one.pack()), b"", SenderStats()) for one in recorders])
    assert list(found["intended"]) == [0, 1, 2, 3, 4, 5] and found["status"][0] == 200 and found["first_tokens"][0] == 1


def test_one_process_is_sorted_where_it_is():
    recorder = Recorder()
    add(recorder, 2.0)
    add(recorder, 1.0)
    buffer = bytearray(recorder.pack())
    found = read_records([SenderResult(buffer, b"", SenderStats())])
    assert list(found["intended"]) == [1.0, 2.0] and np.frombuffer(buffer, dtype=np.dtype(RECORD))["intended"][0] == 1.0


def test_selecting_all_rows_copies_nothing():
    assert select_rows(ALL, np.ones(5, dtype=np.bool_)) is ALL
    assert len(select_rows(ALL, np.array([True, False, False, False, True]))) == 2


def test_two_tokens_have_a_time_between_them_and_none_has_a_speed_without_time():
    two = (0.0, 0.0, 0.5, 0.75, 2, 1, OK)
    no_time = (0.0, 0.0, 0.5, 0.5, 2, 1, OK)
    assert list(metric_values(rows(two, no_time), "tpot")) == [250.0, 0.0]
    assert metric_values(rows(two, no_time), "tps")[0] == 4.0 and np.isnan(metric_values(rows(no_time), "tps")[0])


def test_l1_a_single_token_hides_nothing():
    assert not has_unknown_value(rows((0.0, 0.0, 0.5, 0.5, 1, 0, OK)), "tpot").any()
