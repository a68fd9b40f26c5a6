"""Which files a backup takes; whole backups and restores: tests/functional/test_backup.py."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.core.identity import operator
from steward.security.rootkey import derive
from steward.workflows import reload
from steward.workflows.backup import USE, backup_home, copy_audit, hold_segments, list_files
from steward.workflows.backup_archive import read_archive
from steward.workflows.key_backup import read_key_backup
from steward.workflows.keys import open_keys
from steward.workflows.serve.deployment import find_deployment


def test_k12_a_backup_has_the_file_that_serves(tmp_path: Path) -> None:
    home, file = tmp_path / "data" / "home", tmp_path / "etc" / "prod.yaml"
    (home / "run").mkdir(parents=True)
    file.parent.mkdir()
    file.write_text(f"home: {home}\n")
    (home.parent / "steward.yaml").write_text("# another deployment's\n")
    assert list_files(home)["steward.yaml"] == home.parent / "steward.yaml"  # nothing has served yet
    reload.save_source(home, reload.ConfigSource(file, {}, None, "1"))
    assert list_files(home)["steward.yaml"] == file
    file.unlink()
    assert "steward.yaml" not in list_files(home)


def make(home: Path, *names: str) -> None:
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)


def test_keys_locks_copies_of_rows_and_what_is_made_anew_are_left_out(tmp_path: Path) -> None:
    """An archive with the root key in it would open itself; rows that an erasure cannot find must not come back."""
    kept = ("prompts/a/1.json", "training/tr_1/state.json", "training/rows.jsonl", "other/ex_1/log.txt")
    left_out = (
        "root-key", "first-key", "steward.db", "steward.db-wal", "run/state.json", "ledger/w.seg", "spool/w.seg",
        "captures/w.seg", "audit/entries", "prompts/.lock", ".making/x", "prompts/a/b.lock",
    )  # fmt: skip
    make(tmp_path, *kept, *left_out)
    (tmp_path / "link").symlink_to(tmp_path / "prompts")
    assert sorted(list_files(tmp_path)) == sorted(f"home/{name}" for name in kept)


def test_segments_are_held_while_the_keeper_deletes_them(tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    make(home, "ledger/a.seg", "ledger/a.lock", "spool/b.damaged", "spool/b.key", "captures/c.seg")
    held = hold_segments(home, work)
    assert sorted(held) == ["home/captures/c.seg", "home/ledger/a.seg", "home/spool/b.damaged"]
    assert hold_segments(home, work) == held  # those that are held stay so
    (home / "ledger" / "a.seg").unlink()
    assert held["home/ledger/a.seg"].read_text() == "ledger/a.seg"


def test_the_audit_log_is_copied_without_its_lock(tmp_path: Path) -> None:
    make(tmp_path / "home", "audit/entries/0", "audit/head", "audit/lock", "audit/.making")
    (tmp_path / "work").mkdir()
    files = copy_audit(tmp_path / "home", tmp_path / "work")
    assert {name: path.read_text() for name, path in files.items()} == {
        "home/audit/entries/0": "audit/entries/0", "home/audit/head": "audit/head",
    }  # fmt: skip


def back_up(home: Path, archive: Path) -> object:
    return backup_home(home, archive, home.parent / "keys", None, 5.0, lambda *_: None, actor=operator(os.getuid()))


def test_what_a_backup_says_is_in_it_is_in_it_and_the_keys_open_it(tmp_path: Path) -> None:
    home, archive = tmp_path / "home", tmp_path / "a.backup"
    with open_keys(find_deployment(home), 1.0):
        pass
    make(home, "prompts/a/1.json", "ledger/w.seg", "spool/x.seg")
    result = backup_home(home, archive, tmp_path / "keys", None, 5.0, lambda *_: None, actor=operator(7))
    assert (result.store, result.pruned, result.bytes) == ("sqlite", (), archive.stat().st_size)
    assert re.fullmatch(r"steward-keys-.*\.keys", Path(result.key_backup).name)
    kept = read_key_backup(Path(result.key_backup), None)
    assert kept.created_at == 5.0 and kept.root == result.root and kept.retired_roots == ()
    (tmp_path / "out").mkdir()
    manifest = read_archive(archive, derive(kept.root_key, USE), tmp_path / "out", lambda *_: None)
    assert len(manifest.files) == result.files and manifest.rows == result.rows
    assert {"home/steward.db", "home/prompts/a/1.json", "home/ledger/w.seg", "home/spool/x.seg"} <= set(manifest.files)
    assert not [name for name in manifest.files if "root-key" in name or "/.backup-" in name]
    assert not list(home.glob(".backup-*"))


@pytest.mark.parametrize(
    ("archive", "said"), [("there", "exists"), ("gone/a", "no such folder"), ("home/a", "lies in the home")]
)
def test_a_place_that_a_backup_cannot_have_is_told_before_anything_is_read(
    tmp_path: Path, archive: str, said: str
) -> None:
    make(tmp_path, "there", "home/x")
    with pytest.raises(InputError, match=said):
        back_up(tmp_path / "home", tmp_path / archive)
    assert not (tmp_path / "keys").exists()
