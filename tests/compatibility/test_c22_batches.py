"""C22: batches as OpenAI's SDK makes them: sealed, bounded, cancelled, continued after a kill, at their own price."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest

from conftest import Deployment, inside, served, until

SECRET = "Quirin-is-ill"


class Setting(NamedTuple):
    deployment: Deployment
    client: openai.OpenAI

    def upload(self, *bodies: dict[str, Any], url: str = "/v1/chat/completions") -> str:
        lines = [
            json.dumps({"custom_id": f"r{number}", "method": "POST", "url": url, "body": body})
            for number, body in enumerate(bodies)
        ]
        file = io.BytesIO("\n".join(lines).encode())
        return self.client.files.create(file=("ask.jsonl", file), purpose="batch").id

    def create(self, file: str, endpoint: Any = "/v1/chat/completions") -> Any:
        return self.client.batches.create(
            input_file_id=file, endpoint=endpoint, completion_window="24h", metadata={"for": SECRET}
        )

    def ended(self, batch: Any, status: str) -> Any:
        def look() -> Any:
            now = self.client.batches.retrieve(batch.id)
            return now if now.status in ("completed", "failed", "expired", "cancelled") else None

        found = until(look)
        assert found.status == status, found
        return found

    def counted(self, batch: Any) -> int:
        counts = self.client.batches.retrieve(batch.id).request_counts
        return counts.completed if counts is not None else 0

    def lines(self, file: str | None) -> dict[str, Any]:
        assert file is not None
        return {row["custom_id"]: row for row in map(json.loads, self.client.files.content(file).text.splitlines())}


def chat(model: str, text: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/answering_upstream.py", "--delay-ms", "100")


def deploy(folder: Path, upstream: str, more: str = "") -> Deployment:
    price = "{input: 1000, output: 1000}"
    lines = [
        "models:",
        *(f"  - {{name: {name}, backend: openai, url: '{upstream}', price: {price}}}" for name in MODELS),
    ]
    (folder / "steward.yaml").write_text("\n".join([*lines, more]))
    return Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))


MODELS = ("right", "starting", "failing")


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Setting]:
    deployment = deploy(tmp_path_factory.mktemp("batches"), upstream, "batches: {max_requests: 30}")
    client = openai.OpenAI(base_url=f"{deployment.url}/v1", api_key=deployment.key, max_retries=0)
    try:
        yield Setting(deployment, client)
    finally:
        client.close()
        deployment.stop()


def test_a_batch_is_answered_at_its_price_and_its_errors_stand_apart(it: Setting) -> None:
    before = it.deployment.settled_usage()
    file = it.upload(chat("right", "q 1"), chat("failing", "q 2"), chat("starting", "q 3"), chat("gone", "q 4"))
    batch = it.ended(it.create(file), "completed")
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (4, 2, 2)
    answers = it.lines(batch.output_file_id)
    assert {name: row["response"]["body"]["choices"][0]["message"]["content"] for name, row in answers.items()} == {
        "r0": "a 1",
        "r2": "a 3",
    }
    errors = it.lines(batch.error_file_id)
    assert {name: row["response"]["status_code"] for name, row in errors.items()} == {"r1": 400, "r3": 404}
    assert batch.metadata == {"for": SECRET}
    after = it.deployment.settled_usage()
    assert after["usd"] - before["usd"] == pytest.approx(0.005)  # 2 answers of 3 + 2 tokens, half of USD 1000 a million


def test_nothing_of_it_is_readable_in_the_home(it: Setting) -> None:
    batch = it.ended(it.create(it.upload(chat("right", f"{SECRET} q 1"))), "completed")
    assert it.lines(batch.output_file_id)
    files = [path for path in [*it.deployment.home.rglob("*"), it.deployment.log] if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    folder = it.deployment.home / "batches"
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*") if path.is_file()} == {"0o600"}


def test_files_and_batches_are_listed_page_by_page_and_deleted(it: Setting) -> None:
    ids = [it.upload(chat("right", f"q {number}")) for number in (1, 2, 3)]
    listed = [file.id for file in it.client.files.list(purpose="batch")]
    assert set(ids) <= set(listed) and listed.index(ids[2]) < listed.index(ids[0])
    made = [it.create(file).id for file in ids[:2]]
    page = it.client.batches.list(limit=1)
    assert page.data[0].id == made[1] and page.has_more
    assert it.client.batches.list(limit=1, after=made[1]).data[0].id == made[0]
    for name in made:
        it.ended(it.client.batches.retrieve(name), "completed")
    assert it.client.files.delete(ids[0]).deleted
    with pytest.raises(openai.NotFoundError):
        it.client.files.retrieve(ids[0])


def test_another_project_sees_nothing(it: Setting) -> None:
    made = inside("keys", "create", "--home", str(it.deployment.home), "--name", "b", "--project", "other", "--json")
    other = it.client.with_options(api_key=json.loads(made.stdout)["key"])
    file = it.upload(chat("right", "q 1"))
    batch = it.create(file)

    def known() -> bool:
        try:
            return bool(other.models.list().data)
        except openai.AuthenticationError:
            return False

    until(known)
    for ask in (
        lambda: other.files.retrieve(file),
        lambda: other.files.content(file),
        lambda: other.files.delete(file),
        lambda: other.batches.retrieve(batch.id),
        lambda: other.batches.cancel(batch.id),
        lambda: other.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h"),
    ):
        with pytest.raises(openai.NotFoundError):
            ask()
    assert not [one for one in other.batches.list() if one.id == batch.id]
    it.ended(batch, "completed")


def test_a_file_that_cannot_be_run_fails_and_says_which_line(it: Setting) -> None:
    bad = io.BytesIO(
        b'{"custom_id":"a"}\n'
        + json.dumps({"custom_id": "b", "method": "GET", "url": "/v1/x", "body": {"model": "m"}}).encode()
    )
    file = it.client.files.create(file=("bad.jsonl", bad), purpose="batch").id
    batch = it.ended(it.create(file), "failed")
    assert [(error.line, error.code) for error in batch.errors.data] == [
        (1, "invalid_json_line"),
        (2, "mismatched_endpoint"),
    ]
    many = it.upload(*(chat("right", f"q {number}") for number in range(31)))
    assert it.ended(it.create(many), "failed").errors.data[0].code == "too_many_requests"


def test_what_is_wrong_is_refused(it: Setting) -> None:
    with pytest.raises(openai.BadRequestError, match="for batches only"):
        it.client.files.create(file=("a.txt", b"x"), purpose="assistants")
    with pytest.raises(openai.NotFoundError, match="No file"):
        it.create("file-" + "0" * 24)
    with pytest.raises(openai.NotFoundError, match="No file"):
        it.create("../../etc/passwd")
    file = it.upload(chat("right", "q 1"))
    with pytest.raises(openai.BadRequestError, match="batches take"):
        it.create(file, "/v1/images/generations")
    with pytest.raises(openai.APIStatusError, match="no /v1/realtime") as caught:
        it.client.get("/realtime", cast_to=object)
    assert caught.value.status_code == 501


def test_a_batch_is_cancelled_by_its_client_or_at_the_command_line(it: Setting) -> None:
    bodies = [chat("right", f"q {number}") for number in range(1, 31)]
    one, two = it.create(it.upload(*bodies)), it.create(it.upload(*bodies))
    assert it.client.batches.cancel(one.id).status == "cancelling"
    shown = json.loads(inside("batch", "cancel", two.id, "--home", str(it.deployment.home), "--json").stdout)
    assert shown["status"] == "cancelling"
    for batch in (one, two):
        ended = it.ended(batch, "cancelled")
        counts = ended.request_counts
        unsent = it.lines(ended.error_file_id)
        assert counts.total == 30 and counts.completed + len(unsent) == 30
        assert {row["error"]["code"] for row in unsent.values()} == {"batch_cancelled"}
    with pytest.raises(openai.ConflictError, match="cannot be cancelled"):
        it.client.batches.cancel(one.id)
    rows = json.loads(inside("batch", "list", "--home", str(it.deployment.home), "--json").stdout)
    assert {row["status"] for row in rows if row["id"] in (one.id, two.id)} == {"cancelled"}
    assert "cancelled" in inside("batch", "show", one.id, "--home", str(it.deployment.home)).stdout


def test_a_batch_goes_on_where_it_was_when_its_worker_is_killed(it: Setting) -> None:
    bodies = [chat("right", f"q {number}") for number in range(1, 30)]
    batch = it.create(it.upload(*bodies))
    until(lambda: it.counted(batch) >= 4)
    for name in ("worker-0", "worker-1"):
        pid = it.deployment.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    patient = Setting(it.deployment, it.client.with_options(max_retries=10))
    ended = patient.ended(batch, "completed")
    assert ended.request_counts.completed == 29 and len(patient.lines(ended.output_file_id)) == 29


@pytest.fixture
def vectors() -> Iterator[str]:
    yield from served("tests/scripted_upstream.py")


def test_embeddings_and_a_full_store(tmp_path: Path, vectors: str) -> None:
    lines = [
        "models:",
        f"  - {{name: vectors, backend: openai, url: '{vectors}'}}",
        "batches: {max_tenant_bytes: 3000}",
    ]
    (tmp_path / "steward.yaml").write_text("\n".join(lines))
    deployment = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
    try:
        with openai.OpenAI(base_url=f"{deployment.url}/v1", api_key=deployment.key, max_retries=0) as client:
            small = Setting(deployment, client)
            file = small.upload({"model": "vectors", "input": ["aab"]}, url="/v1/embeddings")
            batch = small.ended(small.create(file, "/v1/embeddings"), "completed")
            row = small.lines(batch.output_file_id)["r0"]
            assert row["response"]["body"]["data"][0]["embedding"] == [2, 1, 0]
            with pytest.raises(openai.APIStatusError, match="max_tenant_bytes") as caught:
                small.upload(*({"model": "vectors", "input": ["x" * 100]} for _ in range(30)), url="/v1/embeddings")
            assert caught.value.status_code == 413
    finally:
        deployment.stop()
