"""What tests do hundreds of times, done quickly where a test is about something else: fixtures for a conftest.py."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from steward.adapters.stores.database import Database
from steward.security import passwords

TEMPLATE = pytest.StashKey[Path]()


@pytest.fixture(scope="module", autouse=True)
def copied_tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new SQLite file gets its tables from one that was migrated before. The stores' own tests migrate each."""
    if "adapters" in request.path.parts:
        yield
        return
    migrate, stash = Database.migrate, request.session.stash

    def copy_or_migrate(database: Database) -> None:
        file = Path(database._engine.url.database or "")
        if not database.is_sqlite or file.exists():
            migrate(database)
            return
        if TEMPLATE not in stash:
            stash[TEMPLATE] = tmp_path_factory.mktemp("migrated") / "steward.db"
            first = Database(f"sqlite:///{stash[TEMPLATE]}")
            migrate(first)
            first.close()
        shutil.copyfile(stash[TEMPLATE], file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "migrate", copy_or_migrate)
        yield


@pytest.fixture(scope="module", autouse=True)
def quick_hashes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Passwords are hashed at no cost, but in the tests of the hashes themselves."""
    if request.path.name == "test_passwords.py":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield
