"""What every token scorer promises, over llama.cpp in process, transformers (where it is installed) and a server."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, served
from steward import starter
from steward.adapters.engines.echo import EchoScorer
from steward.adapters.engines.embedded import serve
from steward.adapters.engines.http import HttpEngine
from steward.core.errors import InputError
from steward.core.extend import Continuation, TokenScorer
from steward.evaluation.perplexity import Document, split_windows, sum_likelihood
from steward.evaluation.run import read_run
from steward.workflows.evaluate.perplexity import PerplexityOptions, check_scorer, open_scorer
from steward.workflows.evaluate.suites import run_suite_file
from steward.workflows.evaluate.target import ModelTarget

HARNESS = json.loads((ROOT / "tests" / "unit" / "evaluation" / "harness.json").read_text())
TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra train")
LIMITS: dict[str, Any] = {"concurrency": 4, "limit": 20, "cache": None}
KINDS = ["embedded", pytest.param("transformers", marks=TORCH), "url"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    yield from served("tests/echoing_upstream.py")


@asynccontextmanager
async def scorer(kind: str, url: str, window: int | None = None) -> AsyncIterator[TokenScorer]:
    asked = (
        PerplexityOptions("honest", url=url)
        if kind == "url"
        else PerplexityOptions("starter", backend=kind, window=window)
    )
    async with open_scorer(asked) as found:
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_each_answers_what_is_known(kind: str, url: str) -> None:
    async def go() -> None:
        async with scorer(kind, url) as found:
            await check_scorer(found, "m")
            tokens = tuple(await found.encode("My parcel came late. Größe 38 🙂."))
            whole = await found.score(Continuation(tokens[:1], tokens[1:]))
            one_by_one = [(await found.score(Continuation(tokens[:n], (tokens[n],))))[0] for n in range(1, len(tokens))]
            assert whole == pytest.approx(one_by_one, abs=1e-3) and len(whole) == len(tokens) - 1

    asyncio.run(go())


def documents() -> list[str]:
    """Those of scripts/harness_perplexity.py."""
    lines = (starter.path().parent / "sets" / "held_out.jsonl").read_text().splitlines()
    users, ends = [json.loads(line)["user"] for line in lines], (0, 2, 12, 22, 42, 62, 92)
    return ["\n".join(users[start:end]) for start, end in pairwise(ends)]


@pytest.mark.parametrize(
    ("kind", "window", "tolerance"),
    [
        pytest.param("transformers", 64, 1e-4, marks=TORCH),
        pytest.param("transformers", 256, 1e-4, marks=TORCH),
        ("embedded", 64, 2e-3),  # the same weights, with 8-bit products
    ],
)
def test_log_likelihoods_are_those_of_the_harness(kind: str, window: int, tolerance: float, url: str) -> None:
    """lm-evaluation-harness 0.4.13 on the same model and texts, recorded by scripts/harness_perplexity.py."""

    async def go() -> list[float]:
        found = []
        async with scorer(kind, url, window) as model:
            assert model.window == window and model.prefix_token == HARNESS["perplexity"][str(window)]["prefix_token"]
            for text in documents():
                asked = split_windows(await model.encode(text), model.prefix_token, window, window)
                values = [value for each in asked for value in await model.score(each)]
                found.append(sum_likelihood(Document("1", text), values).nats)
        return found

    assert asyncio.run(go()) == pytest.approx(HARNESS["perplexity"][str(window)]["nats"], rel=tolerance)


def test_a_forced_token_has_the_probability_of_the_whole_distribution(tmp_path: Path) -> None:
    """Asked without a bias, llama.cpp lists all 2,048 tokens; they sum to 1 and each is what scoring it gives.

    Among them are tokens that are a part of a character, of which llama.cpp tells nothing when it generates them.
    """
    server = serve(starter.path(), tmp_path / "s.sock", "starter", 256, 1, 1)
    context = (1146, 323, 408)  # "Where is my"
    request = {"prompt": list(context), "n_predict": 1, "n_probs": 2048}
    listed = server.handle_completions(request)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    assert sum(math.exp(entry["logprob"]) for entry in listed) == pytest.approx(1, abs=1e-5) and len(listed) == 2048

    async def go() -> None:
        async with open_scorer(PerplexityOptions("starter", backend="embedded", window=128)) as found:
            for entry in listed[::97]:
                scored = await found.score(Continuation(context, (entry["id"],)))
                assert scored == pytest.approx([entry["logprob"]], abs=1e-3)

    asyncio.run(go())


def test_llama_server_is_refused_by_name(tmp_path: Path) -> None:
    """The real one: it takes `echo` and `logprobs` and returns what it generated."""

    async def go() -> None:
        engine = HttpEngine("http://engine", socket_path=str(tmp_path / "s.sock"))
        server = serve(starter.path(), tmp_path / "s.sock", "starter", 256, 1, 1)
        try:
            await check_scorer(EchoScorer(engine, "starter"), "starter")
        finally:
            await engine.close()
            del server

    with pytest.raises(InputError, match="starter: the server does not return the log-probabilities of the prompt"):
        asyncio.run(go())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("generated", "1 entries for a prompt"),
        ("llama", "no `logprobs.token_logprobs`"),
        ("flat", "every token has the same log-probability, -1.0000"),
        ("shifted", "-6.2344 for a token that the server gave -0.6931"),
    ],
)
def test_a_server_that_lies_is_refused(model: str, said: str, url: str) -> None:
    async def go() -> None:
        async with open_scorer(PerplexityOptions(model, url=url)) as found:
            await check_scorer(found, model)

    with pytest.raises(InputError, match=said):
        asyncio.run(go())


@TORCH
def test_a_checkpoint_answers_as_llama_cpp_does(tmp_path: Path) -> None:
    """Two implementations of one model, greedily: of 20 answers 18 or more are the same text."""
    runs = []
    for backend in ("embedded", "transformers"):
        out = tmp_path / backend
        shown = lambda total: lambda done, failed: None  # noqa: E731
        target = ModelTarget(None, "starter", concurrency=LIMITS["concurrency"], backend=backend)
        found = run_suite_file("starter", target, out, limit=LIMITS["limit"], progress=shown)
        runs.append(read_run(out).answers)
        assert not found.errored and all(answer.output_tokens for answer in runs[-1].values())
    assert sum(runs[0][name].prediction == answer.prediction for name, answer in runs[1].items()) >= 18
