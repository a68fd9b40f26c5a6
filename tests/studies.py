"""Runs made of answers, for tests of studies and reports: no server is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from steward.evaluation.run import EvalRun, ItemAnswer, RunManifest
from steward.evaluation.suite import PromptMessage, SuiteItem, SuiteSpec


def folder(model: str, say: Callable[[int], str | None], items: int = 12, clusters: int | None = None) -> EvalRun:
    """`say` gives the answer to item 1, 2, …; None fails. Questions are "Question 7?", right answers "right 7"."""
    spec = SuiteSpec(name="study", data="d.jsonl", metrics=("exact_match", "token_f1"), prompt="{q}", slices=("kind",))
    made = [
        SuiteItem(
            f"item-{n}",
            (PromptMessage("user", f"Question {n}?"),),
            (f"right {n}",),
            {"kind": "even" if n % 2 == 0 else "odd"},
            f"cluster-{n % clusters}" if clusters else f"item-{n}",
        )
        for n in range(1, items + 1)
    ]
    answers = {
        item.id: ItemAnswer(
            id=item.id, prediction=said, error=None if said is not None else "HTTP 500", latency_s=0.1 * n
        )
        for n, item in enumerate(made, 1)
        for said in (say(n),)
    }
    manifest = RunManifest(suite=spec, model=model, items=items, data_sha256="d", prompts_sha256="p")
    return EvalRun(manifest, tuple(made), answers)


def write(path: Path, run: EvalRun) -> Path:
    """As `steward eval run` leaves it."""
    path.mkdir(parents=True)
    (path / "manifest.json").write_bytes(msgspec.json.encode(run.manifest))
    for name, rows in (("items", run.items), ("answers", run.answers.values())):
        (path / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path
