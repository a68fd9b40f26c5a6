"""Who gives the values of graded metrics: the run's server, a judge's own server, or a scorer of texts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from steward.adapters.engines.http import HttpEngine
from steward.adapters.scorers.file import FileScorer
from steward.adapters.scorers.http import HttpScorer
from steward.adapters.scorers.lexicon import LexiconScorer
from steward.adapters.scorers.python import PythonFunction, PythonTool
from steward.core.errors import UnknownName
from steward.core.extend import Engine, TextScorer
from steward.core.secret import Secret, resolve
from steward.evaluation.conversation import Tool
from steward.evaluation.metrics import is_graded, make_metric
from steward.evaluation.metrics.graded import MeanToxicity
from steward.evaluation.metrics.python import PythonMetric
from steward.evaluation.suite import SuiteSpec

Graders = dict[str, Engine | TextScorer | PythonFunction]  # by the metric's name in the suite


@asynccontextmanager
async def open_graders(spec: SuiteSpec, engine: Engine, folder: Path) -> AsyncIterator[Graders]:
    """The grader of each graded metric. Scorers that are files lie in `folder`.

    :raises InputError: a secret that cannot be resolved, a scorer that does not load
    """
    graders: Graders = {}
    async with AsyncExitStack() as stack:
        for metric in spec.metric_specs():
            if not is_graded(metric.name):
                continue
            grader: Any = make_metric(metric.name, metric.options)
            secret = resolve(grader.key) if grader.key else None
            if isinstance(grader, MeanToxicity):
                graders[metric.name] = make_text_scorer(grader.scorer, secret, folder)
            elif isinstance(grader, PythonMetric):
                graders[metric.name] = PythonFunction(str(folder / grader.function))
            elif grader.url:
                graders[metric.name] = server = HttpEngine(grader.url, secret)
                stack.push_async_callback(server.close)
            else:
                graders[metric.name] = engine
        yield graders


@asynccontextmanager
async def open_user(spec: SuiteSpec) -> AsyncIterator[Engine | None]:
    """The server of the model that plays the user; None for the run's own. :raises InputError: no such secret"""
    if spec.user is None or not spec.user.url:
        yield None
        return
    server = HttpEngine(spec.user.url, resolve(spec.user.key) if spec.user.key else None)
    try:
        yield server
    finally:
        await server.close()


def load_tools(spec: SuiteSpec, folder: Path) -> dict[str, Tool]:
    """The functions of the suite's tools, relative to `folder`. :raises InputError: one that does not load"""
    return {tool.name: PythonTool(str(folder / tool.function)).call for tool in spec.tools if tool.function}


def make_text_scorer(name: str, key: Secret | None, folder: Path) -> TextScorer:
    """`lexicon`, `lexicon:FILE`, `file.py:function` (both relative to `folder`), or a URL.

    :raises InputError: none of them, or it does not load
    """
    if name.startswith(("http://", "https://")):
        return HttpScorer(name, key)
    kind, _, file = name.partition(":")
    if kind == "lexicon":
        return LexiconScorer(str(folder / file) if file else "toxic")
    if ".py:" in name:
        return FileScorer(str(folder / name))
    raise UnknownName("scorer", name, ["lexicon", "lexicon:FILE", "file.py:function", "http://…"])
