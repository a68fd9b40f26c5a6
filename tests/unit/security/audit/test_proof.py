"""Proofs that need no log, checked by our code and by the program that shares none with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.security.audit import verify_audit
from steward.security.audit.log import CHECKPOINT, PUBLIC_KEY, AuditWriter
from steward.security.audit.note import Checkpoint, Signer, open_note
from steward.security.audit.proof import check_consistency, check_proof, format_consistency, format_proof
from steward.security.audit.tiles import TileReader

SIGNER = Signer("home", bytes(range(32)))
SIZES = [1, 2, 3, 4, 6, 7, 8, 9, 20, 255, 256, 257, 300]


def heads(folder: Path) -> dict[int, str]:
    """Note by size."""
    writer, notes, before = AuditWriter(folder, SIGNER), {}, 0
    for size in SIZES:
        writer.append([b"%d" % number for number in range(before, size)])
        notes[size], before = (folder / CHECKPOINT).read_text(), size
    return notes


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, str]]:
    folder = tmp_path_factory.mktemp("log")
    return folder, heads(folder)


def test_a_log_goes_on_from_each_of_its_heads_and_from_no_other(log: tuple[Path, dict[int, str]]) -> None:
    folder, notes = log
    key, reader = (folder / PUBLIC_KEY).read_text(), TileReader(folder, 300)
    for size, note in notes.items():
        old = open_note(note, key)
        proof = format_consistency(reader, size, notes[300])
        assert check_consistency(proof, old, key).size == 300
        assert verify_audit.check_consistency(proof, note, key).startswith("intact")
        other = Checkpoint(old.origin, size, bytes(32))
        with pytest.raises(InputError, match="does not go on"):
            check_consistency(proof, other, key)
        with pytest.raises(verify_audit.Altered):
            verify_audit.check_consistency(proof, SIGNER.sign(other), key)


@pytest.mark.parametrize("old", [0, 301, -1])
def test_no_consistency_with_a_head_that_the_log_never_had(log: tuple[Path, dict[int, str]], old: int) -> None:
    with pytest.raises(InputError, match="expected 1 to that many"):
        format_consistency(TileReader(log[0], 300), old, log[1][300])


def test_the_program_that_is_not_ours_checks_every_entry(log: tuple[Path, dict[int, str]]) -> None:
    folder, notes = log
    key, reader = (folder / PUBLIC_KEY).read_text(), TileReader(folder, 300)
    for index in range(300):
        proof = format_proof(reader, index, notes[300])
        assert check_proof(proof, b"%d" % index, key) == index
        assert verify_audit.check_proof(proof, b"%d" % index, key) == f"intact: entry {index} of 300"
        with pytest.raises(verify_audit.Altered):
            verify_audit.check_proof(proof, b"other", key)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda proof: proof.replace("index 4", "index 5"), "not of this entry"),
        (lambda proof: proof.replace("index 4", "index -4"), "no number"),
        (lambda proof: proof.replace("index 4", "index " + "x" * 101), f"index '{'x' * 99}…' is no number"),
        (lambda proof: proof.replace("index 4", "index 4\nAAAA"), "not 32 bytes"),
        (lambda proof: proof.replace("index 4", "index 4\n???"), "not base64"),
        (lambda proof: proof.replace("\n\nhome\n300", "\n\nhome\n299"), "changed after signing"),
        (lambda proof: proof[10:], "not a proof"),
        (lambda proof: "\n".join(proof.split("\n")[:2] + proof.split("\n")[3:]), "not of this entry"),
    ],
)
def test_a_proof_that_was_changed_proves_nothing(log: tuple[Path, dict[int, str]], change, told: str) -> None:
    folder, notes = log
    key = (folder / PUBLIC_KEY).read_text()
    proof = change(format_proof(TileReader(folder, 300), 4, notes[300]))
    with pytest.raises(InputError, match=told):
        check_proof(proof, b"4", key)
    with pytest.raises((verify_audit.Altered, ValueError, IndexError)):
        verify_audit.check_proof(proof, b"4", key)


def test_the_program_as_it_is_called(log: tuple[Path, dict[int, str]], tmp_path: Path) -> None:
    folder, notes = log
    key, reader = (folder / PUBLIC_KEY).read_text().strip(), TileReader(folder, 300)
    files = {name: tmp_path / name for name in ("proof", "entry", "consistency", "head", "wrong")}
    files["proof"].write_text(format_proof(reader, 9, notes[300]))
    files["entry"].write_bytes(b"9")
    files["consistency"].write_text(format_consistency(reader, 7, notes[300]))
    files["head"].write_text(notes[7])
    files["wrong"].write_text(notes[8])

    def run(*arguments: object) -> int:
        command = [sys.executable, verify_audit.__file__, *map(str, arguments)]
        return subprocess.run(command, capture_output=True).returncode

    assert run("--key", key, "--proof", files["proof"], "--entry", files["entry"]) == 0
    assert run("--key", key, "--proof", files["proof"], "--entry", files["head"]) == 1
    assert run("--key", key, "--consistency", files["consistency"], "--head", files["head"]) == 0
    assert run("--key", key, "--consistency", files["consistency"], "--head", files["wrong"]) == 1
    assert run("--key", key, "--proof", files["proof"]) == 2
    assert run(folder, "--head", files["head"], "--head", files["wrong"]) == 0


def test_proofs_are_of_entries_and_heads_that_there_are(log: tuple[Path, dict[int, str]]) -> None:
    folder, notes = log
    reader = TileReader(folder, 300)
    assert "\nindex 299\n" in format_proof(reader, 299, notes[300]) and "\nindex 0\n" in format_proof(
        reader, 0, notes[300]
    )
    for index in (-1, 300):
        with pytest.raises(InputError, match=f"entry {index}: the log has entries 0 to 299"):
            format_proof(reader, index, notes[300])
    for old in (0, 301):
        with pytest.raises(InputError, match=f"a head of {old} entries: the log has 300, expected 1 to that many"):
            format_consistency(reader, old, notes[300])
