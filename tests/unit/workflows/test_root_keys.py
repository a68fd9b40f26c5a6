"""Where the root key comes from, and when a running process looks again. Services that wrap it: the contract suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.core.files import write_file
from steward.security.rootkey import ensure_root_key, read_retired, write_retired
from steward.workflows.root_keys import FollowedRoots, load_roots, next_file, root_file, unwrap_root

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def test_a_process_follows_the_file_and_keeps_the_keys_of_before(tmp_path: Path) -> None:
    ensure_root_key(tmp_path, OLD)
    roots = FollowedRoots(tmp_path, None)
    assert roots().current == OLD and roots().retired == ()
    write_retired(tmp_path, NEW, (OLD,))
    write_file(tmp_path / "root-key", NEW)
    assert roots().current == NEW and roots().retired == (OLD,) and roots().first == OLD


def test_keys_that_were_replaced_open_for_the_one_in_use_only(tmp_path: Path) -> None:
    write_retired(tmp_path, NEW, (OLD, bytes(32)))
    assert read_retired(tmp_path, NEW) == (OLD, bytes(32)) and read_retired(tmp_path, OLD) == ()
    (file,) = (tmp_path / "retired-roots").iterdir()
    assert OLD not in file.read_bytes() and file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    ensure_root_key(tmp_path, NEW)
    with pytest.raises(InputError, match="retired-roots"):
        load_roots(tmp_path, None)


def test_the_file_that_a_rotation_replaces(tmp_path: Path) -> None:
    assert root_file(tmp_path, None) == tmp_path / "root-key"
    assert root_file(tmp_path, "file:/x/root") == Path("/x/root")
    assert root_file(tmp_path, "vault:transit/steward") == root_file(tmp_path, "kms:k") == tmp_path / "root-key.wrapped"
    assert root_file(tmp_path, "env:ROOT") is None
    assert next_file(tmp_path / "root-key") == tmp_path / "root-key.next"


def test_a_wrapped_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"w: .*restore it from another machine or a key backup"):
        unwrap_root(tmp_path / "w", "vault:transit/steward")
