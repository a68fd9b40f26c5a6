import pytest

from steward.loadtest.config import Arrival, LoadConfig
from steward.loadtest.recorder import Recorder, SenderResult, SenderStats
from steward.loadtest.response import CAUSES
from steward.workflows.loadtest import sweep as workflow
from steward.workflows.loadtest.run import build_finished_run

CONFIG = LoadConfig(url="http://h", model="m", arrival=Arrival(kind="constant", rate=1.0), duration_s=1.0)


class Server:
    """Stands for runs: answers in 100 ms up to its capacity, and one after another above it."""

    def __init__(self, capacity, interrupt_at=None, late_from=1e9):
        self.capacity, self.interrupt_at, self.late_from, self.loads = capacity, interrupt_at, late_from, []

    def run_load(self, config, **_):
        arrival = config.arrival
        rate = arrival.rate or 10.0 * arrival.concurrency
        self.loads.append(arrival.rate or arrival.concurrency)
        recorder = Recorder()
        late = 1.0 if rate >= self.late_from else 0.0
        for number in range(int(rate * config.duration_s)):
            took = 0.1 + number * max(0.0, 1 / self.capacity - 1 / rate)
            recorder.add(number / rate, late, took, took, took, 0, took, 5, 2, 2, 1, 1, 200, CAUSES.index("ok"), 0)
        stats = SenderStats(stopped="interrupted" if len(self.loads) == self.interrupt_at else "")
        rows = recorder.rows[: 56 * recorder.count]
        return build_finished_run(config, [SenderResult(rows, bytes(800_000), stats)], 0.0)


@pytest.fixture
def server(monkeypatch):
    def make(*given, **options):
        made = Server(*given, **options)
        monkeypatch.setattr(workflow, "run_load", made.run_load)
        monkeypatch.setattr(workflow, "measure_request_s", lambda config: 0.1)
        return made

    return make


def test_given_rates_are_run_in_their_order(server):
    made = server(1e9)
    lines: list[str] = []
    found = workflow.sweep(CONFIG, rates=(20.0, 10.0), step_s=2.0, on_line=lines.append)
    assert made.loads == [20.0, 10.0] and [point.load for point in found.points] == [10.0, 20.0]
    assert found.arrival == "constant" and "20 req/s: " in lines[0] and not found.partial and found.saturates_at is None


def test_without_rates_it_doubles_until_saturated(server):
    made = server(45.0)
    found = workflow.sweep(CONFIG, step_s=10.0)
    assert made.loads[:4] == [10.0, 20.0, 40.0, 80.0] and len(made.loads) == 10
    assert found.keeps_up_to <= 48 and 45 < found.saturates_at < 60


def test_users_are_a_closed_loop(server):
    server(1e9)
    found = workflow.sweep(CONFIG, users=(1, 2), step_s=2.0)
    assert found.arrival == "concurrency" and found.saturates_at is None and found.points[0].concurrency == 1


@pytest.mark.parametrize(
    "options, said",
    [
        ({"rates": (10.0, 20.0, 40.0)}, "interrupted after 1 step; run the others with --rates 20,40"),
        ({"users": (1, 2, 4)}, "interrupted after 1 step; run the others with --users 2,4"),
        ({}, "interrupted after 1 step; run the command again for a whole sweep"),
    ],
)
def test_k9_an_interrupted_step_is_left_out_and_the_rest_is_named(server, options, said):
    server(1e9, interrupt_at=2)
    found = workflow.sweep(CONFIG, step_s=1.0, **options)
    assert found.partial and len(found.points) == 1 and found.notes[-1] == said


def test_an_invalid_step_ends_a_sweep_that_chooses_its_rates(server):
    made = server(1e9, late_from=20.0)
    found = workflow.sweep(CONFIG, step_s=3.0)
    assert made.loads == [10.0, 20.0] and not found.points[1].valid
    assert found.notes[0].startswith("20 req/s: the client was late")
