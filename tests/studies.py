"""Runs made of answers, for tests of studies and reports: no server is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from steward.evaluation.run import Answer, Folder, Manifest
from steward.evaluation.suite import Item, Message, Spec


def folder(model: str, say: Callable[[int], str | None], items: int = 12, clusters: int | None = None) -> Folder:
    """`say` gives the answer to item 1, 2, …; None fails. Questions are "Question 7?", right answers "right 7"."""
    spec = Spec(name="study", data="d.jsonl", metrics=("exact_match", "token_f1"), prompt="{q}", slices=("kind",))
    made = [
        Item(
            f"item-{n}",
            (Message("user", f"Question {n}?"),),
            (f"right {n}",),
            {"kind": "even" if n % 2 == 0 else "odd"},
            f"cluster-{n % clusters}" if clusters else f"item-{n}",
        )
        for n in range(1, items + 1)
    ]
    answers = {
        item.id: Answer(id=item.id, prediction=said, error=None if said is not None else "HTTP 500", latency_s=0.1 * n)
        for n, item in enumerate(made, 1)
        for said in (say(n),)
    }
    manifest = Manifest(suite=spec, model=model, items=items, data_sha256="d", prompts_sha256="p")
    return Folder(manifest, tuple(made), answers)


def write(path: Path, run: Folder) -> Path:
    """As `steward eval run` leaves it."""
    path.mkdir(parents=True)
    (path / "manifest.json").write_bytes(msgspec.json.encode(run.manifest))
    for name, rows in (("items", run.items), ("answers", run.answers.values())):
        (path / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path
