"""The runs below a folder, as a person looks through them: all of them, one, two against each other, and a search.

A run is known by its path below the folder; only paths that were found there are ever opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.evaluation.compare import Comparison, compare_runs, match_rows
from steward.evaluation.item_list import ListedItem
from steward.evaluation.report import list_pairs
from steward.evaluation.run import EvalRun, ItemAnswer, RunResults, read_run, score_items, score_run
from steward.evaluation.run_page import list_items

KEPT: Final = 64  # runs that stay scored in memory
COMPARED: Final = 8  # and comparisons


class OpenRun(msgspec.Struct, frozen=True):
    """A run with its scores and its items as they are listed."""

    name: str
    run: EvalRun
    results: RunResults
    items: tuple[ListedItem, ...]


class ShelvedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list: a run with its scores, or why it cannot be read. `asked_at`: its last answer, 0 where that
    was not kept."""

    name: str
    results: RunResults | None = None
    asked_at: float = 0.0
    problem: str = ""


class OpenComparison(msgspec.Struct, frozen=True):
    """Two runs over the same data, and their items side by side."""

    baseline: OpenRun
    candidate: OpenRun
    found: Comparison
    items: tuple[ListedItem, ...]


class FoundItem(msgspec.Struct, frozen=True):
    """An item of a run that a search found."""

    run: str
    item: ListedItem


class RunShelf:
    """Reads a run again when its answers changed."""

    def __init__(self, root: Path) -> None:
        """:raises InputError: no folder"""
        if not root.is_dir():
            raise InputError(f"{root}: no folder; give the one that your runs (--out) lie in")
        self._root = root
        self._opened: dict[str, tuple[tuple[int, int], OpenRun]] = {}
        self._compared: dict[tuple[str, str], OpenComparison] = {}

    def list_runs(self) -> list[ShelvedRun]:
        """Newest first; those that cannot be read last."""
        found = [self._shelve(name) for name in self._find()]
        return sorted(found, key=lambda one: (one.results is None, -one.asked_at, one.name))

    def open_run(self, name: str) -> OpenRun:
        """:raises InputError: no such run, or one that cannot be read"""
        if name not in self._find():
            raise InputError(f"no run {name!r} below {self._root}")
        return self._open(name)

    def _open(self, name: str) -> OpenRun:
        folder = self._root / name
        stamp = (folder / "answers.jsonl").stat() if (folder / "answers.jsonl").exists() else folder.stat()
        version = (stamp.st_mtime_ns, stamp.st_size)
        kept = self._opened.get(name)
        if kept is not None and kept[0] == version:
            return kept[1]
        run = read_run(folder)
        wholes = [
            score_items(spec, run.items, run.answers, run.manifest.suite.filters)
            for spec in run.manifest.suite.metric_specs()
        ]
        results = _read_results(folder) or score_run(run.manifest, run.items, run.answers)
        opened = OpenRun(name, run, results, tuple(list_items(wholes, run)))
        while len(self._opened) >= KEPT:
            self._opened.pop(next(iter(self._opened)), None)
        self._opened[name] = (version, opened)
        return opened

    def compare(self, baseline: str, candidate: str) -> OpenComparison:
        """:raises InputError: no such runs, or over different data"""
        before, after = self.open_run(baseline), self.open_run(candidate)
        kept = self._compared.get((baseline, candidate))
        if kept is not None and kept.baseline is before and kept.candidate is after:
            return kept
        matched = match_rows(before.run, after.run)
        found = compare_runs(before.run, matched)
        compared = OpenComparison(before, after, found, tuple(list_pairs(found.wholes[0], before.run, matched)))
        while len(self._compared) >= COMPARED:
            self._compared.pop(next(iter(self._compared)), None)
        self._compared[baseline, candidate] = compared
        return compared

    def search(self, words: str, most: int) -> list[FoundItem]:
        """Items of all runs in which every word stands; the first `most`."""
        found: list[FoundItem] = []
        for one in self.list_runs():
            if one.results is not None and len(found) < most:
                kept = filter_items(self._open(one.name).items, words, "")[: most - len(found)]
                found += [FoundItem(one.name, item) for item in kept]
        return found

    def _find(self) -> list[str]:
        """A link is not followed out of the folder."""
        root = self._root.resolve()
        folders = sorted(path.parent for path in self._root.rglob("manifest.json"))
        return [
            folder.relative_to(self._root).as_posix()
            for folder in folders
            if (folder / "items.jsonl").is_file() and folder.resolve().is_relative_to(root)
        ]

    def _shelve(self, name: str) -> ShelvedRun:
        """Scores as the run left them, so that a long list opens at once."""
        try:
            results = _read_results(self._root / name) or self._open(name).results
            return ShelvedRun(name=name, results=results, asked_at=_read_last_time(self._root / name))
        except (InputError, OSError) as error:
            return ShelvedRun(name=name, problem=str(error))


def _read_results(folder: Path) -> RunResults | None:
    """None where the run left none, or has more answers since."""
    kept, answers = folder / "results.json", folder / "answers.jsonl"
    try:
        if kept.stat().st_mtime_ns < answers.stat().st_mtime_ns:
            return None
        return msgspec.json.decode(kept.read_bytes(), type=RunResults)
    except (OSError, msgspec.MsgspecError):
        return None


def _read_last_time(folder: Path) -> float:
    """Of the last answer; 0 where it is only half written."""
    lines = (folder / "answers.jsonl").read_bytes().splitlines()
    try:
        return msgspec.json.decode(lines[-1], type=ItemAnswer).at if lines else 0.0
    except msgspec.MsgspecError:
        return 0.0


def filter_items(items: Sequence[ListedItem], words: str, state: str) -> list[ListedItem]:
    """Those of a state in which every word stands, whatever its case.

    >>> one = ListedItem(id="q1", state="worse", note="", texts=(("asked", "Where is it?"),))
    >>> len(filter_items([one], "WHERE q1", "")), len(filter_items([one], "where", "better"))
    (1, 0)
    """
    wanted = words.casefold().split()
    found = []
    for item in items:
        text = "\n".join((item.id, item.state, item.note, *(said for _, said in item.texts))).casefold()
        if state in ("", item.state) and all(word in text for word in wanted):
            found.append(item)
    return found
