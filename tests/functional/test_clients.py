"""The clients that people use, against a gateway over a model with tools: chat, streams, tool loops, schemas, errors.

JavaScript and Python clients live in environments of their own, made here once under build/clients; steward's has other
versions of what they depend on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT, SHARE_STARTER, Deployment, served
from steward.core.files import hold_lock

CLIENTS = ROOT / "tests" / "clients"
BUILD = ROOT / "build" / "clients"

pytestmark = [SHARE_STARTER, pytest.mark.timeout(600)]  # an environment is installed first


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that the clients read."""
    folder = tmp_path_factory.mktemp("clients")
    upstream = served("tests/agent_upstream.py")
    lines = ["models:", *(f"  - {{name: {name}, backend: openai, url: '{next(upstream)}'}}" for name in ["agent"])]
    url = lines[1].split("'")[1]
    lines += [f"  - {{name: {name}, backend: openai, url: '{url}'}}" for name in ("long", "busy")]
    (folder / "steward.yaml").write_text("\n".join(lines))
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    (folder / "storing.yaml").write_text("\n".join([*lines, "gateway: {responses_store: {keep_s: 600}}"]))
    storing = Deployment(folder / "storing", "--workers", "2", "--config", str(folder / "storing.yaml"))
    yield {
        "GATEWAY": deployment.url,
        "KEY": deployment.key,
        "STORING": storing.url,
        "STORING_KEY": storing.key,
    }
    deployment.stop()
    storing.stop()
    next(upstream, None)


def name_environment(kind: str, *sources: str) -> Path:
    """The folder of an environment; another list of packages has another folder."""
    BUILD.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"\0".join((CLIENTS / name).read_bytes() for name in sources)).hexdigest()[:12]
    return BUILD / f"{kind}-{digest}"


def run_cases(command: list[str], gateway: dict[str, str], cwd: Path = CLIENTS) -> dict[str, str | None]:
    """What each case came to: None where it passed."""
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=cwd, env={**os.environ, **gateway, "NO_COLOR": "1"}
    )
    rows = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith('{"case"')]
    assert ended.returncode == 0, ended.stderr[-2000:]
    return {row["case"]: row["problem"] for row in rows}


def assert_all_pass(cases: dict[str, str | None], least: int) -> None:
    assert {case: problem for case, problem in cases.items() if problem} == {}
    assert len(cases) >= least


@pytest.fixture(scope="module")
def starter_variables(starter: Deployment) -> dict[str, str]:
    """As `gateway`, over the model that is shipped."""
    return {"GATEWAY": starter.url, "KEY": starter.key, "MODEL": "starter", "TEXT": '"role":"assistant"'}


@pytest.fixture(scope="module")
def javascript() -> Path:
    """The folder of an environment with openai, @anthropic-ai/sdk, and the AI SDK with four providers."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = name_environment("js", "package.json", "package-lock.json", "clients.mjs", "starter.mjs")
    with hold_lock(folder.with_suffix(".lock")):  # of several processes of tests, one installs
        if not (folder / "ready").exists():
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json", "clients.mjs", "starter.mjs"):
                shutil.copy(CLIENTS / name, folder / name)
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True, timeout=300)
            (folder / "ready").touch()
    return folder


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter of an environment with LangChain, instructor, pydantic-ai and the OpenAI Agents SDK."""
    folder = name_environment("py", "requirements.txt")
    found = str(folder / "bin" / "python")
    install = [found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    with hold_lock(folder.with_suffix(".lock")):
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
            subprocess.run([*install, "-r", str(CLIENTS / "requirements.txt")], check=True, timeout=400)
            (folder / "ready").touch()
    return found


def test_javascript(gateway: dict[str, str], javascript: Path) -> None:
    assert_all_pass(run_cases(["node", "clients.mjs"], gateway, javascript), 28)


def test_javascript_with_the_starter(starter_variables: dict[str, str], javascript: Path) -> None:
    assert_all_pass(run_cases(["node", "starter.mjs"], starter_variables, javascript), 9)


def test_python(gateway: dict[str, str], python: str) -> None:
    assert_all_pass(run_cases([python, "-P", "clients.py"], gateway), 29)


def test_python_with_the_starter(starter_variables: dict[str, str], python: str) -> None:
    assert_all_pass(run_cases([python, "-P", "starter.py"], starter_variables), 8)


@pytest.mark.parametrize("model", ["gateway", "starter_variables"])
def test_java(model: str, request: pytest.FixtureRequest) -> None:
    """The JDK's own client, which offers HTTP/2."""
    if shutil.which("java") is None:
        pytest.skip("no JDK is installed")
    short = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # it ends before an optimising compiler pays
    assert_all_pass(run_cases(["java", *short, "Client.java"], request.getfixturevalue(model)), 4)
