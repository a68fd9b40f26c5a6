"""Right values: C2SP signed-note's example key, and Go's golang.org/x/mod/sumdb/note test vectors."""

import base64
import hashlib

import pytest

from steward.core.errors import InputError
from steward.security.audit.note import (
    Checkpoint,
    Signer,
    format_checkpoint,
    open_note,
    parse_checkpoint,
    parse_verifier,
)

SIGNER = Signer("example.org/log", bytes(range(32)))
HEAD = Checkpoint("example.org/log", 3, bytes(32))


def test_the_key_of_gos_checksum_database_is_read() -> None:
    """sum.golang.org's published key, as every Go release carries it."""
    name, identifier, public = parse_verifier("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert (name, identifier.hex(), len(public)) == ("sum.golang.org", "033de0ae", 32)


def test_a_checkpoint_has_three_lines() -> None:
    assert format_checkpoint(HEAD) == "example.org/log\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    assert parse_checkpoint(format_checkpoint(HEAD)) == HEAD


def test_a_signed_head_opens_with_its_key() -> None:
    assert open_note(SIGNER.sign(HEAD), SIGNER.verifier()) == HEAD


def test_signatures_of_others_beside_it_are_passed_over() -> None:
    note = SIGNER.sign(HEAD)
    witness = Signer("witness.example", bytes(32)).sign(HEAD).splitlines()[-1]
    text, _, own = note.rpartition("\n\n")
    assert open_note(f"{text}\n\n{witness}\n{own}", SIGNER.verifier()) == HEAD


@pytest.mark.parametrize("position", range(len("example.org/log\n3\n")))
def test_a_changed_byte_is_noticed(position: int) -> None:
    note = SIGNER.sign(HEAD)
    changed = note[:position] + chr(ord(note[position]) ^ 1) + note[position + 1 :]
    with pytest.raises(InputError):
        open_note(changed, SIGNER.verifier())


def test_another_key_does_not_open_it() -> None:
    other = Signer("example.org/log", bytes(32))
    with pytest.raises(InputError, match=r"no signature of example\.org/log"):
        open_note(SIGNER.sign(HEAD), other.verifier())


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "a\n1\nAAAA\n",
        "a\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\nx\nAAAA\n",
        "a\n1\n!\n",
        "\n1\n\n\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(damaged: str) -> None:
    with pytest.raises(InputError):
        parse_checkpoint(damaged)


def test_a_damaged_key_is_refused() -> None:
    name, identifier, key = SIGNER.verifier().split("+", 2)
    for verifier in (f"{name}+00000000+{key}", f"other+{identifier}+{key}", f"{name}+{identifier}+AQ==", "x"):
        with pytest.raises(InputError, match="public key is damaged"):
            parse_verifier(verifier)


def test_the_checkpoint_of_an_empty_log_is_one() -> None:
    """RFC 6962, section 2.1: the hash of an empty list is the hash of an empty string."""
    empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert parse_checkpoint(f"home\n0\n{empty}\n").size == 0
    with pytest.raises(InputError):
        parse_checkpoint(f"home\n00\n{empty}\n")
