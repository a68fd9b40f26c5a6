import numpy as np
import pytest

from steward.loadtest.recorder import COARSE_S, FINE_S, RECORD, Recorder, TokenTotals


def test_a_record_is_read_as_it_was_written():
    recorder = Recorder()
    recorder.add(1.5, 0.25, 0.5, 2.0, 2.5, 0.125, 0.75, 7, 8, 9, 2, 3, 200, 1, 2)
    (row,) = np.frombuffer(recorder.pack(), dtype=np.dtype(RECORD))
    assert row.tolist() == (1.5, 0.25, 0.5, 2.0, 2.5, 0.125, 0.75, 7, 8, 9, 2, 3, 200, 1, 2)
    assert len(recorder.pack()) == 56


def test_the_buffer_grows():
    recorder = Recorder()
    for number in range(10_000):
        recorder.add(number, *[0] * 14)
    rows = np.frombuffer(recorder.pack(), dtype=np.dtype(RECORD))
    assert len(rows) == recorder.count == 10_000 and rows["intended"][-1] == 9999


def test_gaps_are_counted_in_bins_of_ten_microseconds_and_above_a_second_of_one_millisecond():
    recorder = Recorder()
    recorder.add_gaps([0.0, 0.015004, 1.515004, 1000.0])
    places = [place for place, count in enumerate(recorder.gaps) if count]
    assert places == [1500, 100_000 + 1500, 199_999]  # the last bin takes what is longer
    assert pytest.approx(0.015) == 1500 * FINE_S and 1500 * COARSE_S == 1.5


def test_token_totals():
    totals = TokenTotals()
    totals.add(10, 12)
    totals.add(20, 18)
    assert (totals.requests, totals.asked, totals.got) == (2, 30, 30)


def test_the_buffer_grows_by_a_block_or_a_quarter():
    """Of 4096 rows and more; so that a long test copies each row four times at most."""
    recorder, lengths = Recorder(), []
    for number in range(32_001):
        recorder.add(number, *[0] * 14)
        if len(recorder.rows) // 56 not in lengths:
            lengths.append(len(recorder.rows) // 56)
    assert lengths == [4096, 8192, 12_288, 16_384, 20_480, 25_600, 32_000, 40_000] and len(recorder.rows) % 56 == 0


def test_gaps_up_to_a_second_are_fine_and_one_of_a_second_is_coarse():
    recorder = Recorder()
    recorder.add_gaps([0.0, 1.0, 1.5, 101.5])  # 100 s and more stand in the last bin
    assert [place for place, count in enumerate(recorder.gaps) if count] == [50_000, 101_000, 199_999]
    assert len(recorder.gaps) == 200_000
