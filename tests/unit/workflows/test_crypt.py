import os
from pathlib import Path
from threading import Thread

import pytest
from cryptography.fernet import Fernet

from steward.core.errors import InputError
from steward.workflows import crypt


def test_a_home_opens_what_it_sealed_and_another_does_not(tmp_path: Path) -> None:
    source = tmp_path / "notes.txt"
    source.write_text("a patient's name")
    keys, others = crypt.home_file_keys(tmp_path / "home"), crypt.home_file_keys(tmp_path / "elsewhere")
    done = crypt.encrypt_file(keys[0], source, tmp_path / "sealed")
    assert b"patient" not in (tmp_path / "sealed").read_bytes()
    assert (done.input_bytes, done.form) == (16, "steward")
    assert crypt.decrypt_file(keys, tmp_path / "sealed", tmp_path / "again").output_bytes == 16
    assert (tmp_path / "again").read_text() == "a patient's name"
    with pytest.raises(InputError, match="another key"):
        crypt.decrypt_file(others, tmp_path / "sealed", tmp_path / "never")
    assert not (tmp_path / "never").exists() and not list(tmp_path.glob(".never*"))


def test_a_file_of_before_a_rotation_opens_and_a_changed_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("words")
    old, new = bytes(32), b"n" * 32
    crypt.encrypt_file(old, tmp_path / "a", tmp_path / "sealed")
    crypt.decrypt_file([new, b"x" * 32, old], tmp_path / "sealed", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "words"
    with pytest.raises(InputError, match="another key"):
        crypt.decrypt_file([new, b"x" * 32], tmp_path / "sealed", tmp_path / "c")
    data = (tmp_path / "sealed").read_bytes()
    (tmp_path / "changed").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match="chunk 0"):
        crypt.decrypt_file([new, old, b"x" * 32], tmp_path / "changed", tmp_path / "c")


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    crypt.encrypt_file(bytes(32), tmp_path / "a", tmp_path / "b")
    crypt.decrypt_file([bytes(32)], tmp_path / "b", tmp_path / "c")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "bc"] == [0o600, 0o600]


def test_nothing_is_overwritten_and_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("keep")
    with pytest.raises(InputError, match="exists"):
        crypt.encrypt_file(bytes(32), tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "keep"
    with pytest.raises(InputError, match="No such file"):
        crypt.encrypt_file(bytes(32), tmp_path / "no", tmp_path / "c")


def test_a_key_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILE_KEY", "00" * 31 + "2a")
    assert crypt.own_file_key("env:FILE_KEY") == bytes(31) + b"*"
    (tmp_path / "short").write_text("beef")
    with pytest.raises(InputError, match="64 hex digits") as error:
        crypt.own_file_key(f"file:{tmp_path / 'short'}")
    assert "beef" not in str(error.value)


def test_fernet_tokens_are_read_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cryptography`'s own Fernet opens what we wrote, and we what it wrote."""
    key = Fernet.generate_key()
    monkeypatch.setenv("FERNET", key.decode())
    (tmp_path / "plain").write_text("words")
    crypt.encrypt_fernet("env:FERNET", tmp_path / "plain", tmp_path / "token")
    assert Fernet(key).decrypt((tmp_path / "token").read_bytes()) == b"words"
    (tmp_path / "theirs").write_bytes(Fernet(key).encrypt(b"theirs") + b"\n")
    assert crypt.decrypt_fernet("env:FERNET", tmp_path / "theirs", tmp_path / "out").form == "fernet"
    assert (tmp_path / "out").read_bytes() == b"theirs"
    with pytest.raises(InputError, match="--fernet-key"):
        crypt.decrypt_file([bytes(32)], tmp_path / "theirs", tmp_path / "x")
    (tmp_path / "bad").write_bytes((tmp_path / "theirs").read_bytes()[:-9] + b"AAAAAAAA\n")
    with pytest.raises(InputError, match="does not open"):
        crypt.decrypt_fernet("env:FERNET", tmp_path / "bad", tmp_path / "x")
    monkeypatch.setenv("FERNET", "short")
    with pytest.raises(InputError, match="not a Fernet key"):
        crypt.encrypt_fernet("env:FERNET", tmp_path / "plain", tmp_path / "x")


@pytest.mark.parametrize(("data", "is_token"), [(b"gAAAAABk" + b"x" * 40, True), (b"plain words", False), (b"", False)])
def test_only_a_fernet_token_is_called_one(tmp_path: Path, data: bytes, is_token: bool) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(InputError) as caught:
        crypt.decrypt_file([bytes(32)], tmp_path / "a", tmp_path / "b")
    assert ("a Fernet token" in str(caught.value)) is is_token


def test_a_token_is_256_mib_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert crypt.MAX_FERNET_BYTES == 268_435_456
    monkeypatch.setattr(crypt, "MAX_FERNET_BYTES", 4)
    monkeypatch.setenv("FERNET", Fernet.generate_key().decode())
    for data, fits in ((b"1234", True), (b"12345", False)):
        (tmp_path / "a").write_bytes(data)
        if fits:
            assert crypt.encrypt_fernet("env:FERNET", tmp_path / "a", tmp_path / "b").input_bytes == 4
        else:
            with pytest.raises(InputError, match="longer than 4 bytes"):
                crypt.encrypt_fernet("env:FERNET", tmp_path / "a", tmp_path / "c")


def test_a_pipe_is_read_once_under_several_keys(tmp_path: Path) -> None:
    """`cat sealed | steward crypt decrypt /dev/stdin plain`, with a root key that was rotated since."""
    plain, sealed, pipe = tmp_path / "plain", tmp_path / "sealed", tmp_path / "pipe"
    plain.write_bytes(b"words" * 100_000)
    crypt.encrypt_file(b"1" * 32, plain, sealed)
    os.mkfifo(pipe)
    writer = Thread(target=lambda: pipe.write_bytes(sealed.read_bytes()))
    writer.start()
    crypt.decrypt_file((b"2" * 32, b"1" * 32), pipe, tmp_path / "opened")
    writer.join()
    assert (tmp_path / "opened").read_bytes() == plain.read_bytes()
