"""Which scorer a name means."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.adapters.engines.http import HttpEngine
from steward.adapters.scorers.file import FileScorer
from steward.adapters.scorers.http import HttpScorer
from steward.adapters.scorers.lexicon import LexiconScorer
from steward.adapters.scorers.python import PythonFunction
from steward.core.errors import UnknownName
from steward.evaluation.suite import SuiteSpec
from steward.workflows.evaluate.graders import Graders, load_tools, make_text_scorer, open_graders, open_user


def test_a_name_is_a_url_a_list_of_words_or_a_function(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("def score(texts):\n    return [0.0 for _ in texts]\n")
    (tmp_path / "words.txt").write_text("bad\n")
    for name, kind in (
        ("http://127.0.0.1:1", HttpScorer), ("https://127.0.0.1:1", HttpScorer), ("lexicon", LexiconScorer),
        ("lexicon:words.txt", LexiconScorer), ("s.py:score", FileScorer),
    ):  # fmt: skip
        assert isinstance(make_text_scorer(name, None, tmp_path), kind)


@pytest.mark.parametrize("name", ["", "other", "score", "file.py"])
def test_other_names_are_refused_with_what_is_expected(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownName, match="scorer"):
        make_text_scorer(name, None, tmp_path)


def make_suite(**fields: Any) -> SuiteSpec:
    return msgspec.convert({"name": "s", "data": "d.jsonl", "metrics": ["exact_match"], **fields}, SuiteSpec)


OWN: Any = "the run's own server"


async def open_all(spec: SuiteSpec, folder: Path) -> tuple[Graders, Any]:
    async with open_graders(spec, OWN, folder) as graders, open_user(spec) as user:
        return dict(graders), user


def test_each_graded_metric_has_its_grader(tmp_path: Path) -> None:
    (tmp_path / "g.py").write_text("def grade(item):\n    return 1.0\n")
    metrics = [
        "exact_match",
        {"name": "answer_relevance", "options": {"model": "j"}},
        {"name": "faithfulness", "options": {"model": "j", "url": "http://127.0.0.1:9"}},
        {"name": "toxicity", "options": {"scorer": "lexicon"}},
        {"name": "python", "options": {"function": "g.py:grade"}},
    ]  # fmt: skip
    graders, user = asyncio.run(open_all(make_suite(metrics=metrics), tmp_path))
    assert graders.pop("answer_relevance") == OWN and user is None
    assert {name: type(grader) for name, grader in graders.items()} == {
        "faithfulness": HttpEngine, "toxicity": LexiconScorer, "python": PythonFunction,
    }  # fmt: skip


@pytest.mark.parametrize(("url", "kind"), [("", type(None)), ("http://127.0.0.1:9", HttpEngine)])
def test_the_user_has_a_server_of_its_own_where_one_is_named(tmp_path: Path, url: str, kind: type[Any]) -> None:
    spec = make_suite(user={"model": "u", "instructions": "ask", "url": url})
    assert isinstance(asyncio.run(open_all(spec, tmp_path))[1], kind)


def test_tools_are_functions_beside_the_suite(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text("def add(a, b):\n    return a + b\n")
    tools = [{"name": "add", "function": "t.py:add"}, {"name": "told"}]
    assert list(load_tools(make_suite(tools=tools), tmp_path)) == ["add"]
