"""Where the root key comes from, and when a running process looks again. Services that wrap it: the contract suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.files import write_file
from steward.security.rootkey import ensure_root_key, fingerprint, read_retired, write_retired
from steward.workflows.root_keys import (
    FollowedRoots,
    WrappedRoot,
    load_root,
    load_roots,
    next_file,
    recover_rotation,
    root_file,
    unwrap_root,
)

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
    sealed = file.read_bytes()
    file.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
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


class Wrapper:
    """A service that turns each byte over; it opens what it wrapped to the same key."""

    calls: ClassVar[list[str]] = []

    def __init__(self, reference: str = "") -> None:
        self.calls.append(reference)

    def wrap(self, root: bytes) -> bytes:
        return bytes(255 - byte for byte in root)

    unwrap = wrap


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("steward.workflows.root_keys.open_wrapper", Wrapper)
    Wrapper.calls.clear()
    return Wrapper.calls


def test_a_root_key_that_a_service_wraps_is_made_once(tmp_path: Path, service: list[str]) -> None:
    home = tmp_path / "new"
    root = load_root(home, "vault:transit/steward")
    assert len(root) == 32 and load_root(home, "vault:transit/steward") == root
    assert home.stat().st_mode & 0o777 == 0o700 and root not in (home / "root-key.wrapped").read_bytes()
    assert set(service) == {"vault:transit/steward"}
    with pytest.raises(InputError, match=r"wrapped by vault:transit/steward, but security.root is kms:k"):
        load_root(home, "kms:k")


def test_what_the_service_opens_must_be_the_key_that_was_wrapped(tmp_path: Path, service: list[str]) -> None:
    file = tmp_path / "root-key.wrapped"
    for told, wrapped in ((NEW, OLD), (OLD[:31], OLD[:31])):
        record = WrappedRoot(reference="kms:k", fingerprint=fingerprint(told), wrapped=Wrapper().wrap(wrapped))
        file.write_bytes(msgspec.json.encode(record))
        with pytest.raises(InputError, match="kms:k opened it to another key"):
            load_root(tmp_path, "kms:k")


class Secrets:
    """A store that knows which root key is in use."""

    def __init__(self, root: bytes) -> None:
        self.root = root

    def find_root(self) -> str:
        return fingerprint(self.root)


def recover(home: Path, root: bytes, reference: str | None = None) -> bool:
    store: Any = Secrets(root)
    return recover_rotation(home, reference, store)


def test_a_rotation_that_was_cut_off_is_finished_or_forgotten_as_the_store_says(tmp_path: Path) -> None:
    ensure_root_key(tmp_path, OLD)
    assert not recover(tmp_path, OLD)
    for in_use, finished, left in ((OLD, False, OLD), (NEW, True, NEW)):
        (tmp_path / "root-key.next").write_bytes(NEW)
        assert recover(tmp_path, in_use) == finished
        assert (tmp_path / "root-key").read_bytes() == left and not (tmp_path / "root-key.next").exists()


def test_a_wrapped_rotation_is_recovered_by_its_fingerprint(tmp_path: Path) -> None:
    record = WrappedRoot(reference="kms:k", fingerprint=fingerprint(NEW), wrapped=b"w")
    next_wrapped = tmp_path / "root-key.wrapped.next"
    next_wrapped.write_bytes(msgspec.json.encode(record))
    assert recover(tmp_path, NEW, "kms:k") and (tmp_path / "root-key.wrapped").exists()
    next_wrapped.write_bytes(b"half of a fi")
    assert not recover(tmp_path, NEW, "kms:k") and not next_wrapped.exists()
