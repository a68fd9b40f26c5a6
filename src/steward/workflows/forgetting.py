"""What a home keeps of a training set beside it, forgotten when somebody is erased from the set."""

from __future__ import annotations

from pathlib import Path

from steward.workflows.experiment import forget_items
from steward.workflows.train.erasure import forget_rows


class Forgetting:
    """Forgets rows of training runs and items of experiments on the set in `folder`; notes the ids of both."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._home, self._folder = home, folder
        self.runs: set[str] = set()
        self.experiments: set[str] = set()

    def forget(self, dataset: str) -> None:
        """`dataset`: the digest of the set. :raises Unavailable: a run does not end, or an experiment runs"""
        self.experiments |= set(forget_items(self._home, self._folder))
        self.runs |= {run.id for run in forget_rows(self._home, dataset)}
