"""Bodies and events as OpenAI's reference has them."""

import pytest

from steward.adapters.trainers.openai_jobs import OpenAiJobsParameters, OpenAiJobsTrainer, convert_event, make_request
from steward.core.errors import InputError
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
