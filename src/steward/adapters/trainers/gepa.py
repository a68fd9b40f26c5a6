"""The trainer `gepa`: rewrites a prompt with GEPA (extra `tune`; Agrawal et al. 2025, arXiv 2507.19457).

The rows of the training slice are asked with a candidate prompt, answers are scored against the right ones by token F1,
and a model reflects on what went wrong. The select slice decides which prompt wins: without one, GEPA would choose by
what it learned from (dspy#10048), so there must be one. Both models are asked over an OpenAI-compatible endpoint.
"""

from __future__ import annotations

import importlib
import json
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from steward.adapters.trainers.process import EventWriter, convert_parameters, read_lines, run_process
from steward.core.addresses import refuse_credentials
from steward.core.errors import InputError, Unavailable
from steward.core.extras import install_command
from steward.core.fetch import open_url
from steward.core.files import write_file
from steward.core.secret import resolve
from steward.core.training import TrainerProcess, TrainingEvent, TrainingJob

COMPONENT: Final = "system_prompt"
_WORD: Final = re.compile(r"\w+")


class GepaParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`calls`: answers that may be asked for and scored; 100 to 500 are usual. `key`: env:NAME or file:PATH."""

    url: str = "http://127.0.0.1:8080/v1"
    key: str = ""
    reflection_model: str = ""  # default: the base
    seed_prompt: str = "You are a helpful assistant."
    calls: int = 150
    minibatch: int = 3
    max_tokens: int = 256


class GepaTrainer:
    shapes: ClassVar = {"prompt": "trl-sft"}

    def prepare(self, job: TrainingJob, python: str) -> TrainerProcess:
        parameters: GepaParameters = convert_parameters(job.parameters, GepaParameters, "gepa")
        if not job.base:
            raise InputError("trainer gepa: no `base`; expected the name of the model that the prompt is for")
        refuse_credentials(parameters.url, "name the key in the parameters: key: env:NAME")
        if not parameters.url.startswith(("https://", "http://")):
            raise InputError(f"trainer gepa: url {parameters.url!r}; expected http://HOST:PORT/v1")
        if parameters.key:
            resolve(parameters.key)
        if not Path(job.select).exists() or not Path(job.select).stat().st_size:
            raise InputError("trainer gepa: the select slice is empty, and a prompt must be chosen on rows of its own")
        return TrainerProcess((python, "-m", "steward.adapters.trainers.gepa"), needs="gepa")


def score_answer(answer: str, right: str) -> float:
    """Token F1 of words, as SQuAD has it (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1).

    >>> score_answer("in two days", "within two days")
    0.6666666666666666
    """
    one, other = (Counter(_WORD.findall(text.casefold())) for text in (answer, right))
    common = sum((one & other).values())
    return 2 * common / (sum(one.values()) + sum(other.values())) if common else 0.0


class ChatClient:
    """Asks for one answer."""

    def __init__(self, url: str, key: str, max_tokens: int) -> None:
        self._url, self._key, self._max_tokens = url.rstrip("/"), key, max_tokens

    def ask(self, model: str, messages: Sequence[Mapping[str, Any]], max_tokens: int | None = None) -> str:
        """:raises Unavailable: no answer; InputError: the request is refused"""
        body = {
            "model": model,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": max_tokens or self._max_tokens,
        }
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        request = urllib.request.Request(f"{self._url}/chat/completions", msgspec.json.encode(body), headers)
        try:
            with open_url(request, 120) as answer:
                return str(json.load(answer)["choices"][0]["message"]["content"] or "")
        except urllib.error.HTTPError as error:
            with error:
                pass
            kind = Unavailable if error.code == 429 or error.code >= 500 else InputError
            raise kind(f"{self._url}: status {error.code} for model {model}") from None
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise Unavailable(f"{self._url}: {type(error).__name__}") from None


class PromptAdapter:
    """What GEPA asks of a system: answers with scores, and examples to reflect on."""

    propose_new_texts = None

    def __init__(self, client: ChatClient, model: str, job_events: EventWriter, calls: int) -> None:
        self._client, self._model, self._events, self._calls = client, model, job_events, calls
        self._done = 0

    def evaluate(self, batch: list[dict[str, Any]], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        make_batch = importlib.import_module("gepa.core.adapter").EvaluationBatch
        outputs = []
        for row in batch:
            messages = [{"role": "system", "content": candidate[COMPONENT]}, *row["prompt"]]
            outputs.append(self._client.ask(self._model, messages))
            self._done += 1
        scores = [score_answer(answer, _right(row)) for answer, row in zip(outputs, batch, strict=True)]
        mean = sum(scores) / len(scores) if scores else 0.0
        self._events.write(
            TrainingEvent(type="metric", step=self._done, steps=max(self._calls, self._done), metrics={"score": mean})
        )
        traces = list(zip(batch, outputs, scores, strict=True)) if capture_traces else None
        return make_batch(outputs=outputs, scores=scores, trajectories=traces)

    def make_reflective_dataset(self, candidate: dict[str, str], eval_batch: Any, components: list[str]) -> Any:
        """What was asked, answered and right, for the model that reflects."""
        examples = [
            {
                "Inputs": row["prompt"][-1]["content"],
                "Generated Outputs": answer,
                "Feedback": f"Score {score:.2f} of 1. The right answer is: {_right(row)}",
            }
            for row, answer, score in eval_batch.trajectories
        ]
        return {name: examples for name in components}


def _right(row: dict[str, Any]) -> str:
    return str(row["completion"][-1].get("content") or "")


def improve_prompt(job: TrainingJob, events: EventWriter) -> None:
    """Writes prompt.txt and scores.json. :raises InputError: nothing to choose by, or gepa is not installed"""
    try:
        gepa: Any = importlib.import_module("gepa")
    except ModuleNotFoundError:
        raise InputError(f"trainer gepa needs gepa; {install_command('tune')}") from None
    parameters: GepaParameters = convert_parameters(job.parameters, GepaParameters, "gepa")
    client = ChatClient(
        parameters.url, resolve(parameters.key).reveal() if parameters.key else "", parameters.max_tokens
    )
    reflect = parameters.reflection_model or job.base
    train, select = read_lines(job.train), read_lines(job.select)

    def ask_reflection(prompt: str | list[dict[str, Any]]) -> str:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return client.ask(reflect, messages, 2048)

    result = gepa.optimize(
        seed_candidate={COMPONENT: parameters.seed_prompt}, trainset=train, valset=select,
        adapter=PromptAdapter(client, job.base, events, parameters.calls), reflection_lm=ask_reflection,
        reflection_minibatch_size=parameters.minibatch, max_metric_calls=parameters.calls, seed=job.seed,
        run_dir=job.checkpoints, display_progress_bar=False, raise_on_exception=True,
    )  # fmt: skip
    scores = [float(score) for score in result.val_aggregate_scores]
    folder = Path(job.artefacts)
    write_file(folder / "prompt.txt", result.best_candidate[COMPONENT].encode() + b"\n")
    record = {"seed": scores[0], "best": max(scores), "candidates": len(scores), "select_rows": len(select)}
    write_file(folder / "scores.json", msgspec.json.format(msgspec.json.encode(record)))
    events.write(TrainingEvent(type="metric", metrics={"seed_score": scores[0], "best_score": max(scores)}))


if __name__ == "__main__":
    run_process(improve_prompt)
