"""Training sets for tests: questions that are all different, and sets of them."""

import json
from pathlib import Path
from typing import Any

from steward.workflows.dataset.build import build_dataset
from steward.workflows.dataset.home import DatasetHome

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(seed: int, count: int = 9) -> str:
    """Different words for different seeds."""
    return " ".join(
        _LETTERS[(seed * 7 + n * n) % 26] + _LETTERS[(seed // 26 + n) % 26] + _LETTERS[n] for n in range(count)
    )


def question(n: int) -> dict[str, Any]:
    return {"prompt": f"Please tell me {words(n)}?", "completion": f"Surely {words(n + 500, 12)}.", "subject": f"s{n}"}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def build_set(
    folder: Path, home: DatasetHome, rows: list[dict[str, Any]], settings: str = "", out: str = "set"
) -> Path:
    """The folder of a set of these rows."""
    write_rows(folder / "a.jsonl", rows)
    head = "name: shop\nsources: [{path: a.jsonl}]\nfloor: {rows: 5, subjects: 2}\n"
    (folder / "d.yaml").write_text(head + settings)
    result = build_dataset(folder / "d.yaml", home, folder / "set", clock=lambda: 1.8e9)
    assert result.folder is not None, result.refused
    return Path(result.folder)
