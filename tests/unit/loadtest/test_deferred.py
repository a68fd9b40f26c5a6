from steward.loadtest import deferred
from steward.loadtest.deferred import MAX_WAITING, DeferredWork
from steward.loadtest.timer import clock


class Loop:
    """Keeps what is to be called soon."""

    def __init__(self):
        self.soon = []

    def call_soon(self, call):
        self.soon.append(call)


def work(next_send=float("inf"), to_make=0):
    made: list[int] = []

    def make_next():
        if len(made) >= to_make:
            return False
        made.append(1)
        return True

    loop = Loop()
    found = DeferredWork(lambda: next_send, make_next)
    found.start(loop)
    return found, loop, made


def test_jobs_are_done_before_requests_are_made():
    found, loop, made = work(to_make=3)
    order = []
    found.add(lambda: order.append(len(made)))
    assert len(loop.soon) == 1
    found.run_slice()
    assert order == [0] and len(made) == 3


def test_it_is_scheduled_once():
    found, loop, _ = work()
    found.schedule()
    found.schedule()
    found.add(lambda: None)
    assert len(loop.soon) == 1
    found.run_slice()
    found.schedule()
    assert len(loop.soon) == 2


def test_nothing_begins_when_a_send_is_due():
    found, loop, made = work(next_send=clock(), to_make=3)
    done = []
    found.add(lambda: done.append(1))
    found.run_slice()
    assert done == [] and made == [] and len(loop.soon) == 1  # the send calls `schedule` when it is over


def test_too_many_jobs_do_not_wait_for_the_sends():
    found, _, _ = work(next_send=clock())
    done = []
    for _ in range(MAX_WAITING):
        found.add(lambda: done.append(1))
    found.run_slice()
    assert done


def test_a_long_job_ends_the_slice_and_the_rest_is_scheduled(monkeypatch):
    times = iter([0.0, 0.0, 0.001])
    monkeypatch.setattr(deferred, "clock", lambda: next(times))
    found, loop, _ = work()
    done = []
    found.add(lambda: done.append("first"))
    found.add(lambda: done.append("second"))
    found.run_slice()
    assert done == ["first"] and len(loop.soon) == 2


def test_at_the_end_all_jobs_are_done():
    found, _, _ = work(next_send=0.0)
    done = []
    found.add(lambda: done.append(1))
    found.add(lambda: done.append(2))
    found.finish()
    assert done == [1, 2]
