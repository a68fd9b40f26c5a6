"""Which files a backup takes; whole backups and restores: tests/functional/test_backup.py."""

from __future__ import annotations

from pathlib import Path

from steward.workflows import reload
from steward.workflows.backup import list_files


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
