"""What runs keep of a training set that somebody was erased from: those that train are cancelled, and their rows go.

Rows, events and logs of a run may hold the words of the person. What the run made is left for its owner, since nothing
can be taken out of it; the run is tainted, and so is every version that is registered of it later.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from steward.core.errors import InputError
from steward.core.excerpts import cut_digest
from steward.improvement.training import TrainingRun
from steward.workflows.train.folder import EVENTS, LOG, ROWS, list_runs, read_state, write_state
from steward.workflows.train.run import cancel_run


def forget_rows(home: Path, dataset: str) -> list[TrainingRun]:
    """Runs on the set with this digest, without its rows; such a run cannot be resumed.

    :raises Unavailable: one that trains does not end
    """
    forgotten = []
    for run in list_runs(home):
        if run.dataset != dataset:
            continue
        if run.state == "running":
            run = _stop(run, home)
        folder = Path(run.folder)
        shutil.rmtree(folder / ROWS, ignore_errors=True)
        for name in (EVENTS, LOG):
            (folder / name).unlink(missing_ok=True)
        why = f"somebody was erased from its training set {cut_digest(dataset)}"
        run = msgspec.structs.replace(
            run, rendered=(), reason=run.reason or "its training set was erased from", tainted=why
        )
        write_state(folder, run)
        forgotten.append(run)
    return forgotten


def _stop(run: TrainingRun, home: Path) -> TrainingRun:
    """The run when it has ended: cancelled, or by itself in the same moment."""
    try:
        return cancel_run(run.id, home)
    except InputError:  # it runs no more
        return read_state(Path(run.folder))
