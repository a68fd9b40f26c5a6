"""`steward eval benchmark`: choices by their likelihood, under a model whose likelihoods are known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import inside, served

HALF, OTHER = math.log(1 / 2), math.log(1 / 510)  # of tests/echoing_upstream.py


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/echoing_upstream.py")


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def test_the_likelier_choice_is_the_models(tmp_path: Path, upstream: str) -> None:
    rows = [
        {"prompt": "ab", "choices": ["cd", "ce"], "answer": 0},
        {"prompt": "ab", "choices": ["cd", "cdef"], "answer": 1},  # likelier a character, not as a whole
        {"prompt": "x" * 80, "choices": ["ge", "gh"], "answer": 1},  # longer than the window: its beginning is left out
    ]
    data = write(tmp_path / "b.jsonl", *rows)
    done = inside("eval", "benchmark", str(data), "--model", "honest", "--url", upstream, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    shares = {share["metric"]: share["value"] for share in found["shares"]}
    assert shares == {"acc": pytest.approx(2 / 3), "acc_norm": 1.0} and found["format"] == "generic"
    assert found["rows"][1]["log_probabilities"] == pytest.approx([2 * OTHER + HALF, 2 * OTHER + 3 * HALF])
    table = inside("eval", "benchmark", str(data), "--model", "honest", "--url", upstream)
    assert "acc_norm" in table.stdout and "3 questions of generic" in table.stdout


def test_failed_questions_are_named_and_not_counted(tmp_path: Path, upstream: str) -> None:
    rows = [
        {"id": "fine", "prompt": "ab", "choices": ["cd", "ce"], "answer": 0},
        {"id": "bad", "prompt": "a~", "choices": ["cd", "ce"], "answer": 0},
    ]
    data = write(tmp_path / "b.jsonl", *rows)
    done = inside("eval", "benchmark", str(data), "--model", "broken", "--url", upstream, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 4 and found["shares"][0]["n"] == 1 and found["errored"][0].startswith("bad: ")


def test_a_server_that_tells_no_likelihoods_is_refused(tmp_path: Path, upstream: str) -> None:
    data = write(tmp_path / "b.jsonl", {"prompt": "ab", "choices": ["cd", "ce"], "answer": 0})
    for model in ("generated", "flat", "shifted"):
        done = inside("eval", "benchmark", str(data), "--model", model, "--url", upstream)
        assert done.returncode != 0 and done.stderr


def test_worked_examples_with_the_shipped_model(tmp_path: Path) -> None:
    rows = [{"question": f"Is {n} even?", "choices": ["no", "yes"], "answer": int(n % 2 == 0)} for n in range(4)]
    data = write(tmp_path / "b.jsonl", *rows)
    arguments = ("eval", "benchmark", str(data), "--model", "starter", "--shots", "2", "--json")
    first, second = (json.loads(inside(*arguments).stdout) for _ in range(2))
    assert first["shares"] == second["shares"] and first["shots"] == 2 and len(first["rows"]) == 4
