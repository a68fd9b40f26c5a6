"""Tasks on a Ray cluster (extra `ray`): RAY_ADDRESS where it is set, else a local one.

Ray's core tasks, not Ray Data: the shards and their records are ours. Every node must see the same files under the same
paths, as with a shared file system.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import ray

from steward.core.errors import Unavailable
from steward.core.extend import Done, Task


class RayExecutor:
    """As many tasks at the same time as the cluster has CPUs; `workers` for a local one."""

    def __init__(self, workers: int | None = None) -> None:
        self._ours = not ray.is_initialized()
        address = os.environ.get("RAY_ADDRESS")
        if self._ours and address:
            ray.init(address=address, log_to_driver=False)
        elif self._ours:
            ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)

    def map(self, function: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        """See `Executor`."""
        remote = ray.remote(function)
        open_ = [remote.remote(task) for task in tasks]
        try:
            while open_:
                finished, open_ = ray.wait(open_, num_returns=1)
                yield from ray.get(finished)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None  # the error that the function raised
        except ray.exceptions.RayError as error:
            raise Unavailable(f"Ray: {type(error).__name__}; run the same command again to go on") from error
        finally:
            for reference in open_:
                ray.cancel(reference)

    def close(self) -> None:
        if self._ours:
            ray.shutdown()

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
