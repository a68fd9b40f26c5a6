"""Files of registered versions at addresses of fsspec: one suite over memory, a folder, and moto's stand-in of S3."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Unavailable
from steward.core.identity import operator
from steward.core.releases import ModelVersion, ReleaseRecord, RouteVariant
from steward.workflows import registry
from steward.workflows.audit import HomeAuditLog

fsspec = pytest.importorskip("fsspec")
ME = operator(7)


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "file", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"registry-{uuid.uuid4().hex}"
    if request.param == "memory":
        return f"memory://{name}"
    if request.param == "file":
        return f"file://{tmp_path / name}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3_endpoint"))
    for key, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{key}", value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # of another file's server, which has ended
    fsspec.filesystem("s3").mkdir(name)
    return f"s3://{name}/models"


@pytest.fixture
def home(tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "open_folder", lambda place: registry.ArtefactFolder(place, storage))
    return tmp_path


@pytest.fixture
def store(home: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{home / 'steward.db'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def keep(home: Path, store: SqlStore) -> Callable[[bytes, float], ModelVersion]:
    def import_one(content: bytes, at: float) -> ModelVersion:
        file = home / "incoming.gguf"
        file.write_bytes(content)
        return registry.import_version(home, store, HomeAuditLog(home, bytes(32)), file, "m", at, actor=ME)

    return import_one


def test_what_one_home_kept_another_fetches_and_checks(tmp_path: Path, storage: str) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"weights" * 1000)
    kept = registry.ArtefactFolder(tmp_path / "one", storage).put(file)
    other = registry.ArtefactFolder(tmp_path / "other", storage + "/")
    assert other.fetch(kept.sha256).read_bytes() == file.read_bytes()
    with pytest.raises(InputError, match="0000"):
        other.fetch("0" * 64)
    other.delete(kept.sha256)
    with fsspec.open(f"{storage}/files/{kept.sha256}", "wb") as changed:
        changed.write(b"other weights")
    with pytest.raises(InputError, match="its content has changed"):
        other.fetch(kept.sha256)
    assert other.list_digests() == [], "nothing of a file that is not the right one stays"


def test_a_collection_leaves_what_is_served_named_or_held_and_all_files_at_the_address(
    home: Path, store: SqlStore, storage: str, keep: Callable[[bytes, float], ModelVersion]
) -> None:
    champion, served, held, named, old, new = (keep(f"v{n}".encode(), float(n)) for n in range(6))
    audit = HomeAuditLog(home, bytes(32))
    variants = [
        RouteVariant(kind="version", name="m", version=one.digest, served=one.served) for one in (champion, served)
    ]
    record = ReleaseRecord(
        id="rel", route="r", champion=variants[0], candidate=variants[1], state="canary", weight=0.5, started_at=1.0,
        started_by="me", step_at=1.0, route_digest="d",
    )  # fmt: skip
    assert store.releases.start(record)
    registry.mark_version(store, audit, held.served, tainted=None, held="case 4711", actor=ME)
    registry.move_alias(store, audit, named, "previous", 9.0, actor=ME, reason="")
    told = registry.collect_garbage(home, store, audit, 1, actor=ME)
    assert told.versions == (old.served,) and told.files == 1
    assert set(told.kept) == {champion.served, served.served, held.served, named.served, new.served}
    folder = registry.ArtefactFolder(home, storage)
    assert len(folder.list_digests()) == 5
    for one in (champion, served, held, named, new):
        assert registry.release_path(home, one).exists()
    with fsspec.open(f"{storage}/files/{old.files[0].sha256}", "rb") as kept:
        assert kept.read() == b"v4", "files at an address are their owner's to delete"


def test_an_address_that_does_not_answer_registers_nothing(
    home: Path, store: SqlStore, keep: Callable[[bytes, float], ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    from steward.adapters.remote_files import FsspecStore

    def fail(*_: object) -> None:
        raise Unavailable("s3 is away")

    monkeypatch.setattr(FsspecStore, "upload", fail)
    with pytest.raises(Unavailable):
        keep(b"one", 1.0)
    assert store.registry.list_versions(tenant=None) == []
    monkeypatch.undo()
