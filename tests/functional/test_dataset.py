"""`steward dataset` as users type it: ratings at a running gateway become rows, and exit codes say what happened."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, deploy_mock, inside, until
from gateway_client import post
from training_sets import question, words, write_rows

SETTINGS = "name: shop\nfloor: {rows: 10, subjects: 5}\n"


@pytest.fixture(scope="module")
def deployed(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One of their own: all corrections are theirs."""
    yield from deploy_mock(upstream, tmp_path_factory.mktemp("deployed"))


def steward(place: Path, *arguments: str) -> Any:
    return inside("dataset", *arguments, "--home", "home", cwd=place)


def test_build_show_verify_diff_export_and_erase(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", [question(n) for n in range(40)])
    (tmp_path / "d.yaml").write_text(SETTINGS + "sources: [{path: a.jsonl}]\n")
    built = steward(tmp_path, "build", "d.yaml", "--out", "first", "--json")
    assert built.returncode == 0, built.stderr
    record = json.loads(built.stdout)
    assert sum(record["manifest"]["rows"].values()) == 40 and record["refused"] is None
    assert "40" in inside("dataset", "show", "first", cwd=tmp_path).stdout
    assert "the seal is valid" in steward(tmp_path, "verify", "first").stdout
    exported = json.loads(steward(tmp_path, "export", "first", "--to", "trl-sft", "--out", "rows", "--json").stdout)
    first = json.loads((tmp_path / "rows" / "train.jsonl").read_text().splitlines()[0])
    assert exported["shape"] == "trl-sft" and sorted(first) == ["completion", "prompt"]
    erased = steward(tmp_path, "erase", "first", "--subject", "s3", "--keep", "--json")
    new = json.loads(erased.stdout)["folder"]
    assert steward(tmp_path, "erase", new, "--subject", "s3").returncode == 1
    difference = inside("dataset", "diff", "first", new, "--json", cwd=tmp_path)
    assert difference.returncode == 1 and json.loads(difference.stdout)["removed"] == 1
    assert inside("dataset", "diff", "first", "first", cwd=tmp_path).returncode == 0
    assert len(json.loads(steward(tmp_path, "list", "--json").stdout)) == 2
    rows = (tmp_path / "first" / "train.jsonl").read_text()
    (tmp_path / "first" / "train.jsonl").write_text(rows.replace("Surely", "Hardly", 1))
    altered = steward(tmp_path, "verify", "first", "--json")
    assert altered.returncode == 1 and not json.loads(altered.stdout)["intact"]
    assert steward(tmp_path, "export", "first", "--to", "openai", "--out", "no").returncode == 2


def test_too_little_exits_3_with_the_reason_and_leaves_nothing(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", [question(n) for n in range(4)])
    (tmp_path / "d.yaml").write_text(SETTINGS + "sources: [{path: a.jsonl}]\n")
    result = steward(tmp_path, "build", "d.yaml", "--out", "set")
    assert result.returncode == 3 and "expected 10 or more (floor.rows)" in result.stderr
    assert not (tmp_path / "set").exists()
    (tmp_path / "d.yaml").write_text(SETTINGS + "sources: [{kind: captured}]\n")
    nothing = steward(tmp_path, "build", "d.yaml")
    assert nothing.returncode == 3 and "no row is left" in nothing.stderr
    assert "this home has no ratings" in nothing.stderr
    (tmp_path / "d.yaml").write_text(SETTINGS + "sources: [{kind: captcha}]\n")
    assert steward(tmp_path, "build", "d.yaml").returncode == 2


def test_corrections_at_the_gateway_become_rows(deployed: Deployment, tmp_path: Path) -> None:
    exchanges = []
    for n in range(40):
        ask = {"role": "user", "content": f"Please tell me {words(n)}?"}
        body = {"model": "mock", "messages": [ask], "user": f"person {n}"}
        _, answer, request_id = post(deployed, "/v1/chat/completions", body)
        served = {"role": "assistant", "content": answer["choices"][0]["message"]["content"]}
        exchanges.append({"request_id": request_id, "messages": [ask, served], "agreed": "yes" if n else "no"})
        rating = {"request_id": request_id, "score": -1, "correction": f"Surely {words(n + 500, 12)}."}
        assert post(deployed, "/v1/feedback", rating)[0] == 202
    write_rows(tmp_path / "x.jsonl", exchanges)
    source = "sources: [{kind: feedback, path: x.jsonl, basis: consent, consent: agreed}]\n"
    (tmp_path / "d.yaml").write_text(SETTINGS + source)

    def build() -> dict[str, Any] | None:
        out = str(tmp_path / f"set-{time.monotonic_ns()}")
        options = ("--out", out, "--home", str(deployed.home), "--json")
        record: dict[str, Any] = json.loads(inside("dataset", "build", "d.yaml", *options, cwd=tmp_path).stdout)
        return record if record["manifest"] and record["manifest"]["origins"].get("correction") == 39 else None

    record = until(build)
    assert record["manifest"]["consents"] == {"consent, given": 39}
    assert record["steps"][0]["reasons"] == {"the person said no": 1}
    assert len(record["manifest"]["subjects"]) == 39  # of the gateway's pseudonyms
    exported = inside(
        "dataset", "export", record["folder"], "--to", "trl-dpo", "--out", "pairs", "--home", str(deployed.home),
        "--json", cwd=tmp_path,
    )  # fmt: skip
    pairs = [json.loads(line) for line in (tmp_path / "pairs" / "train.jsonl").read_text().splitlines()]
    assert json.loads(exported.stdout)["rows"]["train"] == len(pairs) > 10
    assert all(pair["chosen"][0]["content"].startswith("Surely") for pair in pairs)


def test_an_erasure_makes_the_sets_anew_that_hold_the_person(tmp_path: Path) -> None:
    """The pseudonyms are those of the set's project, though no request ever came from it."""
    write_rows(tmp_path / "b.jsonl", [question(n) | {"subject": f"person-{n}"} for n in range(40)])
    (tmp_path / "d.yaml").write_text(SETTINGS + "sources: [{path: b.jsonl}]\n")
    assert steward(tmp_path, "build", "d.yaml", "--out", "second").returncode == 0
    erase = ("privacy", "erase", "person-3", "--home", "home", "--json")
    named = json.loads(inside(*erase, cwd=tmp_path).stdout)
    assert [one["folder"] for one in named["datasets"]] == [str(tmp_path / "second")] and named["rebuilt"] == []
    rebuilt = json.loads(inside(*erase, "--rebuild-datasets", cwd=tmp_path).stdout)["rebuilt"]
    assert [one["removed"] for one in rebuilt] == [1] and not (tmp_path / "second").exists()
    assert json.loads(inside(*erase, cwd=tmp_path).stdout)["datasets"] == []
