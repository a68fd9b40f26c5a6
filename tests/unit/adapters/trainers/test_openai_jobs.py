"""Bodies and events as OpenAI's reference has them."""

import io
import json
import urllib.error
from email.message import Message
from pathlib import Path

import msgspec
import pytest

from fine_tuning_server import FineTuningServer
from steward.adapters.trainers import openai_jobs
from steward.adapters.trainers.openai_jobs import (
    FineTuningApi,
    OpenAiJobsParameters,
    OpenAiJobsTrainer,
    convert_event,
    follow,
    make_request,
)
from steward.adapters.trainers.process import EventWriter
from steward.core.errors import InputError, Unavailable
from steward.core.training import TrainingEvent
from steward.testing.trainers import make_job


def test_the_body_that_creates_a_job(tmp_path):
    job = make_job(tmp_path, "openai-jobs", "sft", "openai", [], base="gpt-x", seed=7)
    assert make_request(job, OpenAiJobsParameters(epochs=2, suffix="s"), "file-1", "file-2") == {
        "model": "gpt-x", "training_file": "file-1", "validation_file": "file-2", "seed": 7, "suffix": "s",
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
        "metadata": {"steward_run": "tr_contract", "dataset": "sha256:00"},
    }  # fmt: skip
    pairs = make_job(tmp_path, "openai-jobs", "dpo", "openai-dpo", [], base="gpt-x")
    assert make_request(pairs, OpenAiJobsParameters(beta=0.2), "file-1", None)["method"] == {
        "type": "dpo",
        "dpo": {"hyperparameters": {"beta": 0.2}},
    }


def test_their_events_become_ours():
    metrics = {"type": "metrics", "data": {"step": 3, "total_steps": 9, "train_loss": 0.5, "train_accuracy": 0.75}}
    event = convert_event(metrics)
    assert (event.step, event.steps, event.loss, event.metrics) == (3, 9, 0.5, {"train_accuracy": 0.75})
    message = convert_event({"type": "message", "level": "warn", "message": "slow"})
    assert (message.type, message.level, message.text) == ("message", "warning", "slow")


def test_what_is_missing_is_told_before_anything_is_sent(tmp_path, monkeypatch):
    job = make_job(tmp_path, "openai-jobs", "sft", "openai", [], base="m", parameters={"key": "env:NOT_THERE"})
    with pytest.raises(InputError, match="NOT_THERE"):
        OpenAiJobsTrainer().prepare(job, "python3")
    with pytest.raises(InputError, match="no `base`"):
        OpenAiJobsTrainer().prepare(make_job(tmp_path, "openai-jobs", "sft", "openai", []), "python3")


ROW = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}


def events_of(job) -> list[TrainingEvent]:
    return [msgspec.json.decode(line, type=TrainingEvent) for line in Path(job.events).read_bytes().splitlines()]


@pytest.fixture
def key(monkeypatch) -> str:
    monkeypatch.setenv("TUNING_KEY", "sk-secret")
    return "env:TUNING_KEY"


def test_a_job_is_followed_from_its_rows_to_its_model(tmp_path, key):
    waits: list[float] = []
    with FineTuningServer(polls=2, failures=2) as server:
        parameters = {"url": server.url + "/", "key": key, "poll_s": 7.0, "usd_per_million_tokens": 3.0}
        job = make_job(tmp_path, "openai-jobs", "sft", "openai", [ROW], base="gpt-x", parameters=parameters)
        follow(job, EventWriter(job, lambda: 5.0), waits.append)
    assert waits == [1.0, 2.0, 7.0]  # twice 503, then one look between two
    events = events_of(job)
    assert [event.step for event in events if event.type == "metric"] == [1, 2]  # each once, the oldest first
    assert [event.text for event in events if event.type == "message"] == ["the job is running"]
    assert [event.usd for event in events if event.type == "cost"] == [6.0]  # 2 million tokens at 3 a million
    made = json.loads((Path(job.artefacts) / "model.json").read_text())
    assert made == {"model": "ft:gpt-x:1", "job": "ftjob-1", "base": "gpt-x", "trained_tokens": 2_000_000}


def test_a_job_that_there_is_goes_on_and_one_without_a_price_has_no_cost(tmp_path, key):
    with FineTuningServer(polls=1) as server:
        parameters = {"url": server.url, "key": key}
        job = make_job(tmp_path, "openai-jobs", "sft", "openai", [ROW], base="gpt-x", parameters=parameters)
        follow(job, EventWriter(job), lambda seconds: None)
        follow(job, EventWriter(job), lambda seconds: None)
        assert list(server.jobs) == ["ftjob-1"]
        asked = server.jobs["ftjob-1"]["asked"]
    assert ("validation_file" in asked) == bool(Path(job.select).stat().st_size if job.select else 0)
    assert not [event for event in events_of(job) if event.type == "cost"]


@pytest.mark.parametrize(("outcome", "words"), [("failed", "failed: bad rows"), ("cancelled", "cancelled: no reason")])
def test_a_job_that_does_not_succeed_says_why(tmp_path, key, outcome, words):
    with FineTuningServer(outcome=outcome, polls=1) as server:
        parameters = {"url": server.url, "key": key}
        job = make_job(tmp_path, "openai-jobs", "sft", "openai", [ROW], base="gpt-x", parameters=parameters)
        with pytest.raises(InputError, match=f"the job ftjob-1 {words}"):
            follow(job, EventWriter(job), lambda seconds: None)


def test_a_question_is_asked_five_times_and_a_new_job_once():
    waits: list[float] = []
    with FineTuningServer(failures=5) as server:
        api = FineTuningApi(server.url, "k", waits.append)
        with pytest.raises(Unavailable, match=r"GET /fine_tuning/jobs/x: status 503: try again"):
            api.find("x")
    assert waits == [1.0, 2.0, 4.0, 8.0]
    with pytest.raises(Unavailable, match="POST /fine_tuning/jobs: URLError"):
        FineTuningApi("http://127.0.0.1:1", "k", waits.append).create({})
    assert len(waits) == 4


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, Unavailable), (428, InputError), (430, InputError), (499, InputError), (500, Unavailable)],
)
def test_what_is_worth_another_try_is_what_openai_says(monkeypatch, status, kind):
    """OpenAI's guide "Error codes": 429 and 5xx are to be retried, other 4xx mended. Each call has two minutes."""
    waits: list[float] = []

    def refuse(request, timeout_s):
        waits.append(timeout_s)
        body = io.BytesIO(json.dumps({"error": {"message": "x" * 400}}).encode())
        raise urllib.error.HTTPError(request.full_url, status, "", Message(), body)

    monkeypatch.setattr(openai_jobs, "open_url", refuse)
    with pytest.raises(kind, match=f"status {status}: {'x' * 199}…$"):
        FineTuningApi("http://api.example/v1", "k", lambda seconds: None).create({})
    assert waits == [120]


def test_a_job_is_looked_at_every_ten_seconds_unless_its_parameters_say_otherwise():
    assert OpenAiJobsParameters().poll_s == 10.0
