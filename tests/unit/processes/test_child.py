"""When a process that ended is started again."""

import json
import sys
import time
from pathlib import Path

import pytest

from conftest import until
from steward.processes.child import STEADY_S, Child, backoff


def test_waits_before_restarts_grow_and_the_last_repeats() -> None:
    assert [backoff(failures) for failures in (1, 2, 3, 4, 5, 6, 7, 8, 100)] == [0.1, 0.2, 0.5, 1, 2, 5, 10, 10, 10]


def ended(child: Child, at: float) -> None:
    """The child's process has ended, and the supervisor noticed at `at`."""
    assert child.process is not None
    child.process.wait(30)
    assert child.watch(at)


@pytest.fixture
def child() -> Child:
    return Child("worker-3", [sys.executable, "-c", "raise SystemExit(7)"], ())


def test_a_process_that_ends_is_started_again_after_a_wait(child: Child) -> None:
    child.start(0.0)
    ended(child, 1.0)
    assert (child.kind, child.exit_code, child.is_running, child.restarts) == ("worker", 7, False, 0)
    assert not child.watch(1.09) and child.watch(1.1) and child.restarts == 1
    ended(child, 2.0)
    assert not child.watch(2.19) and child.watch(2.2) and child.restarts == 2  # the second failure waits 0.2 s
    assert child.wait(30) == 7


def test_one_that_lived_long_starts_the_waits_over(child: Child) -> None:
    child.start(0.0)
    ended(child, 1.0)
    child.watch(2.0)
    ended(child, 2.0 + STEADY_S)
    assert not child.watch(2.19 + STEADY_S) and child.watch(2.2 + STEADY_S)  # exactly as long is not longer
    ended(child, 2.3 + 2 * STEADY_S)
    assert child.watch(2.4 + 2 * STEADY_S)
    assert child.wait(30) == 7


def test_one_that_does_not_stop_is_made_to() -> None:
    child = Child("keeper", [sys.executable, "-c", "import time; time.sleep(600)"], ())
    assert child.wait(1.0) is None  # it was never started
    child.signal(15)
    child.start(time.monotonic())
    assert child.is_running and not child.watch(0.0)
    assert child.wait(0.01) == -9 and not child.is_running


def test_a_signal_reaches_it() -> None:
    child = Child("keeper", [sys.executable, "-c", "import time; time.sleep(600)"], ())
    child.start(0.0)
    child.signal(15)
    until(lambda: not child.is_running)
    assert child.wait(1.0) == -15


def test_a_process_gives_memory_back_unless_the_operator_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mallopt(3): a threshold that is set does not grow with what is freed."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    script = f"import json, os; json.dump(dict(os.environ), open({str(tmp_path / 'env')!r}, 'w'))"
    child = Child("worker-0", [sys.executable, "-c", script], ())
    child.start(0.0)
    assert child.wait(30) == 0
    seen = json.loads((tmp_path / "env").read_text())
    assert (seen["MALLOC_MMAP_THRESHOLD_"], seen["MALLOC_ARENA_MAX"]) == ("262144", "7")


def test_a_process_that_cannot_be_started_is_tried_again_later() -> None:
    child = Child("worker-0", ["/no/such/program"], ())
    assert child.watch(0.0) and child.process is None and child.restarts == 1
    assert not child.watch(0.05)  # BACKOFF_S: 0.1 s after the first failure
    child._command = [sys.executable, "-c", ""]
    assert child.watch(0.1) and child.process is not None and child.restarts == 2
    child.wait(30)
