"""A machine's clock that is set changes nothing; time that passes does."""

from __future__ import annotations

from steward.core.steady_clock import SteadyClock


def test_it_reads_the_clock_once_and_counts_on_from_there() -> None:
    moments = {"clock": 1_000.0, "monotonic": 50.0}
    now = SteadyClock(lambda: moments["clock"], lambda: moments["monotonic"])
    assert now() == 1_000.0
    moments |= {"clock": 1_000.0 + 3_600.0, "monotonic": 53.0}  # set an hour ahead, three seconds later
    assert now() == 1_003.0
    moments |= {"clock": 0.0, "monotonic": 60.5}
    assert now() == 1_010.5
