"""The trainer `openai-jobs`: a client of fine-tuning APIs in OpenAI's shape.

Uploads the rows, creates a job, follows its events, and writes the name of the model that came out. The job's id is
the checkpoint: resumed, it follows the job that there is. Cancelled, it cancels the job. Endpoints, states and events:
OpenAI, "API Reference: Fine-tuning"; its own service takes no new jobs from 6 January 2027 on, others go on.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from steward.adapters.trainers.process import EventWriter, convert_parameters, run_process
from steward.core.addresses import refuse_credentials
from steward.core.errors import InputError, Unavailable
from steward.core.excerpts import cut_reason
from steward.core.fetch import open_url
from steward.core.files import write_file
from steward.core.secret import resolve
from steward.core.training import TrainerProcess, TrainingEvent, TrainingJob

_JOB_FILE: Final = "job-id"
_ENDED: Final = ("succeeded", "failed", "cancelled")
_RETRIES: Final = 5  # of a question; an upload or a new job is asked for once


class OpenAiJobsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`url` ends in /v1. `key`: env:NAME or file:PATH. `usd_per_million_tokens`: of trained tokens, for the budget."""

    url: str = "https://api.openai.com/v1"
    key: str = "env:OPENAI_API_KEY"
    epochs: int | None = None
    learning_rate_multiplier: float | None = None
    batch_size: int | None = None
    beta: float | None = None  # of DPO
    suffix: str = ""
    poll_s: float = 10.0
    usd_per_million_tokens: float = 0.0


class OpenAiJobsTrainer:
    shapes: ClassVar = {"sft": "openai", "dpo": "openai-dpo"}

    def prepare(self, job: TrainingJob, python: str) -> TrainerProcess:
        parameters: OpenAiJobsParameters = convert_parameters(job.parameters, OpenAiJobsParameters, "openai-jobs")
        if not job.base:
            raise InputError("trainer openai-jobs: no `base`; expected the provider's name of a model")
        refuse_credentials(parameters.url, "name the key in the parameters: key: env:NAME")
        if not parameters.url.startswith(("https://", "http://")):
            raise InputError(f"trainer openai-jobs: url {parameters.url!r}; expected https://HOST/v1")
        resolve(parameters.key)  # an error now, rather than after the rows were written
        return TrainerProcess((python, "-m", "steward.adapters.trainers.openai_jobs"))


class FineTuningApi:
    """The endpoints that are used. A key never reaches an error's text."""

    def __init__(self, url: str, key: str, wait: Callable[[float], None] = time.sleep) -> None:
        self._url, self._key, self._wait = url.rstrip("/"), key, wait

    def upload(self, path: Path) -> str:
        """The id of the file."""
        boundary = secrets.token_hex(16)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--{boundary}\r\n'
        head += f'Content-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        head += "Content-Type: application/jsonl\r\n\r\n"
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        return str(self._ask("POST", "/files", body, f"multipart/form-data; boundary={boundary}")["id"])

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask("POST", "/fine_tuning/jobs", msgspec.json.encode(body))

    def find(self, job_id: str) -> dict[str, Any]:
        return self._retry(lambda: self._ask("GET", f"/fine_tuning/jobs/{job_id}"))

    def list_events(self, job_id: str) -> list[dict[str, Any]]:
        """Oldest first."""
        data = self._retry(lambda: self._ask("GET", f"/fine_tuning/jobs/{job_id}/events?limit=100"))["data"]
        return sorted(data, key=lambda event: (event.get("created_at", 0), str(event.get("id"))))

    def cancel(self, job_id: str) -> None:
        self._ask("POST", f"/fine_tuning/jobs/{job_id}/cancel", b"")

    def _retry(self, question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        for attempt in range(_RETRIES):
            try:
                return question()
            except Unavailable:
                if attempt == _RETRIES - 1:
                    raise
                self._wait(2.0**attempt)
        raise AssertionError

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": kind}
        request = urllib.request.Request(self._url + path, body, headers, method=method)
        try:
            with open_url(request, 120) as answer:
                parsed: dict[str, Any] = json.load(answer)
                return parsed
        except urllib.error.HTTPError as error:
            with error:
                message = _read_message(error.read())
            text = f"{method} {path}: status {error.code}: {message}"
            if error.code == 429 or error.code >= 500:
                raise Unavailable(text) from None
            raise InputError(text) from None
        except (OSError, ValueError) as error:
            raise Unavailable(f"{method} {path}: {type(error).__name__}") from None


def _read_message(body: bytes) -> str:
    try:
        return cut_reason(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "no message"


def make_request(job: TrainingJob, parameters: OpenAiJobsParameters, train: str, select: str | None) -> dict[str, Any]:
    """The body that creates the job."""
    chosen = {
        "n_epochs": parameters.epochs, "learning_rate_multiplier": parameters.learning_rate_multiplier,
        "batch_size": parameters.batch_size, "beta": parameters.beta if job.method == "dpo" else None,
    }  # fmt: skip
    hyperparameters = {name: value for name, value in chosen.items() if value is not None}
    kind = "supervised" if job.method == "sft" else "dpo"
    body: dict[str, Any] = {
        "model": job.base, "training_file": train, "seed": job.seed,
        "method": {"type": kind, kind: {"hyperparameters": hyperparameters} if hyperparameters else {}},
        "metadata": {"steward_run": job.id, "dataset": job.dataset[:64]},
    }  # fmt: skip
    if select is not None:
        body["validation_file"] = select
    if parameters.suffix:
        body["suffix"] = parameters.suffix
    return body


def convert_event(event: dict[str, Any]) -> TrainingEvent:
    """An event of theirs as one of ours."""
    data = event.get("data") or {}
    level = {"warn": "warning", "warning": "warning", "error": "error"}.get(str(event.get("level")), "info")
    if event.get("type") != "metrics":
        return msgspec.convert(
            {"type": "message", "level": level, "text": str(event.get("message", ""))}, TrainingEvent
        )
    numbers = {name: float(value) for name, value in data.items() if isinstance(value, int | float)}
    step, steps, loss = (numbers.pop(name, None) for name in ("step", "total_steps", "train_loss"))
    return TrainingEvent(
        type="metric", step=None if step is None else int(step), steps=None if steps is None else int(steps), loss=loss,
        metrics=numbers,
    )  # fmt: skip


def follow(job: TrainingJob, events: EventWriter, wait: Callable[[float], None] = time.sleep) -> None:
    """From the rows to the name of the model. :raises InputError: the job failed, with the provider's words"""
    parameters: OpenAiJobsParameters = convert_parameters(job.parameters, OpenAiJobsParameters, "openai-jobs")
    api = FineTuningApi(parameters.url, resolve(parameters.key).reveal(), wait)
    job_id = _find_or_create(job, parameters, api, events)
    seen: set[str] = set()
    try:
        while True:
            state = api.find(job_id)
            for event in api.list_events(job_id):
                if str(event.get("id")) not in seen:
                    seen.add(str(event.get("id")))
                    events.write(convert_event(event))
            if state["status"] in _ENDED:
                break
            events.write(TrainingEvent(type="message", text=f"the job is {state['status']}"))
            wait(parameters.poll_s)
    except SystemExit:
        api.cancel(job_id)
        raise
    _finish(job, parameters, state, events)


def _find_or_create(job: TrainingJob, parameters: OpenAiJobsParameters, api: FineTuningApi, events: EventWriter) -> str:
    path = Path(job.checkpoints) / _JOB_FILE
    if path.exists():
        job_id = path.read_text()
    else:
        select = Path(job.select) if job.select else None
        uploaded = api.upload(select) if select is not None and select.stat().st_size else None
        created = api.create(make_request(job, parameters, api.upload(Path(job.train)), uploaded))
        job_id = str(created["id"])
        write_file(path, job_id.encode(), durable=True)
    events.write(TrainingEvent(type="checkpoint", path=str(path), text=job_id))
    return job_id


def _finish(job: TrainingJob, parameters: OpenAiJobsParameters, state: dict[str, Any], events: EventWriter) -> None:
    tokens = state.get("trained_tokens") or 0
    if tokens and parameters.usd_per_million_tokens:
        events.write(TrainingEvent(type="cost", usd=tokens / 1e6 * parameters.usd_per_million_tokens))
    if state["status"] != "succeeded":
        reason = (state.get("error") or {}).get("message") or "no reason was given"
        raise InputError(f"the job {state['id']} {state['status']}: {reason}")
    model = state.get("fine_tuned_model")
    if not model:
        raise InputError(f"the job {state['id']} succeeded without a model")
    record = {"model": model, "job": state["id"], "base": job.base, "trained_tokens": tokens}
    write_file(Path(job.artefacts) / "model.json", msgspec.json.format(msgspec.json.encode(record)))


if __name__ == "__main__":
    run_process(follow)
