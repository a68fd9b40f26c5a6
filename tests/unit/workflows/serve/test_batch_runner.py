"""A batch from its file to its end, over a made-up gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.batch import Batch, BatchPlan
from steward.gateway.exchange import Exchange
from steward.security.rootkey import RootKeys
from steward.workflows.batch_store import BatchStore, make_file_record
from steward.workflows.serve.batch_runner import BatchRun, BatchRunner, choose_pause

CHAT = "/v1/chat/completions"
CALLER = Caller(principal=Principal(kind="key", id="k"))


class Gateway:
    """Answers by what the body says; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.batch: set[bool] = set()
        self.now = 100.0
        self.caller: Caller | None = CALLER
        self.on_ask: Callable[[int], None] = lambda _: None

    async def infer(self, exchange: Exchange) -> Answer:
        word = json.loads(exchange.body)["say"]
        self.asked.append(word)
        self.batch.add(exchange.batch)
        self.on_ask(len(self.asked))
        await asyncio.sleep(0)
        if word == "limited" and self.asked.count("limited") < 8:
            raise Refused("slow down", status=429, type="requests", code="rate_limit_exceeded")
        if word == "poor":
            raise Refused("no money", status=429, type="insufficient_quota", code="insufficient_quota")
        if word == "large":  # than the key's tokens a minute, at any time
            headers = (("x-should-retry", "false"),)
            code = "rate_limit_exceeded"
            raise Refused("too large", status=429, type="tokens", code=code, limit="tokens", headers=headers)
        if word == "broken":
            return Answer(503, b'{"error":{"message":"down"}}')
        return Answer(200, json.dumps({"said": word}).encode())


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore(tmp_path, lambda: RootKeys(b"r" * 32))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steward.workflows.serve.batch_runner.LONGEST_WAIT_S", 0.001)


def put(store: BatchStore, *words: str, **fields: Any) -> Batch:
    url = fields.get("endpoint", CHAT)
    lines = [
        json.dumps({"custom_id": word, "method": "POST", "url": url, "body": {"model": "m", "say": word}})
        for word in words
    ]
    data = "\n".join(lines).encode()
    file = make_file_record("t", "p", "a", data, 1.0, 1000.0)
    store.keep(file, data)
    batch = Batch(
        id=f"batch-{len(store.list_batches()):024}",
        tenant="t",
        project="p",
        key_id="k",
        endpoint=CHAT,
        input_file_id=file.id,
        created_at=1.0,
        expires_at=1000.0,
    )
    batch = msgspec.structs.replace(batch, **fields)
    store.put_batch(batch)
    return batch


def run(store: BatchStore, gateway: Gateway, plan: BatchPlan | None = None) -> None:
    async def until_over() -> None:
        runner = BatchRunner(
            store,
            lambda: plan or BatchPlan(concurrency=2),
            gateway.infer,
            lambda _: gateway.caller,
            lambda: gateway.now,
        )
        try:
            while not all(batch.is_over for batch in store.list_batches()):
                await runner.poll()
                await asyncio.sleep(0.01)
        finally:
            await runner.close()

    asyncio.run(asyncio.wait_for(until_over(), 20))


def told(store: BatchStore, file_id: str | None) -> dict[str, Any]:
    file = store.find_file(file_id or "")
    if file is None:
        return {}
    rows = [json.loads(line) for line in b"".join(store.read(file)).splitlines()]
    return {row["custom_id"]: (row["response"] or {}).get("status_code") or row["error"]["code"] for row in rows}


def ended(store: BatchStore, batch: Batch) -> Batch:
    found = store.find_batch(batch.id)
    assert found is not None
    return found


def test_every_request_has_its_line(store: BatchStore) -> None:
    gateway, batch = Gateway(), put(store, "a", "b", "poor", "broken", "limited")
    run(store, gateway)
    over = ended(store, batch)
    assert (over.status, over.total, over.completed, over.failed) == ("completed", 5, 3, 2)
    assert told(store, over.output_file_id) == {"a": 200, "b": 200, "limited": 200}
    assert told(store, over.error_file_id) == {"poor": 429, "broken": 503}
    assert (gateway.asked.count("broken"), gateway.asked.count("limited"), gateway.asked.count("poor")) == (5, 8, 1)
    assert gateway.batch == {True}
    assert over.in_progress_at == over.finalizing_at == over.completed_at == 100.0
    assert not list((store.folder / "jobs").glob("*.output"))


@pytest.mark.parametrize(
    ("disclose", "endpoint", "marked"),
    [(True, CHAT, [True]), (False, CHAT, [None]), (True, "/v1/embeddings", [None])],
)
def test_a_line_says_that_a_model_made_it(
    store: BatchStore, disclose: bool, endpoint: str, marked: list[bool | None]
) -> None:
    batch = put(store, "a", "poor", "broken", endpoint=endpoint)
    run(store, Gateway(), BatchPlan(disclose=disclose))
    over = ended(store, batch)

    def list_marks(file_id: str | None) -> list[bool | None]:
        file = store.find_file(file_id or "")
        assert file is not None
        rows = b"".join(store.read(file)).splitlines()
        return [json.loads(row)["response"].get("ai_generated") for row in rows]

    assert list_marks(over.output_file_id) == marked
    assert list_marks(over.error_file_id) == [None, None]


def test_what_is_in_the_journal_is_not_asked_again(store: BatchStore) -> None:
    gateway, batch = Gateway(), put(store, "a", "b", "c", status="in_progress", in_progress_at=5.0)
    store.journal(batch, "output").append(2, b'{"custom_id":"b","response":{"status_code":200},"error":null}')
    run(store, gateway)
    over = ended(store, batch)
    assert sorted(gateway.asked) == ["a", "c"]
    assert (over.completed, over.in_progress_at) == (3, 5.0) and set(told(store, over.output_file_id)) == {
        "a",
        "b",
        "c",
    }


@pytest.mark.parametrize("how", ["cancelled", "expired", "failed"])
def test_an_early_end_says_so_for_every_request_that_was_not_sent(store: BatchStore, how: str) -> None:
    gateway, batch = Gateway(), put(store, "a", "b", "c", "d")

    def end(count: int) -> None:
        if how == "cancelled":
            store.cancel(batch.id)
        elif how == "expired":
            gateway.now = 1000.0
        else:
            gateway.caller = None

    gateway.on_ask = end
    run(store, gateway, BatchPlan(concurrency=1))
    over = ended(store, batch)
    code = {"cancelled": "batch_cancelled", "expired": "batch_expired", "failed": "key_revoked"}[how]
    assert over.status == how and getattr(over, f"{how}_at") is not None
    assert told(store, over.output_file_id) == {"a": 200}
    assert told(store, over.error_file_id) == {"b": code, "c": code, "d": code}
    assert [issue.code for issue in over.errors] == ([code] if how == "failed" else [])


def test_a_tenant_cannot_fill_the_disk_with_answers(store: BatchStore) -> None:
    gateway, batch = Gateway(), put(store, "a", "b", "c")
    run(store, gateway, BatchPlan(concurrency=1, max_tenant_bytes=store.count_bytes("t") + 10))
    over = ended(store, batch)
    assert (over.status, over.errors[0].code) == ("failed", "storage_limit_exceeded")
    assert gateway.asked == ["a"]


def test_a_batch_whose_file_is_gone_fails(store: BatchStore) -> None:
    batch = put(store, "a")
    store.delete_file(batch.input_file_id)
    run(store, Gateway())
    assert ended(store, batch).errors[0].code == "file_not_found"


def test_one_runner_at_a_time(store: BatchStore) -> None:
    async def two() -> tuple[int, int]:
        gateways = Gateway(), Gateway()
        runners = [
            BatchRunner(store, BatchPlan, gateway.infer, lambda _: CALLER, lambda: 100.0) for gateway in gateways
        ]
        batch = put(store, "a")
        while not ended(store, batch).is_over:
            for runner in runners:
                await runner.poll()
            await asyncio.sleep(0.01)
        await runners[0].close()
        batch = put(store, "b")
        while not ended(store, batch).is_over:
            await runners[1].poll()
            await asyncio.sleep(0.01)
        await runners[1].close()
        return len(gateways[0].asked), len(gateways[1].asked)

    assert asyncio.run(asyncio.wait_for(two(), 20)) == (1, 1)


@pytest.mark.parametrize(("how", "again_at"), [("full", 130.0), ("done", 0.0), ("cancelled", 0.0)])
def test_a_batch_that_broke_off_is_begun_again_half_a_minute_later(
    store: BatchStore, how: str, again_at: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        if how == "full":
            raise OSError(28, "No space left on device")

    async def go() -> None:
        runner = BatchRunner(store, BatchPlan, Gateway().infer, lambda _: None, lambda: 100.0)
        task = runner._running["b"] = asyncio.create_task(work())
        if how == "cancelled":
            task.cancel()
        runner._forget_ended()
        assert "b" in runner._running
        await asyncio.wait([task])
        runner._forget_ended()
        assert runner._running == {} and runner._again_at.get("b", 0.0) == again_at
        assert bool(caplog.messages) is (how == "full")

    asyncio.run(go())


def test_a_line_that_is_larger_than_its_keys_limit_is_not_sent_again(store: BatchStore) -> None:
    batch, gateway = put(store, "one", "large"), Gateway()
    run(store, gateway)
    over = ended(store, batch)
    assert (over.completed, over.failed, gateway.asked.count("large")) == (1, 1, 1)
    assert told(store, over.error_file_id) == {"large": 429}


@pytest.mark.parametrize(
    ("tries", "wait_s", "pause_s"),
    [(0, 0.0, 0.5), (1, 0.0, 1.0), (2, 0.0, 2.0), (4, 0.0, 8.0), (4, 8.5, 8.5), (1, 30.0, 30.0), (1, 90.0, 60.0)],
)
def test_each_try_waits_twice_as_long_as_the_one_before(
    monkeypatch: pytest.MonkeyPatch, tries: int, wait_s: float, pause_s: float
) -> None:
    """`wait_s`: what the upstream asks for in Retry-After."""
    monkeypatch.setattr("steward.workflows.serve.batch_runner.LONGEST_WAIT_S", 60.0)
    assert choose_pause(tries, wait_s) == pause_s


def test_a_pause_lasts_as_long_as_it_is_told_and_ends_with_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [50.0], list[float]()
    run = cast(BatchRun, SimpleNamespace(_stop=None))

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds
        if len(slept) == 4:
            run._stop = ("cancelled", "", "")

    monkeypatch.setattr("steward.workflows.serve.batch_runner.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("steward.workflows.serve.batch_runner.asyncio", SimpleNamespace(sleep=sleep))
    asyncio.run(BatchRun._pause(run, 2.5))
    assert slept == [1.0, 1.0, 0.5]
    asyncio.run(BatchRun._pause(run, 60.0))
    assert slept == [1.0, 1.0, 0.5, 1.0]  # the batch was cancelled then


def test_a_runner_without_the_lock_begins_nothing_and_one_without_batches_makes_no_folder(tmp_path: Path) -> None:
    store = BatchStore(tmp_path / "home", lambda: RootKeys(b"r" * 32))

    async def go() -> list[int]:
        runners = [BatchRunner(store, BatchPlan, Gateway().infer, lambda _: CALLER, lambda: 100.0) for _ in range(2)]
        await runners[0].poll()
        assert not (tmp_path / "home").exists()
        put(store, "a")
        for runner in runners:
            await runner.poll()
        counts = [len(runner._running) for runner in runners]
        for runner in runners:
            await runner.close()
        return counts

    assert asyncio.run(go()) == [1, 0]


def test_what_ends_a_batch_is_looked_for_twice_a_second_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("steward.workflows.serve.batch_runner.asyncio", SimpleNamespace(sleep=sleep))
    asyncio.run(BatchRun._watch(cast(BatchRun, SimpleNamespace(_is_stopped=lambda: len(slept) == 3))))
    assert slept == [0.5, 0.5, 0.5]
