"""The keeper: migrates the store at its start and moves the ledger into it while others serve."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
import time
from pathlib import Path

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import Unavailable
from steward.processes.lifeline import disable_core_dumps, end_with_supervisor, report_errors
from steward.workflows.drain import drain_once
from steward.workflows.sealing import SPOOL
from steward.workflows.serve.plan import read_plan, store_url

log = logging.getLogger(__name__)

ROUND_S = 0.2


def main() -> None:
    """`python -m steward.processes.keeper --plan FILE --alive-fd N [--once]`; `--once`: drain what is there and end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--alive-fd", type=int, required=True)
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    disable_core_dumps()
    logging.basicConfig(level=logging.WARNING, format="keeper %(levelname)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_supervisor(given.alive_fd, 15.0)
    os.umask(0o077)  # the database is as private as the rest of the home
    plan = read_plan(given.plan)
    folders = [Path(plan.home) / name for name in ("ledger", SPOOL)]
    for folder in folders:
        folder.mkdir(mode=0o700, exist_ok=True)
    store = SqlStore(store_url(plan))
    store.migrate()
    (Path(plan.home) / "run" / "store-ready").touch()
    told: set[str] = set()
    while not (stop.is_set() or given.once):
        _round(folders, store, told)
        stop.wait(ROUND_S)
    _round(folders, store, told)
    store.close()


def _round(folders: list[Path], store: SqlStore, told: set[str]) -> None:
    """Drain once; `told` is the damage that the log has named already."""
    try:
        reports = [drain_once(folder, store, time.time()) for folder in folders]
    except Unavailable as error:  # the ledger's files keep everything
        log.warning("trying again: %s", error)
        return
    for damage in {item for report in reports for item in report.damaged} - told:
        told.add(damage)
        log.error("damaged ledger segment %s; what precedes it is settled, the file is kept", damage)
    if lost := sum(report.lost for report in reports):
        log.warning("settled %d requests of a dead worker at their reservation", lost)


if __name__ == "__main__":
    with report_errors("keeper"):
        main()
