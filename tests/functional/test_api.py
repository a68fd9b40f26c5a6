"""The examples of the public functions, run as they stand in the docstrings, the load test against a server of ours."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Iterator

import pytest

import steward

FUNCTIONS = ["compare", "evaluate", "gate", "load_test", "plan", "score"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """First token after 60 ms."""
    command = [sys.executable, "-m", "steward.processes.echo", '{"first_ms": 60, "gap_ms": 5}']
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_holds(name: str, url: str) -> None:
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    (example,) = finder.find(getattr(steward, name), name, globs={"url": url})
    runner.run(example)
    assert runner.tries >= 2 and runner.failures == 0


def test_arguments_are_checked_before_anything_runs() -> None:
    with pytest.raises(steward.InputError, match="2 predictions and 1 references"):
        steward.score("exact_match", ["a", "b"], ["a"])
    with pytest.raises(steward.InputError, match="no rate"):
        steward.load_test("http://127.0.0.1:9", "m")
    with pytest.raises(steward.InputError, match="unknown model"):
        steward.plan("lama-3.1-8b", rate=1, input_tokens=1, output_tokens=1)
