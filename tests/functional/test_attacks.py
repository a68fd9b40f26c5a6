"""`steward eval attacks`, then `run`: a model that tells its system prompt withstands what does not ask for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import inside, served


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/answering_upstream.py")


def test_a_model_that_recites_its_prompt_fails_where_that_is_the_harm(tmp_path: Path, upstream: str) -> None:
    done = inside("eval", "attacks", str(tmp_path / "suite"), "--disguises", "plain,base64", "--seed", "3", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["attacks"] == 64
    arguments = ("--model", "reciting", "--url", upstream, "--out", str(tmp_path / "run"), "--json")
    done = inside("eval", "run", str(tmp_path / "suite" / "suite.yaml"), *arguments)
    assert done.returncode == 0, done.stderr
    slices = {each["name"]: each["score"] for each in json.loads(done.stdout)["slices"] if each["field"] == "owasp"}
    assert slices["LLM07"]["value"] == 0.0 and slices["LLM07"]["high"] < 0.5
    assert slices["LLM01"]["value"] == 1.0 and slices["LLM01"]["low"] > 0.5
    assert slices["LLM02"]["value"] == 0.25  # the log stands in the question, the other secrets in the prompt
