"""Versions, aliases and garbage of the registry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.core.releases import AliasMove, ArtefactFile, ModelVersion, ReleaseRecord, RouteVariant
from steward.workflows import registry
from steward.workflows.audit import HomeAuditLog, list_acts
from steward.workflows.model_signing import export_version

ME = operator(7)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    opened.migrate()
    yield opened
    opened.close()


def imported(home: Path, store: SqlStore, content: bytes, name: str = "m", at: float = 1.0) -> ModelVersion:
    file = home / "incoming.gguf"
    file.write_bytes(content)
    audit = HomeAuditLog(home, bytes(32))
    return registry.import_version(home, store, audit, file, name, at, actor=ME)


def moved(home: Path, store: SqlStore, version: ModelVersion, alias: str, **options: Any) -> AliasMove:
    audit = HomeAuditLog(home, bytes(32))
    return registry.move_alias(store, audit, version, alias, 5.0, actor=ME, reason="better", **options)


def test_a_file_is_a_version_by_its_own_digest(tmp_path: Path, store: SqlStore) -> None:
    version = imported(tmp_path, store, b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    assert (version.digest, version.kind, version.served) == (f"sha256:{digest}", "gguf", f"m@{digest[:12]}")
    assert registry.release_path(tmp_path, version).read_bytes() == b"one"
    assert imported(tmp_path, store, b"one", at=9.0) == version
    assert [act.action for act in list_acts(tmp_path, 9)] == ["model.import"]


def test_a_folder_is_a_version_by_all_of_its_files_and_its_description(tmp_path: Path, store: SqlStore) -> None:
    folder = tmp_path / "run"
    (folder / "inner").mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "inner" / "a.bin").write_bytes(b"a")
    (folder / "artefact.json").write_text(json.dumps({"trainer": "trl", "parameters": {"epochs": 3}}))
    version = registry.import_version(
        tmp_path, store, HomeAuditLog(tmp_path, bytes(32)), folder, "m", 1.0, details={"seed": 4}, actor=ME
    )
    lines = (
        f"{hashlib.sha256(b'{}').hexdigest()}  adapter_config.json\n{hashlib.sha256(b'a').hexdigest()}  inner/a.bin\n"
    )
    assert version.digest == f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"  # as sha256sum | sha256sum
    assert (version.kind, version.details) == ("adapter", {"trainer": "trl", "parameters": {"epochs": 3}, "seed": 4})
    with pytest.raises(InputError, match="has 2 files"):
        registry.release_path(tmp_path, version)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "x" * 64])
def test_a_name_that_no_model_can_have(tmp_path: Path, store: SqlStore, name: str) -> None:
    with pytest.raises(InputError, match="expected 1 to 63"):
        imported(tmp_path, store, b"one", name)


def test_what_is_not_there_cannot_be_imported(tmp_path: Path, store: SqlStore) -> None:
    audit = HomeAuditLog(tmp_path, bytes(32))
    (tmp_path / "empty").mkdir()
    for place, says in (("nothing", "no such file or folder"), ("empty", "no file is there")):
        with pytest.raises(InputError, match=says):
            registry.import_version(tmp_path, store, audit, tmp_path / place, "m", 1.0, actor=ME)


def test_versions_are_found_by_alias_and_by_the_beginning_of_a_digest(tmp_path: Path, store: SqlStore) -> None:
    one, other = imported(tmp_path, store, b"one"), imported(tmp_path, store, b"other", at=2.0)
    moved(tmp_path, store, one, "champion")
    digits = other.digest.removeprefix("sha256:")
    for wanted in ("m", "m@champion", f"m@{one.digest}"):
        assert registry.find_version(store, wanted, tenant=None) == one
    for wanted in (other.served, f"m@{digits[:6]}", f"m@{other.digest}"):
        assert registry.find_version(store, wanted, tenant=None) == other
    for wanted in ("m@candidate", f"m@{digits[:5]}", "x@champion"):
        with pytest.raises(UnknownName):
            registry.find_version(store, wanted, tenant=None)


def test_an_alias_that_somebody_moved_is_not_moved_again(tmp_path: Path, store: SqlStore) -> None:
    one, other = imported(tmp_path, store, b"one"), imported(tmp_path, store, b"other")
    assert moved(tmp_path, store, one, "champion").number == 1
    assert moved(tmp_path, store, other, "champion", expected=1).number == 2
    with pytest.raises(InputError, match=r"moved by operator:7 meanwhile \(better\)"):
        moved(tmp_path, store, one, "champion", expected=1)
    assert registry.read_aliases(store.registry.list_moves("m", tenant=None)) == {"champion": other.digest}
    act = list_acts(tmp_path, 1)[0]
    assert (act.action, act.before, act.after) == ("model.alias", one.digest, other.digest)


def test_an_alias_cannot_look_like_a_digest(tmp_path: Path, store: SqlStore) -> None:
    with pytest.raises(InputError, match="expected a word such as champion"):
        moved(tmp_path, store, imported(tmp_path, store, b"one"), "abc123")


def release(champion: str, candidate: str, number: int) -> ReleaseRecord:
    variants = [
        RouteVariant(kind="version", name="m", version=digest, served="m@x") for digest in (champion, candidate)
    ]
    return ReleaseRecord(
        id="rel", route="r", champion=variants[0], candidate=variants[1], state="canary", weight=0.5, started_at=1.0,
        started_by="me", step_at=1.0, route_digest="d", alias_number=number, changed_at=7.0,
    )  # fmt: skip


def test_a_promotion_moves_the_champion_and_keeps_the_one_before(tmp_path: Path, store: SqlStore) -> None:
    one, other = imported(tmp_path, store, b"one"), imported(tmp_path, store, b"other")
    moved(tmp_path, store, one, "champion")
    record = release(one.digest, other.digest, 1)
    registry.follow_promotion(store, HomeAuditLog(tmp_path, bytes(32)), record, ME)
    aliases = registry.read_aliases(store.registry.list_moves("m", tenant=None))
    assert aliases == {"champion": other.digest, "previous": one.digest}
    with pytest.raises(InputError, match="moved the alias m@champion since rel began"):
        registry.check_alias_unmoved(store, record)


def version(digest: str, at: float, **fields: Any) -> ModelVersion:
    return ModelVersion(
        name="m", digest=f"sha256:{digest}", kind="gguf", files=(ArtefactFile("m", digest, 1),), created_at=at,
        created_by="me", **fields,
    )  # fmt: skip


def test_garbage_is_what_nothing_needs() -> None:
    versions = [
        version("aa" * 32, 1.0),
        version("bb" * 32, 2.0, held="a lawsuit"),
        version("cc" * 32, 3.0),
        version("dd" * 32, 4.0),
        version("ee" * 32, 5.0),
    ]
    moves = [
        AliasMove(name="m", alias="champion", number=1, digest=versions[0].digest, at=1.0, by="me"),
        AliasMove(name="m", alias="champion", number=2, digest=versions[2].digest, at=2.0, by="me"),
    ]
    garbage, kept = registry.choose_garbage(versions, moves, {versions[3].digest}, keep_newest=1)
    assert garbage == [versions[0]]
    assert list(kept.values()) == [
        "one of the newest 1",
        "a release serves it",
        "the alias champion names it",
        "held: a lawsuit",
    ]


def test_files_that_another_version_has_stay(tmp_path: Path, store: SqlStore) -> None:
    one, same = imported(tmp_path, store, b"one"), imported(tmp_path, store, b"one", name="n", at=2.0)
    imported(tmp_path, store, b"two", at=3.0)
    store.registry.mark_version("n", same.digest, tainted=None, held="yes", tenant="default")
    audit = HomeAuditLog(tmp_path, bytes(32))
    told = registry.collect_garbage(tmp_path, store, audit, 1, actor=ME, dry_run=True)
    assert (told.versions, told.files, told.bytes) == ((one.served,), 0, 0)
    assert registry.collect_garbage(tmp_path, store, audit, 1, actor=ME).versions == (one.served,)
    assert registry.release_path(tmp_path, same).read_bytes() == b"one"
    assert registry.collect_garbage(tmp_path, store, audit, 0, actor=ME).files == 1


def test_what_is_released_while_garbage_is_collected_stays_with_its_files(
    tmp_path: Path, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = imported(tmp_path, store, b"one"), imported(tmp_path, store, b"other", at=2.0)
    choose = registry.choose_garbage

    def choose_and_release(*chosen: Any) -> Any:
        result = choose(*chosen)
        assert result[0] == [one]
        assert store.releases.start(release(other.digest, one.digest, 0))
        return result

    monkeypatch.setattr(registry, "choose_garbage", choose_and_release)
    told = registry.collect_garbage(tmp_path, store, HomeAuditLog(tmp_path, bytes(32)), 1, actor=ME)
    assert (told.versions, told.files) == ((), 0)
    assert told.kept[one.served] == "a release, an alias or a hold came meanwhile"
    assert registry.release_path(tmp_path, one).read_bytes() == b"one"
    assert [act.action for act in list_acts(tmp_path, 2)] == ["model.keep", "model.delete"]


def test_files_at_an_address_are_fetched_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    first = registry.ArtefactFolder(tmp_path / "home", "memory://registry-test")
    kept = first.put(file)
    other = registry.ArtefactFolder(tmp_path / "elsewhere", "memory://registry-test/")
    assert other.fetch(kept.sha256).read_bytes() == b"one"
    with pytest.raises(InputError):
        other.fetch("0" * 64)
    other.delete(kept.sha256)
    import fsspec

    fsspec.filesystem("memory").pipe(f"/registry-test/files/{kept.sha256}", b"changed")
    with pytest.raises(InputError, match="its content has changed"):
        other.fetch(kept.sha256)
    assert other.list_digests() == []


def test_a_file_that_changes_while_it_is_imported_is_no_version(
    tmp_path: Path, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = registry.ArtefactFolder.put

    def write_first(folder: registry.ArtefactFolder, file: Path) -> ArtefactFile:
        file.write_bytes(b"still being written")
        return put(folder, file)

    monkeypatch.setattr(registry.ArtefactFolder, "put", write_first)
    with pytest.raises(InputError, match="it changed while it was imported"):
        imported(tmp_path, store, b"one")
    assert store.registry.list_versions(tenant=None) == []


def test_a_file_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="restore it from a backup"):
        registry.ArtefactFolder(tmp_path, None).fetch("0" * 64)


def test_a_version_says_what_its_record_said(tmp_path: Path, store: SqlStore) -> None:
    one = imported(tmp_path, store, b"one")
    moved(tmp_path, store, one, "candidate")
    view = registry.show_version(store, one.served, tenant=None)
    assert (view.aliases, view.in_use, len(view.moves)) == (("candidate",), False, 1)
    assert registry.list_views(tmp_path, store, tenant=None)[0].version == one
    assert msgspec.json.decode(msgspec.json.encode(view), type=registry.ModelView) == view


def test_an_export_comes_back_as_the_version_that_it_was(tmp_path: Path, store: SqlStore) -> None:
    folder, out, audit = tmp_path / "adapter", tmp_path / "out", HomeAuditLog(tmp_path, bytes(32))
    (folder / "inner").mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "inner" / "a.bin").write_bytes(b"a")
    one = registry.import_version(tmp_path, store, audit, folder, "m", 1.0, details={"seed": 4}, actor=ME)
    registry.mark_version(store, audit, one.served, tainted="an erasure", held=None, actor=ME)
    export_version(tmp_path, store, one.served, out, tenant=None)
    back = registry.import_version(tmp_path, store, audit, out, "n", 2.0, actor=ME)
    assert (back.digest, back.kind, back.files, back.details) == (one.digest, "adapter", one.files, {"seed": 4})
    assert back.tainted == "an erasure"
    (out / "inner" / "a.bin").write_bytes(b"b")
    with pytest.raises(InputError, match="its files are not those of m@"):
        registry.import_version(tmp_path, store, audit, out, "n", 3.0, actor=ME)
    record = (out / "version.json").read_text().replace("inner/a.bin", "../../secret")
    (out / "version.json").write_text(record)
    with pytest.raises(InputError, match="lies outside of the folder"):
        registry.import_version(tmp_path, store, audit, out, "n", 3.0, actor=ME)


def test_a_run_whose_set_was_erased_from_becomes_a_tainted_version(tmp_path: Path, store: SqlStore) -> None:
    run = tmp_path / "tr_1"
    (run / "artefacts").mkdir(parents=True)
    (run / "artefacts" / "m.gguf").write_bytes(b"made before the erasure")
    (run / "job.json").write_text(json.dumps({"id": "tr_1", "dataset": "sha256:aa"}))
    (run / "state.json").write_text(json.dumps({"state": "succeeded", "tainted": "somebody was erased"}))
    audit = HomeAuditLog(tmp_path, bytes(32))
    assert registry.import_version(tmp_path, store, audit, run, "m", 1.0, actor=ME).tainted == "somebody was erased"
    (run / "state.json").write_text(json.dumps({"state": "succeeded"}))
    assert registry.import_version(tmp_path, store, audit, run, "other", 1.0, actor=ME).tainted == ""


def test_a_candidate_that_is_tainted_meanwhile_is_not_promoted(tmp_path: Path, store: SqlStore) -> None:
    one, other = imported(tmp_path, store, b"one"), imported(tmp_path, store, b"other")
    record = release(one.digest, other.digest, 0)
    registry.check_untainted(store, record)
    audit = HomeAuditLog(tmp_path, bytes(32))
    registry.mark_version(store, audit, other.served, tainted="an erasure", held=None, actor=ME)
    with pytest.raises(InputError, match="is tainted: an erasure; take it back: steward release rollback r"):
        registry.check_untainted(store, record)


def test_an_erasure_taints_what_was_trained_on_the_set(tmp_path: Path, store: SqlStore) -> None:
    audit = HomeAuditLog(tmp_path, bytes(32))
    for number, dataset in enumerate(("sha256:aa", "sha256:bb")):
        file = tmp_path / f"{number}.gguf"
        file.write_bytes(str(number).encode())
        details = {"dataset": {"digest": dataset}}
        registry.import_version(tmp_path, store, audit, file, "m", number, details=details, actor=ME)
    (name,) = registry.taint_trained_on(store, audit, "sha256:aa", "somebody was erased", actor=ME)
    assert registry.find_version(store, name, tenant=None).tainted == "somebody was erased"
    assert sum(bool(one.tainted) for one in store.registry.list_versions(tenant=None)) == 1
    assert registry.taint_trained_on(store, audit, "sha256:aa", "again", actor=ME) == ()
