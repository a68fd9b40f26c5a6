"""A planted person in a running deployment: found whole, erased whole, and not brought back by a backup."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, until
from steward.core.files import try_lock
from steward.core.releases import ModelVersion
from steward.workflows.rights.home import open_rights_home

CANARY = "quirin-the-canary-sings"  # stands in everything that the person wrote
PERSON, OTHER = "patient-4711@clinic.example", "patient-0815@clinic.example"
SETTINGS = """
models:
  - {{name: echo, backend: openai, url: '{scripted}'}}
  - {{name: chat, backend: openai, url: '{upstream}', upstream_model: mock}}
gateway: {{responses_store: {{keep_s: 3600}}}}
monitoring: {{traces: {{sample: 1.0}}}}
capture:
  rules: [{{purpose: support, text: as_sent}}]
processors:
  - {{name: Cloud, purpose: answers, country: US, models: [echo], keeps_days: 30, delete_at: privacy@cloud.example}}
personal_files:
  - {{name: tickets, path: tickets.jsonl, kind: dataset}}
  - {{name: cache, path: cache, kind: cache}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rights")


@pytest.fixture(scope="module")
def serving(scripted: str, upstream: str, folder: Path) -> Iterator[Deployment]:
    (folder / "steward.yaml").write_text(SETTINGS.format(scripted=scripted, upstream=upstream))
    deployment = Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


def post(deployment: Deployment, path: str, body: dict[str, Any], **headers: str) -> tuple[int, str]:
    """Status and x-request-id."""
    given = {"Authorization": f"Bearer {deployment.key}", "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(deployment.url + path, json.dumps(body).encode(), given)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            return answer.status, answer.headers["x-request-id"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["x-request-id"]


def plant(deployment: Deployment, folder: Path, person: str, canary: str) -> None:
    """A person in every place that there is."""
    home = deployment.home
    said = {"model": "echo", "messages": [{"role": "user", "content": f"{canary} chats"}]}
    _, request_id = post(deployment, "/v1/chat/completions", said, x_steward_subject=person)
    post(deployment, "/v1/chat/completions", {**said, "model": "chat", "stream": True}, x_steward_subject=person)
    post(deployment, "/v1/responses", {"model": "chat", "input": f"{canary} asks", "user": person})
    post(deployment, "/v1/feedback", {"request_id": request_id, "score": 1, "comment": f"{canary} rates"})
    with (folder / "tickets.jsonl").open("a") as file:
        file.write(json.dumps({"user": person, "text": f"{canary} complains"}) + "\n")
    (folder / "cache").mkdir(exist_ok=True)
    (folder / "cache" / f"{canary[:4]}.csv").write_text(f"who,what\n{person},{canary}\nnobody,nothing\n")
    with open_rights_home(home, time.time()) as opened:
        pseudonym = opened.keys.find_subject("default", "default", person)
    dataset = home / "datasets" / f"set-{canary[:4]}"
    dataset.mkdir(parents=True)
    manifest = {"name": dataset.name, "digest": f"sha256:{canary[:4]}", "subjects": [pseudonym]}
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    trained = ModelVersion(
        name=f"model-{canary[:4]}", digest=f"sha256:{canary[:4]}-m", kind="gguf", files=(), created_at=1.0,
        created_by="operator:0", details={"dataset": {"digest": manifest["digest"]}},
    )  # fmt: skip
    with open_rights_home(home, time.time()) as opened:
        assert opened.store.registry.add_version(trained)


def call(deployment: Deployment, *arguments: str, code: int = 0) -> Any:
    result = inside("privacy", *arguments, "--home", str(deployment.home), "--json")
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def planted(serving: Deployment, folder: Path) -> Deployment:
    until(lambda: keeps_traces(serving))
    plant(serving, folder, PERSON, CANARY)
    plant(serving, folder, OTHER, "other-canary-stays")
    until(lambda: sum(row["of_people"] for row in inventory(serving, "captured exchanges")) >= 6)
    return serving


def keeps_traces(deployment: Deployment) -> bool:
    """Whether the keeper has read by now which requests to keep as traces; asks one that names nobody."""
    post(deployment, "/v1/chat/completions", {"model": "chat", "messages": []})
    with open_rights_home(deployment.home, time.time()) as opened:
        return bool(opened.store.traces.list_traces(0.0, 1e11, 1, tenant=None))


def inventory(deployment: Deployment, data: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = call(deployment, "report")["inventory"]
    return [row for row in rows if row["data"] == data]


def export(deployment: Deployment, person: str, archive: Path, code: int = 0) -> dict[str, Any]:
    call(deployment, "export", person, str(archive), code=code)
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == ["data.json", "index.html"]
        data: dict[str, Any] = json.loads(packed.read("data.json"))
        data["page"] = packed.read("index.html").decode()
    return data


def test_a_planted_person_is_found_in_every_place(planted: Deployment, tmp_path: Path) -> None:
    data = export(planted, PERSON, tmp_path / "person.zip")
    assert data["counts"] == {
        "exchanges": 3, "traces": 3, "feedback": 1, "captures": 3, "stored_responses": 1, "tickets": 1, "cache": 1,
    }  # fmt: skip
    assert data["feedback"][0]["comment"] == f"{CANARY} rates"
    asked = [json.dumps(one["request"]) for one in data["captures"]]
    assert sum(CANARY in text for text in asked) == 3 and all(one["answer"] for one in data["captures"])
    assert [one["name"] for one in data["datasets"]] == ["set-quir"]
    assert [one["name"] for one in data["models"]] == ["model-quir"]
    assert "other-canary" not in json.dumps(data) and data["unread"] == []
    assert data["page"].count(CANARY) >= 7 and "<script" not in data["page"]
    assert (tmp_path / "person.zip").stat().st_mode & 0o077 == 0


def test_nobody_is_found_under_a_name_that_no_request_carried(planted: Deployment, tmp_path: Path) -> None:
    assert export(planted, "somebody-else", tmp_path / "nobody.zip")["counts"] == {}


def test_the_report_says_what_lies_where(planted: Deployment, tmp_path: Path) -> None:
    report = call(planted, "report", "--html", str(tmp_path / "report.html"))
    names = {row["data"]: row for row in report["inventory"]}
    assert names["requests"]["of_people"] == 6 and names["stored responses"]["rows"] == 2
    assert names["captured exchanges"]["sealed"] and names["tickets (dataset)"]["rows"] is None
    assert report["processors"][0]["name"] == "Cloud" and report["unregistered"] == []
    assert (tmp_path / "report.html").read_text().count("captured exchanges") >= 1


def test_a_hold_stops_an_erasure_and_its_release_lets_it(planted: Deployment) -> None:
    [hold] = call(planted, "holds", "add", "case 12", "--subject", PERSON)
    refused = inside("privacy", "erase", PERSON, "--home", str(planted.home))
    assert refused.returncode == 2 and f"steward privacy holds release {hold['id']}" in refused.stderr
    assert [one["id"] for one in call(planted, "holds", "list")] == [hold["id"]]
    assert call(planted, "holds", "release", hold["id"])["released_by"] is not None
    assert call(planted, "holds", "list") == []


def test_a_breach_has_a_clock_and_a_list(planted: Deployment) -> None:
    view = call(planted, "breach", "open", "a laptop was lost", "--since", "1h", "--known", "2h", "--route", "echo")
    assert view["state"] == "open" and 69.9 * 3600 < view["left_s"] <= 70 * 3600
    assert view["people"] == 2 and {one["requests"] for one in view["affected"]} == {1}
    name = view["breach"]["id"]
    assert call(planted, "breach", "status", name)[0]["breach"]["summary"] == "a laptop was lost"
    assert call(planted, "breach", "close", name, "told them", "--notified", "0s")["state"] == "notified"
    late = call(planted, "breach", "open", "old news", "--since", "100h", "--known", "73h")
    assert late["state"] == "late"
    call(planted, "breach", "status", code=1)
    call(planted, "breach", "close", late["breach"]["id"], "no risk to anybody")


def test_a_correction_stands_beside_what_is_kept(planted: Deployment, tmp_path: Path) -> None:
    result = call(planted, "correct", PERSON, f"{CANARY} says the name is wrong")
    assert len(result["notes"]) == 1
    data = export(planted, PERSON, tmp_path / "corrected.zip")
    assert [one["note"] for one in data["corrections"]] == [f"{CANARY} says the name is wrong"]


def test_an_erased_person_is_nowhere_and_others_stay(planted: Deployment, folder: Path, tmp_path: Path) -> None:
    backup = tmp_path / "before.tar"
    made = inside("backup", str(backup), "--keys", str(tmp_path / "keys"), "--home", str(planted.home))
    assert made.returncode == 0, made.stderr
    with open_rights_home(planted.home, time.time()) as opened:
        pseudonym = opened.keys.find_subject("default", "default", PERSON)
    assert pseudonym is not None
    result = call(planted, "erase", PERSON)
    result["erased"].pop("features", 0)  # of sampled requests
    assert result["erased"] == {
        "exchanges": 3, "traces": 3, "feedback": 1, "captures": 3, "corrections": 1, "holds": 1,
        "stored_responses": 1, "tickets": 1, "cache": 1,
    }  # fmt: skip
    assert [one["name"] for one in result["datasets"]] == ["set-quir"]
    assert [one["name"] for one in result["models"]] == ["model-quir"]
    with open_rights_home(planted.home, time.time()) as opened:
        tainted = {one.name: one.tainted for one in opened.store.registry.list_versions(tenant="default")}
    assert result["receipt"] in tainted["model-quir"] and tainted["model-othe"] == ""
    assert result["remaining"] == {} and result["unread"] == [] and result["receipt"].startswith("ev_")
    assert [one["delete_at"] for one in result["processors"]] == ["privacy@cloud.example"]
    again = call(planted, "erase", PERSON)
    assert (again["erased"], again["keys"], again["remaining"]) == ({}, 0, {})
    data = export(planted, PERSON, tmp_path / "after.zip")
    assert data["counts"] == {} and CANARY not in json.dumps(data)
    other = export(planted, OTHER, tmp_path / "other.zip")
    assert other["counts"]["captures"] == 3 and other["counts"]["tickets"] == 1
    files = [path for path in [*folder.rglob("*"), planted.log] if path.is_file() and "manifest" not in path.name]
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert [str(path) for path in files if PERSON.encode() in path.read_bytes()] == []
    naming = {path.relative_to(folder).parts[1] for path in files if pseudonym.encode() in path.read_bytes()}
    assert naming <= {"erasures.jsonl", "steward.db", "audit"}  # the journal and its rows, and who did it
    check_restored(backup, planted.home, tmp_path / "restored", pseudonym)


def check_restored(backup: Path, home: Path, restored: Path, person: str) -> None:
    """A home that is restored from before the erasure has nothing of the person, and everything of others."""
    arguments = ("--keys", str(backup.parent / "keys"), "--erasures", str(home), "--home", str(restored))
    made = inside("restore", str(backup), *arguments)
    assert made.returncode == 0, made.stderr
    with open_rights_home(restored, time.time()) as opened:
        assert opened.store.rights.find([person], tenant="default").counts() == {}
        other = opened.keys.find_subject("default", "default", OTHER)
        rows = opened.store.rights.find([str(other)], tenant="default")
        texts = [opened.open_capture(record) for record in rows.captures]
        assert len(texts) == 3 and None not in texts


def test_receipts_and_acts_are_there(planted: Deployment) -> None:
    acts = json.loads(inside("audit", "tail", "-n", "1000", "--home", str(planted.home), "--json").stdout)
    actions = {act["action"] for act in acts}
    assert {"privacy.export", "privacy.erase", "privacy.hold", "privacy.release", "privacy.correct"} <= actions
    assert {"privacy.breach.open", "privacy.breach.close"} <= actions


def test_a_person_is_erased_while_nothing_runs(planted: Deployment) -> None:
    said = {"model": "echo", "messages": [{"role": "user", "content": "the last words"}]}
    post(planted, "/v1/chat/completions", said, x_steward_subject=OTHER)
    planted.process.kill()  # as a machine that fails: workers and keeper end without taking anything in
    planted.process.wait(30)
    until(lambda: not (planted.home / "captures").is_dir() or not_running(planted))
    result = call(planted, "erase", OTHER)
    assert result["erased"]["exchanges"] == 4 and result["erased"]["captures"] == 4
    assert result["remaining"] == {} and result["unread"] == []


def not_running(deployment: Deployment) -> bool:
    """Whether every worker's locks are free: the ends of their lifeline take a moment."""
    locks = [path for name in ("ledger", "spool", "captures") for path in (deployment.home / name).glob("*.lock")]
    return all(is_free(path) for path in locks)


def is_free(path: Path) -> bool:
    descriptor = try_lock(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None
