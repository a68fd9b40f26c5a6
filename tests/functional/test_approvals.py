"""Changes of settings and prompts that need approval, through the commands, over a running steward and before one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Deployment, inside
from steward.core.identity import operator
from steward.workflows.approvals import decide
from steward.workflows.audit import list_acts

POLICY = "approval_policy: {settings: [{kind: approvals}], prompts: [{kind: approvals}]}\n"
COLLEAGUE = operator(4242)


@pytest.fixture
def deployment(tmp_path: Path, upstream: str) -> Iterator[Deployment]:
    text = f"models: [{{name: m, backend: openai, url: '{upstream}', upstream_model: mock}}]\nwatch: false\n{POLICY}"
    (tmp_path / "steward.yaml").write_text(text)
    deployment = Deployment(tmp_path / ".steward", "--workers", "1")
    yield deployment
    deployment.stop()


def list_waiting(home: Path) -> list[str]:
    done = inside("approvals", "--home", str(home), "--json")
    return [view["request"]["id"] for view in json.loads(done.stdout) if view["state"] == "waiting"]


def approve_as_colleague(home: Path, request: str) -> None:
    decide(home, request, "approve", time.time(), actor=COLLEAGUE)


def test_a_changed_file_serves_after_somebody_else_approved_it(deployment: Deployment) -> None:
    home, file = deployment.home, deployment.home.parent / "steward.yaml"
    before = file.read_text()
    file.write_text(before.replace(POLICY, "limits: {default: {requests_per_minute: 7}}\n"))  # also drops the policy

    def reload(*more: str) -> tuple[int, dict[str, object]]:
        done = inside("reload", "--home", str(home), "--json", *more)
        return done.returncode, json.loads(done.stdout)

    checked = inside("config", "check", cwd=home.parent)
    assert checked.returncode == 2 and "settings needs approval" in checked.stderr
    code, report = reload("--dry-run")
    assert (code, report["outcome"]) == (2, "refused") and list_waiting(home) == []
    code, report = reload()
    (request,) = list_waiting(home)
    assert code == 2 and report["version"] == 1 and f"steward approve {request}" in str(report["error"])
    own = inside("approve", request, "--home", str(home))
    assert own.returncode == 2 and "somebody else has to approve it" in own.stderr
    shown = inside("approvals", "show", request, "--home", str(home)).stdout
    assert "+limits: {default: {requests_per_minute: 7}}" in shown and "approved by nobody" in shown
    approve_as_colleague(home, request)
    code, report = reload("--reason", "ticket 7")
    assert (code, report["outcome"], report["version"]) == (0, "applied", 2)
    acts = {act.action: act for act in list_acts(home, 9)}
    assert acts["config.serve"].reason == "ticket 7"
    assert acts["approvals.approve"].actor == COLLEAGUE.actor and acts["approvals.request"].subject.endswith(request)
    file.write_text(before)  # without a policy in force, no approval is needed
    assert reload()[0] == 0


def test_a_prompt_is_added_and_used_after_somebody_else_approved_it(deployment: Deployment) -> None:
    home = deployment.home
    add = ("prompts", "add", "greet", "--system", "Be kind.", "--home", str(home))
    refused = inside(*add)
    (request,) = list_waiting(home)
    assert refused.returncode == 2 and f"steward approve {request}" in refused.stderr
    assert json.loads(inside("prompts", "list", "--home", str(home), "--json").stdout) == []
    approve_as_colleague(home, request)
    assert inside(*add).returncode == 0
    assert inside(*add[:4], "Be brief.", *add[5:]).returncode == 2
    done = inside("reject", list_waiting(home)[0], "--home", str(home), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["state"] == "rejected"
    refused = inside(*add[:4], "Be brief.", *add[5:])
    assert refused.returncode == 2 and "rejected by operator" in refused.stderr


def test_a_restart_does_not_pass_the_policy_by(deployment: Deployment) -> None:
    home, file = deployment.home, deployment.home.parent / "steward.yaml"
    deployment.stop()
    file.write_text(file.read_text().replace(POLICY, ""))
    started = inside("up", "--home", str(home), "--config", str(file), "--port", "0", "--console-port", "0")
    assert started.returncode == 2 and "settings needs approval" in started.stderr
    approve_as_colleague(home, list_waiting(home)[0])
    again = Deployment(home, "--workers", "1")
    again.stop()
