"""The keeper: migrates the store at its start and runs the periodic jobs, of which draining the ledger is one."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import socket
import threading
import time
from pathlib import Path

from steward.core.files import OTHERS
from steward.processes.lifeline import disable_core_dumps, end_with_supervisor, report_errors
from steward.workflows.erasures import replay_journal
from steward.workflows.jobs import JobRunner, list_jobs
from steward.workflows.keys import open_keys
from steward.workflows.rights.restored import finish_restore
from steward.workflows.serve.deployment import HomeDeployment, make_deployment
from steward.workflows.serve.plan import read_plan


def main() -> None:
    """`python -m steward.processes.keeper --plan FILE --alive-fd N [--once]`; `--once`: drain what is there and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--alive-fd", type=int, required=True)
    parser.add_argument("--once", action="store_true")
    arguments = parser.parse_args()
    disable_core_dumps()
    logging.basicConfig(level=logging.WARNING, format="keeper %(levelname)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_supervisor(arguments.alive_fd, 15.0)
    os.umask(OTHERS)  # the database is as private as the rest of the home
    run_jobs(make_deployment(read_plan(arguments.plan)), stop, arguments.once)


def run_jobs(deployment: HomeDeployment, stop: threading.Event, once: bool) -> None:
    """Run the jobs until `stop` is set, then drain a last time.

    :raises InputError: another root key than the store's :raises Unavailable: the store does not answer at the start
    """
    roots = deployment.follow_roots()
    with open_keys(deployment, time.time()) as (store, publisher, _):
        replay_journal(deployment.home, store.subject_keys)  # before anything is read: the store may have been set back
        finish_restore(Path(deployment.home), store, roots())
        publisher.publish()
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        runner = JobRunner(list_jobs(deployment, store, roots), store.jobs, holder)
        (deployment.home / "run" / "store-ready").touch()
        while not (stop.is_set() or once):
            stop.wait(runner.run_due())
        runner.run("drain")


if __name__ == "__main__":
    with report_errors("keeper"):
        main()
