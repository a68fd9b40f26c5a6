"""The circle: ratings, a training in a process of its own, the registry, a gate, a release by its guards, lineage."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, until
from steward.core.fetch import open_url

TRAINER = """
import json, os, pathlib, sys
from steward.starter import path as starter
folder = pathlib.Path(sys.argv[1]); folder.mkdir(parents=True, exist_ok=True)
(folder / "model.gguf").write_bytes(starter().read_bytes() + sys.argv[2].encode())
(folder / "artefact.json").write_text(json.dumps({"trainer": "command", "parameters": {"mark": sys.argv[2]},
    "dataset": {"digest": "sha256:" + "ab" * 32}, "code": {"digest": "sha256:" + "cd" * 32}, "path": "model.gguf"}))
"""
GATE = "import sys, time; time.sleep(float(sys.argv[2])); sys.exit(int(sys.argv[1]))"
FILE = """
models: [{{name: support, backend: embedded, slots: 4, context: 512, threads: 1}}]
release:
  steps: [0.5]
  minimum_duration_s: 0
  warm_up_s: 0
  look_every_s: 0.5
  step_minimum_s: 0
  slow_s: 60
  shadow: {{sample: 0}}
  guards:
    errors: {{floor: 0.3, minimum_units: 5}}
    slow: {{floor: 0.3, minimum_units: 5}}
    cost: {{required: false}}
    judge: {{required: false}}
improve:
  mode: {mode}
  minimum_rows: 3
  cool_down_days: 0
  steps:
    - {{name: train, command: ["{python}", "{folder}/trainer.py", "{{run}}/model", "{mark}"], retries: 1}}
    - {{name: register, command: [steward, model, import, "{{run}}/model", --name, tuned, --alias, candidate]}}
    - {{name: gate, command: ["{python}", "-c", "{gate}", "{code}", "{sleep_s}"]}}
    - {{name: release, command: [steward, release, start, support, --candidate, tuned@candidate]}}
"""


def write(folder: Path, mode: str = "propose", mark: str = "one", code: int = 0, sleep_s: float = 0.0) -> None:
    text = FILE.format(
        mode=mode, python=sys.executable, folder=folder, mark=mark, code=code, gate=GATE, sleep_s=sleep_s
    )
    (folder / "steward.yaml").write_text(text)


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("circle")
    (folder / "trainer.py").write_text(TRAINER)
    write(folder)
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


def post(deployment: Deployment, path: str, body: dict[str, Any]) -> Any:
    headers = {"authorization": f"Bearer {deployment.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{deployment.url}{path}", json.dumps(body).encode(), headers)
    with open_url(request, 60) as answer:
        return answer.headers["x-request-id"], json.load(answer)


def ask(deployment: Deployment, person: str) -> str:
    body = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "user": person, "max_tokens": 1}
    return str(post(deployment, "/v1/chat/completions", body)[0])


def read(deployment: Deployment, *arguments: str) -> Any:
    done = inside(*arguments, "--home", str(deployment.home), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_thumbs_down_to_a_better_model(circle: Deployment) -> None:
    home = str(circle.home)
    for number in range(3):
        request = ask(circle, f"p{number}")
        post(circle, "/v1/feedback", {"request_id": request, "score": -1, "correction": "Good morning!"})
    proposed = until(lambda: next(iter(read(circle, "improve", "status")["runs"]), None), 30)
    assert (proposed["state"], proposed["trigger"], proposed["started_by"]) == (
        "proposed",
        "new rows",
        "service:improve",
    )
    done = inside("improve", "run", "--reason", "enough was said", "--home", home, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    record = json.loads(done.stdout)
    assert record["id"] == proposed["id"] and [step["state"] for step in record["steps"]] == ["done"] * 4
    assert read(circle, "release", "status", "support")["release"]["state"] == "canary"

    def is_promoted() -> bool:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: ask(circle, f"q{time.time()}-{number}"), range(24)))
        return bool(read(circle, "release", "status", "support")["release"]["state"] == "promoted")

    until(is_promoted, 120)
    lineage = until(lambda: _trace_candidate(circle), 60)
    assert lineage["served"].startswith("tuned@") and lineage["parameters"] == {"mark": "one"}
    assert lineage["release"]["state"] == "promoted" and lineage["decisions"][0]["verdict"] == "pass"
    assert [move["alias"] for move in lineage["aliases"]] == ["candidate", "champion"]


def _trace_candidate(deployment: Deployment) -> Any:
    """The lineage of a new person's answer, if the candidate gave it: the worker hears of the promotion a little
    later, and the holdback keeps one person in a hundred with the champion."""
    request = ask(deployment, f"new-{time.time()}")
    lineage = until(lambda: _trace(deployment, request), 60)
    return lineage if lineage["served"] else None


def _trace(deployment: Deployment, request: str) -> Any:
    done = inside("model", "lineage", request, "--home", str(deployment.home), "--json")
    return json.loads(done.stdout) if done.returncode == 0 else None


def test_a_worse_candidate_is_refused_by_the_gate(circle: Deployment) -> None:
    write(circle.home.parent, mark="two", code=1)
    until(lambda: "two" in (circle.home / "run" / "plan.json").read_text(), 60)
    done = inside("improve", "run", "--home", str(circle.home), "--json")
    record = json.loads(done.stdout)
    assert done.returncode == 1 and record["state"] == "failed"
    assert [step["state"] for step in record["steps"]] == ["done", "done", "failed", "waiting"]
    assert "gate failed with exit code 1" in record["error"]
    assert read(circle, "release", "status", "support")["release"]["state"] == "promoted"


def test_one_run_at_a_time_and_one_whose_process_is_gone_is_taken_up(circle: Deployment) -> None:
    write(circle.home.parent, mark="three", code=1, sleep_s=8.0)
    until(lambda: "three" in (circle.home / "run" / "plan.json").read_text(), 60)
    home = str(circle.home)
    detached = inside("improve", "run", "--detach", "--home", home, "--json")
    assert detached.returncode == 0, detached.stderr
    record = json.loads(detached.stdout)
    second = inside("improve", "run", "--home", home)
    assert second.returncode == 2 and f"{record['id']} is" in second.stderr

    def ended() -> Any:
        runs = read(circle, "improve", "status")["runs"]
        return next((one for one in runs if one["id"] == record["id"] and one["state"] == "failed"), None)

    assert until(ended, 60)["holder"] != ""  # by the keeper's process
