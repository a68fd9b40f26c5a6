"""What every trainer must do (steward.testing.trainers), with the back ends that run here."""

import json
import sys
from pathlib import Path

import pytest

import trainer_program
from chat_server import ChatServer
from fine_tuning_server import FineTuningServer
from steward.adapters.trainers.command import CommandTrainer
from steward.adapters.trainers.few_shot import FewShotTrainer
from steward.adapters.trainers.gepa import GepaTrainer
from steward.adapters.trainers.openai_jobs import OpenAiJobsTrainer
from steward.testing.trainers import check_ends_when_told, check_trainer, make_job, run_trainer

ROWS = [
    {
        "prompt": [{"role": "user", "content": f"question {name} of {n}"}],
        "completion": [{"role": "assistant", "content": f"answer {name}"}],
    }
    for n, name in enumerate(["orders", "refunds", "parcels", "cards"])
]
COMMAND = (sys.executable, trainer_program.__file__)


def test_command(tmp_path: Path) -> None:
    job = make_job(tmp_path, "command", "sft", "trl-sft", ROWS, command=COMMAND)
    report = check_trainer(CommandTrainer(), job)
    assert [event.step for event in report.events if event.loss is not None] == list(range(1, 11))
    hanging = make_job(tmp_path / "2", "command", "sft", "trl-sft", ROWS, command=COMMAND, parameters={"mode": "hang"})
    check_ends_when_told(CommandTrainer(), hanging)


def test_few_shot(tmp_path: Path) -> None:
    job = make_job(
        tmp_path, "few-shot", "prompt", "trl-sft", ROWS, parameters={"examples": 2, "instructions": "Be kind."}
    )
    report = check_trainer(FewShotTrainer(), job)
    assert report.artefacts == ("examples.json", "prompt.txt")
    text = (tmp_path / "artefacts" / "prompt.txt").read_text()
    assert text.startswith("Be kind.\n\nQuestion: question") and text.count("Answer:") == 2
    assert len(json.loads((tmp_path / "artefacts" / "examples.json").read_text())) == 4
    small = make_job(tmp_path / "2", "few-shot", "prompt", "trl-sft", ROWS, parameters={"max_characters": 3})
    failed = run_trainer(FewShotTrainer(), small)
    assert failed.code == 2 and "too few for any example" in failed.events[-1].text


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FINE_TUNING_KEY", "sk-secret")
    return "env:FINE_TUNING_KEY"


def test_openai_jobs(tmp_path: Path, key: str) -> None:
    with FineTuningServer(failures=1) as server:
        parameters = {"url": server.url, "key": key, "poll_s": 0.05, "usd_per_million_tokens": 3.0}
        job = make_job(tmp_path, "openai-jobs", "sft", "openai", ROWS, base="gpt-x", parameters=parameters)
        report = check_trainer(OpenAiJobsTrainer(), job)
        assert server.keys == {"Bearer sk-secret"} and "sk-secret" not in report.log
        assert b"question orders" in server.files["file-2"] and b'name="purpose"' in server.files["file-2"]
        assert server.jobs["ftjob-1"]["asked"]["training_file"] == "file-2"
        again = run_trainer(OpenAiJobsTrainer(), job)  # goes on with the job that there is
        assert list(server.jobs) == ["ftjob-1"] and again.code == 0
    made = json.loads((tmp_path / "artefacts" / "model.json").read_text())
    assert made == {"model": "ft:gpt-x:1", "job": "ftjob-1", "base": "gpt-x", "trained_tokens": 2_000_000}
    assert [event.usd for event in report.events if event.usd is not None] == [6.0]
    assert [event.loss for event in report.events if event.loss is not None] == [1.0, 0.5, 1 / 3]


def test_openai_jobs_that_fail_or_are_refused_say_so(tmp_path: Path, key: str) -> None:
    with FineTuningServer(outcome="failed") as server:
        parameters = {"url": server.url, "key": key, "poll_s": 0.05}
        job = make_job(tmp_path, "openai-jobs", "sft", "openai", ROWS, base="gpt-x", parameters=parameters)
        failed = run_trainer(OpenAiJobsTrainer(), job)
        assert failed.code == 2 and failed.events[-1].text == "the job ftjob-1 failed: bad rows"
        other = make_job(tmp_path / "2", "openai-jobs", "sft", "openai", ROWS, base="unknown", parameters=parameters)
        refused = run_trainer(OpenAiJobsTrainer(), other)
        assert refused.code == 2 and refused.events[-1].text.endswith("status 400: no such model")


def test_openai_jobs_that_are_ended_are_cancelled_there(tmp_path: Path, key: str) -> None:
    with FineTuningServer(polls=10_000) as server:
        parameters = {"url": server.url, "key": key, "poll_s": 0.05}
        job = make_job(tmp_path, "openai-jobs", "sft", "openai", ROWS, base="gpt-x", parameters=parameters)
        check_ends_when_told(OpenAiJobsTrainer(), job)
        assert server.cancelled == ["ftjob-1"]


def answer_by_prompt(messages: list[dict[str, str]]) -> str:
    """Right where the prompt says MAGIC; whoever reflects proposes such a prompt."""
    if messages[0]["role"] == "system":
        name = messages[-1]["content"].split()[1]
        return f"answer {name}" if "MAGIC" in messages[0]["content"] else "I do not know."
    return "Better:\n```\nBe MAGIC.\n```"


def test_gepa(tmp_path: Path) -> None:
    pytest.importorskip("gepa")
    with ChatServer(answer_by_prompt) as server:
        parameters = {"url": server.url, "calls": 40, "seed_prompt": "Be plain."}
        job = make_job(tmp_path, "gepa", "prompt", "trl-sft", ROWS, base="m", parameters=parameters)
        report = check_trainer(GepaTrainer(), job)
        assert report.artefacts == ("prompt.txt", "scores.json")
        assert (tmp_path / "artefacts" / "prompt.txt").read_text().strip() == "Be MAGIC."
        scores = json.loads((tmp_path / "artefacts" / "scores.json").read_text())
        assert (scores["seed"], scores["best"], scores["select_rows"]) == (0.0, 1.0, 4)
    down = make_job(tmp_path / "2", "gepa", "prompt", "trl-sft", ROWS, base="m", parameters=parameters)
    failed = run_trainer(GepaTrainer(), down)
    assert failed.code != 0 and not failed.artefacts
