"""A training run that outlives the terminal that it was started from: a steward of its own watches it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from steward.core.errors import Unavailable
from steward.improvement.training import TrainingRun
from steward.workflows.train.folder import read_state
from steward.workflows.train.run import start_run

WATCHER_LOG: Final = "watcher.txt"  # what the steward that watches has said
START_S: Final = 60.0  # for a process to begin
_POLL_S: Final = 0.05


def start_detached(
    file: Path,
    home: Path,
    *,
    command: Sequence[str] = (),
    wait_s: float = START_S,
    clock: Callable[[], float] | None = None,
) -> TrainingRun:
    """Check all that can be checked, and return as soon as another process watches the run.

    `command`: what goes on with a run, before its id; steward itself where it is empty.
    :raises InputError: as `start_run` does, and then nothing was started :raises Unavailable: the process ended at once
    """
    run = start_run(file, home, detached=True, clock=clock)
    folder = Path(run.folder)
    words = [*(command or (sys.executable, "-m", "steward", "train", "run", "--home", str(home), "--resume")), run.id]
    with (folder / WATCHER_LOG).open("ab") as log:
        watcher = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    threading.Thread(target=watcher.wait, daemon=True).start()  # whoever calls from a longer life reaps it
    deadline = time.monotonic() + wait_s
    while (now := read_state(folder)).state == "prepared":
        if watcher.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(
                f"{run.id} was not started: {_read_end(folder)}; try again: steward train run --resume {run.id}"
            )
        time.sleep(_POLL_S)
    return now


def _read_end(folder: Path) -> str:
    """The last line of what the process has said."""
    lines = (folder / WATCHER_LOG).read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "its process said nothing"
