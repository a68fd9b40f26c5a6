"""Words are bound by a commitment and can be destroyed without it."""

import hashlib
import hmac
from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError
from steward.security.audit.commitments import SALT_BYTES, Opening, OpeningFolder, commit

SALT = bytes(range(32))


def test_a_commitment_is_the_hmac_of_the_text_under_the_salt() -> None:
    # RFC 4231, test case 2
    assert commit("what do ya want for nothing?", b"Jefe") == (
        "hmac-sha256:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
    assert commit("é", SALT) == "hmac-sha256:" + hmac.new(SALT, "é".encode(), hashlib.sha256).hexdigest()


def test_what_was_kept_is_read_until_it_is_destroyed(tmp_path: Path) -> None:
    folder = OpeningFolder(tmp_path / "reasons", lambda count: SALT[:count])
    commitment = folder.keep("ticket 7")
    assert commitment == commit("ticket 7", SALT) and folder.read(commitment) == "ticket 7"
    (file,) = (tmp_path / "reasons").iterdir()
    assert file.stat().st_mode & 0o077 == 0 and (tmp_path / "reasons").stat().st_mode & 0o077 == 0
    assert folder.shred(commitment) and folder.read(commitment) is None and not file.exists()
    assert not folder.shred(commitment)


def test_the_same_words_have_another_commitment_each_time(tmp_path: Path) -> None:
    folder = OpeningFolder(tmp_path)
    assert folder.keep("a") != folder.keep("a")


def test_a_salt_is_as_long_as_the_hash() -> None:
    """RFC 2104, section 3: a shorter key would make the commitment easier to guess."""
    assert SALT_BYTES == 32


@pytest.mark.parametrize("changed", [Opening(SALT, "another"), Opening(bytes(32), "ticket 7")])
def test_words_that_were_changed_are_not_shown(tmp_path: Path, changed: Opening) -> None:
    folder = OpeningFolder(tmp_path, lambda count: SALT[:count])
    commitment = folder.keep("ticket 7")
    next(tmp_path.iterdir()).write_bytes(msgspec.json.encode(changed))
    with pytest.raises(InputError, match="not what was committed to"):
        folder.read(commitment)
    next(tmp_path.iterdir()).write_bytes(b"{")
    with pytest.raises(InputError, match="damaged"):
        folder.read(commitment)


@pytest.mark.parametrize(
    "name", ["", "hmac-sha256:", "hmac-sha256:../../root-key", "hmac-sha256:" + "A" * 64, "0" * 63]
)
def test_a_commitment_leads_to_no_other_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="64 hex digits"):
        OpeningFolder(tmp_path).read(name)
