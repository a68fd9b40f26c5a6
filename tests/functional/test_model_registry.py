"""The registry through its commands, and the starter's file released from it by an engine of its own."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, until
from steward.core.fetch import open_url
from steward.starter import path as starter_path

FILE = """
watch: false
models: [{name: support, backend: embedded, slots: 2, context: 512, threads: 1}]
release:
  steps: [0.5]
  minimum_duration_s: 0
  warm_up_s: 0
  shadow: {sample: 0}
  guards: {judge: {required: false}}
"""
DETAILS = {
    "base": {"name": "starter", "digest": "sha256:" + "ab" * 32},
    "dataset": {"name": "talks", "digest": "sha256:" + "cd" * 32},
    "code": {"digest": "sha256:" + "ef" * 32},
    "trainer": "trl",
    "parameters": {"epochs": 3},
}


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("registry")
    (folder / "steward.yaml").write_text(FILE)
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


@pytest.fixture(scope="module")
def served(registered: Deployment) -> str:
    """The name of a version that differs from the starter by a byte behind its end."""
    folder = registered.home.parent
    file, details = folder / "tuned.gguf", folder / "details.json"
    shutil.copyfile(starter_path(), file)
    with file.open("ab") as opened:
        opened.write(b"\0")
    details.write_text(json.dumps(DETAILS))
    options = ("--name", "tuned", "--details", str(details), "--alias", "candidate", "--reason", "better answers")
    record = model(registered, "import", str(file), *options)
    name: str = record["served"]
    return name


def model(deployment: Deployment, *arguments: str, code: int = 0) -> Any:
    done = inside("model", *arguments, "--home", str(deployment.home), "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def ask(deployment: Deployment, person: str) -> str:
    """The id of an answered request."""
    body = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "user": person, "max_tokens": 2}
    headers = {"authorization": f"Bearer {deployment.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{deployment.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with open_url(request, 60) as answer:
        answer.read()
        return str(answer.headers["x-request-id"])


def test_a_version_is_listed_with_its_digest_in_its_name(registered: Deployment, served: str) -> None:
    (row,) = model(registered, "list")
    assert (row["served"], row["aliases"], row["in_use"]) == (served, ["candidate"], False)
    assert served == f"tuned@{row['version']['digest'].removeprefix('sha256:')[:12]}"
    view = model(registered, "show", "tuned@candidate")
    assert view["moves"][0]["reason"] == "better answers" and view["version"]["details"] == DETAILS


def test_a_signed_export_verifies_and_an_altered_one_does_not(
    registered: Deployment, served: str, tmp_path: Path
) -> None:
    unsigned = inside("model", "verify", served, "--home", str(registered.home))
    assert unsigned.returncode == 2 and f"steward model sign {served}" in unsigned.stderr
    signed = model(registered, "sign", served)
    assert model(registered, "verify", served)["verdict"] == "held"
    folder = tmp_path / "out"
    assert model(registered, "export", served, str(folder))["signed"]
    key = ("--public-key", signed["public_key"])
    assert model(registered, "verify", str(folder), *key)["verdict"] == "held"
    with (folder / "tuned.gguf").open("ab") as opened:
        opened.write(b"x")
    problems = model(registered, "verify", str(folder), *key, code=1)["problems"]
    assert len(problems) == 1 and problems[0].startswith("tuned.gguf: ")
    assert "base_model: starter" in (folder / "README.md").read_text()
    statement = json.loads((folder / "provenance.sigstore.json").read_text())
    assert statement["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"


def test_a_released_version_answers_beside_the_old_one_and_its_answers_are_traced(
    registered: Deployment, served: str
) -> None:
    home = str(registered.home)
    begun = json.loads(
        inside("release", "start", "support", "--candidate", "tuned@candidate", "--home", home, "--json").stdout
    )
    assert begun["release"]["candidate"]["served"] == served
    requests = [ask(registered, f"p{number}") for number in range(12)]
    assert inside("release", "promote", "support", "--reason", "it is better", "--home", home).returncode == 0
    requests.append(ask(registered, "later"))

    def trace(request: str) -> Any:
        done = inside("model", "lineage", request, "--home", home, "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    traces = [until(lambda request=request: trace(request), 20) for request in requests]
    arms = {one["request"]["arm"] for one in traces}
    assert arms == {"champion", "candidate"}
    of_candidate = next(one for one in traces if one["request"]["arm"] == "candidate")
    assert of_candidate["served"] == served and of_candidate["dataset"] == DETAILS["dataset"]
    assert of_candidate["code"] == DETAILS["code"] and of_candidate["parameters"] == {"epochs": 3}
    assert of_candidate["release"]["state"] == "promoted"
    assert any(one.startswith("gate: ") for one in of_candidate["unknown"])
    of_champion = next(one for one in traces if one["request"]["arm"] == "champion")
    assert of_champion["version"] is None
    view = model(registered, "show", served)
    assert view["aliases"] == ["candidate", "champion"] and view["in_use"]


def test_what_serves_is_not_collected(registered: Deployment, served: str) -> None:
    gone = model(registered, "collect", "--keep", "0")
    assert gone["versions"] == [] and gone["kept"] == {served: "a release serves it"}


def test_a_file_that_no_engine_loads_is_not_released_and_nothing_changes(
    registered: Deployment, served: str, tmp_path: Path
) -> None:
    file, home = tmp_path / "broken.gguf", str(registered.home)
    file.write_bytes(b"GGUF" + bytes(64))
    broken = model(registered, "import", str(file), "--name", "tuned")["served"]
    before = json.loads(inside("release", "status", "--home", home, "--json").stdout)
    refused = inside("release", "start", "support", "--candidate", broken, "--home", home)
    assert refused.returncode == 2 and "nothing was changed" in refused.stderr, refused.stderr
    after = json.loads(inside("release", "status", "--home", home, "--json").stdout)
    assert [one["state"] for one in after[1:]] == [one["state"] for one in before]
    assert (after[0]["state"], after[0]["weight"]) == ("failed", 0.0)
    assert ask(registered, "somebody")
    view = model(registered, "show", "tuned@champion")
    assert view["served"] == served and view["in_use"]


def test_a_tainted_version_is_not_released(registered: Deployment, served: str) -> None:
    assert model(registered, "mark", served, "--tainted", "somebody was erased")["tainted"]
    home = str(registered.home)
    assert inside("release", "rollback", "support", "--home", home).returncode == 0
    refused = inside("release", "start", "support", "--candidate", served, "--home", home)
    assert refused.returncode == 2 and "tainted: somebody was erased" in refused.stderr


def test_an_unknown_request_is_said_to_be_unknown(registered: Deployment) -> None:
    refused = inside("model", "lineage", "req_nothing", "--home", str(registered.home))
    assert refused.returncode == 2 and "req_nothing" in refused.stderr
