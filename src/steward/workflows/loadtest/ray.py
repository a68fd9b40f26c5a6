"""One load test from Ray tasks, on whatever machines the cluster gives them."""

from __future__ import annotations

import time
from typing import Final

from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.loadtest.config import LoadConfig, check_config
from steward.loadtest.ipc import SenderTask
from steward.loadtest.sender import send_in_task
from steward.workflows.loadtest.run import FinishedRun, build_finished_run, require_extra

_LEAD_S: Final = 3.0  # between handing out the tasks and the start, in which Ray starts its workers


def run_on_ray(config: LoadConfig) -> FinishedRun:
    """Run one load test from `config.processes` Ray tasks. All start at one time of the machines' clocks.

    :raises InputError: the configuration is wrong, or the extra `ray` is not installed
    """
    require_extra()
    check_config(config)
    try:
        from steward.adapters.executors.ray import RayExecutor
    except ImportError as error:
        raise InputError(f"--ray needs Ray: {install_command('ray')}") from error
    with RayExecutor(config.processes) as executor:
        list(executor.map(_warm_up, list(range(config.processes))))
        start_at = time.time() + _LEAD_S
        tasks = [
            SenderTask(config=config, index=index, of=config.processes, began=0.0) for index in range(config.processes)
        ]
        results = list(executor.map(send_in_task, [(task, start_at) for task in tasks]))
    return build_finished_run(config, results, start_at)


def _warm_up(index: int) -> int:
    """Import in the worker what the run needs, before the run: unpickling this function does it."""
    return index
