"""Work on one thread."""

import threading

from steward.core.threads import open_thread


def test_what_a_thread_is_given_is_done_in_turn_and_under_its_name() -> None:
    first_may_end, names = threading.Event(), []

    def work(waits: bool) -> int:
        if waits:
            first_may_end.wait(60)
        names.append(threading.current_thread().name)
        return len(names)

    with open_thread("looks") as thread:
        first, second = thread.submit(work, True), thread.submit(work, False)
        assert not names and not second.done()  # the second waits for the first
        first_may_end.set()
        assert (first.result(60), second.result(60)) == (1, 2)
    assert len(set(names)) == 1 and names[0].startswith("looks")
