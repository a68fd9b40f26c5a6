"""Tasks in processes of this machine; with one worker in this process."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from steward.core.errors import Unavailable
from steward.core.extend import Done, Task


class LocalExecutor:
    """A process pool with forkserver, which is safe beside threads; `workers` as many as cores where not given.

    The processes live until `close`, so that a run of several phases starts them once.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        """See `Executor`. Only twice as many tasks as workers wait, so that big ones are not copied early."""
        if self.workers == 1 or len(tasks) < 2:
            yield from map(function, tasks)
            return
        pool = self._pool = self._pool or _pool(self.workers, function.__module__)
        open_: set[Future[Done]] = set()
        try:
            for task in tasks:
                open_.add(pool.submit(function, task))
                if len(open_) >= 2 * self.workers:
                    finished, open_ = wait(open_, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            while open_:
                finished, open_ = wait(open_, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        except BrokenProcessPool as error:
            self._pool = None
            raise Unavailable(
                "a worker process was killed, as when memory ran out; run the same command again to go on where it "
                "stopped, with fewer --workers or a smaller input.shard_mb"
            ) from error
        finally:
            for future in open_:
                future.cancel()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pool(workers: int, module: str) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])  # its libraries load once, not once a worker
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(dict(os.environ),))


def _begin(environment: dict[str, str]) -> None:
    """Take over the environment of now, such as a store's credentials: the server that forks began with an older one.

    Nobody collects the work of a run that was killed: end with it.
    """
    os.environ.update(environment)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
