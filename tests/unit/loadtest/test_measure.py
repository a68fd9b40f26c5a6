import numpy as np
import pytest

from steward.loadtest.config import Arrival, LoadConfig
from steward.loadtest.measure import MAX_SAMPLES, build_report, compute_rate
from steward.loadtest.recorder import Recorder, SenderResult, SenderStats, TokenTotals
from steward.loadtest.response import CAUSES

OK = CAUSES.index("ok")


def config(**fields):
    return LoadConfig(**({"url": "http://h:1", "model": "m", "arrival": Arrival(kind="constant", rate=10.0)} | fields))


def result(rows, **stats):
    recorder = Recorder()
    for row in rows:
        recorder.add(*row)
    return SenderResult(bytearray(recorder.pack()), recorder.gaps.tobytes(), SenderStats(**stats))


def row(intended, late=0.0, first=0.1, last=0.5, end=0.5, tokens=5, first_tokens=1, cause="ok", **more):
    status, source, events = more.get("status", 200), more.get("source", 0), more.get("events", 5)
    times = (intended, late, first, last, end, 0.002, first)
    return (*times, 40, tokens, events, first_tokens, 1, status, CAUSES.index(cause), source)


def report(rows, stats=None, **fields):
    return build_report(config(**fields), [result(rows, **(stats or {}))], 1000.0)


TEN = [row(number / 10, late=0.001) for number in range(10)]


def test_a_run_of_known_numbers():
    found = report(TEN)
    assert (found.sent, found.answered, found.failed, found.url) == (10, 10, 0, "http://h:1/v1/chat/completions")
    assert found.duration_s == pytest.approx(1.4) and found.achieved_rate == pytest.approx(10.0)
    assert found.answered_rate == pytest.approx(10 / 1.4) and found.output_tok_s == pytest.approx(50 / 1.4)
    assert found.input_tok_s == pytest.approx(400 / 1.4) and found.input_tokens_mean == 40
    assert found.ttft_ms.p50 == pytest.approx(100, rel=1e-5) and found.ttfo_ms.p50 == found.ttft_ms.p50
    assert found.tpot_ms.p50 == pytest.approx(100, rel=1e-5)  # 400 ms over 4 tokens
    assert found.from_actual_send.ttft_ms.p50 == pytest.approx(99, rel=1e-5)
    assert found.concurrency_mean == pytest.approx(10 * 0.499 / 1.4, rel=1e-4) and found.concurrency_max == 5
    assert found.tokens_per_event_mean == 1 and found.tokens_from == "usage" and found.valid


def test_warm_up_is_left_out():
    found = report(TEN, warmup_s=0.3)
    assert found.sent == 7 and found.samples.at_s[0] == pytest.approx(0.0) and found.duration_s == pytest.approx(1.1)


def test_failures_by_cause_and_status():
    bad = [row(1.0, cause="http", status=429)] * 2 + [row(1.1, cause="stalled"), row(1.2, cause="unfinished")]
    found = report([*TEN, *bad])
    assert found.errors == {"http_429": 2, "stalled": 1, "unfinished": 1} and found.failed == 3 and found.answered == 10
    assert any("1 request was still in flight" in text for text in found.warnings)


def test_the_weakest_source_of_tokens_is_named():
    assert report([*TEN, row(1.0, source=2)]).tokens_from == "estimated"
    assert report([row(0.0, cause="http")]).tokens_from == "none"
    assert report([*TEN, row(1.0, source=2, tokens=500)]).tokens_per_event_mean == 1  # estimates do not count


def test_objectives_and_goodput():
    slow = [row(1.0 + number / 10, first=2.0, last=3.0, end=3.0) for number in range(5)]
    found = report([*TEN, *slow], slo="ttft_p50<1s,error_rate<50%")
    assert found.goodput_rate == pytest.approx(10 / found.duration_s) and len(found.slo_terms) == 2
    assert report(TEN).slo_met is None and report(TEN).goodput_rate is None and report(TEN).slo_terms == ()
    assert report(TEN * 30, slo="ttft<1s").slo_met is True and report(TEN * 30, slo="ttft<10ms").slo_met is False


def test_l1_an_answer_that_arrives_at_once_has_no_tpot_and_a_warning():
    found = report([row(number / 10, first=0.5, first_tokens=0, events=1) for number in range(300)], slo="tpot<50ms")
    assert found.tpot_ms.n == 0 and found.tpot_ms.p50 is None and found.slo_met is None
    assert any("300 of 300 answers arrived all at once" in text for text in found.warnings)
    assert any("bundles tokens, 5.0 in an event" in text for text in found.warnings)


def test_the_worst_process_counts_for_the_clients_health():
    stats = [
        {"lag_ms": [lag] * 6, "lags": 100, "cpu_share": lag / 10, "connections": 2, "peak_mb": 3.0}
        for lag in (1.0, 2.0)
    ]
    found = build_report(config(), [result(TEN, **one) for one in stats], 0.0)
    assert found.client.loop_lag_ms.p99 == 2.0 and found.client.loop_lag_ms.p999 is None  # of 100 heartbeats
    assert found.client.loop_lag_ms.max == 2.0 and found.client.cpu_share == 0.2
    assert found.client.connections == 4 and found.client.peak_mb == 6.0 and found.processes == 2
    assert found.client.late_ms.p50 == pytest.approx(1.0, rel=1e-4) and found.client.connect_ms.p50 == pytest.approx(
        2.0
    )


def test_dispersion_needs_windows_that_are_wide_beside_the_lateness():
    many = [row(number / 10, late=0.001) for number in range(200)]
    assert report(many).client.dispersion_asked == pytest.approx(0.0, abs=0.1)
    assert report(TEN).client.dispersion_asked is None  # two windows of five requests


def test_samples_are_thinned_to_five_thousand():
    rows = [row(number / 100) for number in range(2 * MAX_SAMPLES)]
    found = report(rows).samples
    assert found.every == 2 and len(found.at_s) == MAX_SAMPLES and found.at_s[1] == 0.02
    assert found.in_flight[100] == 50 and found.output_tokens[0] == 5 and found.tpot_ms[0] == pytest.approx(100)
    assert report([row(0.0, first=np.nan, first_tokens=0)]).samples.ttft_ms == (None,)


def test_gaps_of_all_processes_are_one_histogram():
    recorder = Recorder()
    recorder.add_gaps([0.0, 0.02, 0.04])
    recorder.add(*row(0.0))
    one = SenderResult(bytearray(recorder.pack()), recorder.gaps.tobytes(), SenderStats())
    found = build_report(config(), [one, one], 0.0)
    assert found.itl_ms.n == 4 and found.itl_ms.p50 == pytest.approx(20.005, abs=0.011)


def test_a_stopped_run_is_partial_and_an_empty_one_invalid():
    assert report(TEN, {"stopped": "interrupted"}).partial
    empty = report([])
    assert empty.sent == 0 and not empty.valid and empty.concurrency_max == 0 and empty.series == ()


def test_l6_a_replay_is_held_against_its_own_lengths():
    exact = {"output_totals": TokenTotals(10, 50, 50)}
    assert not any("were asked for" in text for text in report(TEN, exact, output_tokens="128").warnings)


def test_rates():
    assert compute_rate(np.array([1.0, 1.5, 2.0])) == 2.0 and compute_rate(np.array([3.0])) == 1.0
    assert compute_rate(np.array([3.0, 3.0])) == 2.0 and compute_rate(np.array([])) == 0.0


def test_a_run_that_took_no_time_has_a_nanosecond():
    assert report([]).duration_s == 1e-9 and report([row(0.0, first=0.0, last=0.0, end=0.0)]).duration_s == 1e-9


@pytest.mark.parametrize(
    "fields, streamed",
    [({}, True), ({"stream": False}, False), ({"endpoint": "embeddings"}, False)],
)
def test_whether_answers_were_streamed(fields, streamed):
    assert report(TEN, **fields).streamed == streamed


def test_intervals_are_of_times_from_the_intended_send():
    many = [row(number / 10, late=0.001) for number in range(100)]
    found = report(many)
    assert found.ttft_ms.intervals and found.e2e_ms.intervals
    assert not found.from_actual_send.ttft_ms.intervals and not found.from_actual_send.e2e_ms.intervals


def test_gaps_are_the_middles_of_their_bins():
    """Of 10 us up to a second, and of a millisecond beyond."""
    recorder = Recorder()
    recorder.add_gaps([0.0, 0.020004, 1.520404])
    recorder.add(*row(0.0))
    found = build_report(
        config(), [SenderResult(bytearray(recorder.pack()), recorder.gaps.tobytes(), SenderStats())], 0
    )
    assert found.itl_ms.p50 == pytest.approx(20.005, abs=1e-6) and found.itl_ms.max == pytest.approx(1500.5, abs=1e-6)


def test_twenty_requests_in_four_windows_have_a_dispersion():
    """Five in each, from 5 s on; where the fifth is sent 0.2 s late there are 4, 6, 5 and 5: (2/3) / 5."""
    even = [row(5.0 + number / 10, late=0.2 if number == 4 else 0.0) for number in range(20)]
    client = report(even).client
    assert client.dispersion_asked == pytest.approx(0.0) and client.dispersion_achieved == pytest.approx(2 / 15)
    assert report(even[:-1]).client.dispersion_asked is None


def test_the_rate_of_two_is_that_of_their_gap():
    assert compute_rate(np.array([0.0, 0.25])) == 4.0


def test_answers_without_text_have_no_tokens_in_an_event():
    assert report([*TEN, row(1.0, events=0, tokens=50)]).tokens_per_event_mean == 1


def test_samples_are_rounded_to_a_tenth_of_a_millisecond_and_a_microsecond():
    found = report([row(0.12346, first=0.1234567, last=0.2234567)]).samples
    assert found.every == 1 and found.at_s == (0.1235,) and len(report([row(0.0)] * 5000).samples.at_s) == 5000
    assert found.ttft_ms == (123.457,) and found.e2e_ms == (223.457,) and found.tpot_ms == (25.0,)
