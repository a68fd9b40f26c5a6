"""Folders that a home's content lies in are its owner's alone, also for a program whose umask lets others read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from improvement_manifests import make_manifest
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse
from steward.security.rootkey import RootKeys
from steward.workflows import keys
from steward.workflows.batch_store import BatchStore
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.history import ConfigVersion, save_version
from steward.workflows.reload import open_mailbox
from steward.workflows.response_store import FileResponseStore
from steward.workflows.tls import ensure_generated

ME = operator(7)
ROOTS = RootKeys(b"r" * 32)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    before = os.umask(0)
    yield tmp_path / "home"
    os.umask(before)


def keep_response(home: Path) -> None:
    store = FileResponseStore(home, lambda: ROOTS, ResponseStorePlan())
    store.put("t", "p", "resp_1", StoredResponse(at=1.0, output=b"[]"), subject="anna")


def make_key(home: Path) -> None:
    keys.create(home, "k", LimitSpec(), 1.0, actor=ME)


def keep_version(home: Path) -> None:
    home.mkdir(mode=0o700)
    save_version(home, ConfigVersion(version=1, at=1.0, digest="d", outcome="tried"), "")


@pytest.mark.parametrize(
    ("keep", "folders"),
    [
        (
            lambda home: keys.create(home, "k", LimitSpec(), 1.0, actor=ME),
            ["", "run", "audit", "audit/tile", "audit/tile/entries"],
        ),
        (lambda home: DatasetHome(home).register(make_manifest(), home / "x", 3.0), ["", "datasets"]),
        (keep_version, ["config"]),
        (lambda home: BatchStore(home, lambda: ROOTS).make_folders(), ["batches"]),
        (keep_response, ["responses"]),
        (lambda home: ensure_generated(home, ["localhost"], 1.0), ["tls"]),
        (open_mailbox, ["run", "run/reload"]),
    ],
    ids=["keys", "data sets", "configurations", "batches", "responses", "certificates", "mailbox"],
)
def test_nobody_else_may_look_into_a_folder(home: Path, keep: Callable[[Path], object], folders: list[str]) -> None:
    keep(home)
    assert {name: (home / name).stat().st_mode & 0o777 for name in folders} == dict.fromkeys(folders, 0o700)


def test_every_folder_and_mark_of_kept_responses_is_private(home: Path) -> None:
    keep_response(home)
    inside = list((home / "responses").rglob("*"))
    assert len(inside) >= 2 and all(path.stat().st_mode & 0o077 == 0 for path in inside)
    marks = [path for path in home.rglob("*") if path.is_file() and path not in inside]
    assert marks and all(path.stat().st_mode & 0o777 == 0o600 for path in marks)
