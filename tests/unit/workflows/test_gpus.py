import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conftest import until
from steward.core.errors import TimedOut, Unavailable
from steward.core.gpus import Gpu, GpuReading
from steward.workflows.gpus import STALE_S, Sampler, read_once

PLUGGED = ["0000:18:00.0"]


class Reader:
    """Reads one GPU; hangs while `hang` is set; fails with `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = threading.Event()
        self.go.set()
        self.error, self.asked, self.closed = error, list[bool](), False

    def read(self, now: float, processes: bool) -> GpuReading:
        self.asked.append(processes)
        self.go.wait(60)
        if self.error is not None:
            raise self.error
        return GpuReading(at=now, source="nvml", gpus=(Gpu(index=0),))

    def close(self) -> None:
        self.closed = True


@contextmanager
def running(sampler: Sampler) -> Iterator[Sampler]:
    sampler.start()
    yield sampler
    sampler.stop()


def test_without_a_gpu_there_is_nothing_to_see() -> None:
    reading = read_once("no driver", processes=True)
    assert (reading.source, reading.gpus, reading.reason) == ("none", (), "no driver")
    asked = threading.Event()
    with running(Sampler(find=lambda: asked.set() or "no driver")) as sampler:
        assert asked.wait(60) and sampler.status().age_s is None and not sampler.status().error


def test_a_driver_that_hangs_costs_its_limit_and_no_more() -> None:
    reader = Reader()
    reader.go.clear()
    began = time.monotonic()
    with pytest.raises(TimedOut, match="did not answer within"):
        read_once(reader, processes=True, timeout_s=-1.9)
    assert time.monotonic() - began < 5
    reader.go.set()


def test_failing_tools_on_a_machine_without_a_gpu_are_no_failure() -> None:
    reader = Reader(Unavailable("nvidia-smi said: no driver"))
    assert "no driver" in read_once(reader, processes=True, plugged=list).reason
    with pytest.raises(Unavailable):
        read_once(reader, processes=True, plugged=lambda: PLUGGED)


def test_the_sampler_never_asks_for_processes_and_ends_well() -> None:
    reader = Reader()
    with running(Sampler(find=lambda: reader, interval_s=0.01)) as sampler:
        until(lambda: len(reader.asked) > 2)
        assert sampler.status().reading is not None
    until(lambda: reader.closed)
    assert not any(reader.asked)


def test_a_hanging_driver_leaves_the_last_reading_with_its_age() -> None:
    reader, now = Reader(), [100.0]
    with running(Sampler(find=lambda: reader, interval_s=0.01, clock=lambda: now[0])) as sampler:
        until(lambda: sampler.status().reading)
        reader.go.clear()
        until(lambda: sampler._busy_since == 100.0)
        now[0] = 130.0
        status = sampler.status()
        assert status.reading is not None and status.age_s == 30.0 and "not answered for 30 s" in status.error
        now[0] = 101.0 + STALE_S
        assert sampler.status().reading is None and sampler.status().age_s == 1.0 + STALE_S
        reader.go.set()
        until(lambda: sampler.status().age_s == 0.0)
        assert not sampler.status().error


def test_a_driver_that_fails_is_told_once_and_looked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader(Unavailable("Driver/library version mismatch"))
    found = list[Reader]()

    def find() -> Reader:
        found.append(reader)
        return reader

    with running(Sampler(find=find, look_again_s=0.01, plugged=lambda: PLUGGED)) as sampler:
        until(lambda: len(found) > 2)
        assert "version mismatch" in sampler.status().error and reader.closed
        reader.error = None
        until(lambda: sampler.status().reading)
        assert not sampler.status().error
    assert [record.getMessage().count("mismatch") for record in caplog.records] == [1]


def test_a_mistake_of_our_own_does_not_end_the_watch() -> None:
    reader = Reader(KeyError("x"))
    with running(Sampler(find=lambda: reader, look_again_s=0.01)) as sampler:
        until(lambda: "Internal error (KeyError)" in sampler.status().error)
        reader.error = None
        until(lambda: sampler.status().reading)


def test_a_reading_is_shown_for_five_minutes_and_a_hang_after_ten_seconds() -> None:
    """Prometheus shows a sample for 5 minutes (its lookback)."""
    now = [0.0]
    sampler = Sampler(find=lambda: "none", clock=lambda: now[0])
    assert (sampler.status().reading, sampler.status().age_s) == (None, None)
    sampler._keep(GpuReading(at=1.0, source="nvml", gpus=(Gpu(index=0),)))
    sampler._busy_since = 300.0
    shown = {}
    for now[0] in (300.0, 300.1, 310.0, 310.1):
        status = sampler.status()
        shown[now[0]] = (status.reading is not None, status.age_s, status.error)
    assert shown == {
        300.0: (True, 300.0, ""),
        300.1: (False, 300.1, ""),
        310.0: (False, 310.0, ""),
        310.1: (False, 310.1, "the driver has not answered for 10 s"),
    }
    sampler._keep(GpuReading(at=1.0, source="none"))
    assert sampler.status().age_s is None
