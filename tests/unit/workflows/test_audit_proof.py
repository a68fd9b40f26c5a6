"""Proofs, copies and comparisons of a home's audit log, as commands make them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, StewardError, Unavailable
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.security.config import WitnessPlan
from steward.workflows import keys
from steward.workflows.audit import REASONS, audit_folder, list_acts
from steward.workflows.audit_proof import (
    describe_verification,
    export_log,
    prove_entry,
    shred_reason,
    verify_deployment,
)
from steward.workflows.audit_witness import HeadPublisher, read_witness, write_witness

ME = operator(7)


def act(home: Path, reason: str = "") -> None:
    keys.create(home, "k", LimitSpec(), 1.0, actor=operator(7, reason))


def set_witness(home: Path, place: str) -> None:
    (home.parent / "steward.yaml").write_text(f"home: {home.name}\naudit:\n  witness: {place}\n")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    act(home)
    return home


def publish(home: Path, witness: WitnessPlan | None = None) -> None:
    store = SqlStore(f"sqlite:///{home / 'steward.db'}")
    try:
        HeadPublisher(home, store, witness, lambda: 5.0).run()
    finally:
        store.close()


def run(*command: object) -> int:
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True).returncode


# -- reasons ------------------------------------------------------------------------------------------


def test_a_reason_is_shown_and_stands_in_no_file_of_the_log(home: Path) -> None:
    act(home, "asked for by Anna Example")
    assert list_acts(home, 1)[0].reason == "asked for by Anna Example"
    assert not any(b"Example" in path.read_bytes() for path in audit_folder(home).rglob("*") if path.is_file())


def test_a_reason_that_was_destroyed_leaves_a_log_that_verifies(home: Path, tmp_path: Path) -> None:
    act(home, "asked for by Anna Example")
    entry = list_acts(home, 1)[0].entry
    assert shred_reason(home, entry, actor=ME) and not shred_reason(home, entry, actor=ME)
    assert not any(b"Example" in path.read_bytes() for path in home.rglob("*") if path.is_file())
    acts = list_acts(home, 9)
    assert [(one.entry, one.action) for one in acts] == [
        (3, "audit.shred"), (2, "audit.shred"), (1, "keys.create"), (0, "keys.create"),
    ]  # fmt: skip
    assert acts[0].subject == "entry:1" and acts[2].reason.startswith("hmac-sha256:")
    assert verify_deployment(home).error is None


@pytest.mark.parametrize(("entry", "told"), [(0, "has no reason"), (9, "there is none"), (-1, "there is none")])
def test_nothing_is_destroyed_where_there_is_no_reason(home: Path, entry: int, told: str) -> None:
    with pytest.raises(InputError, match=told):
        shred_reason(home, entry, actor=ME)
    assert len(list_acts(home, 9)) == 1


def test_a_reason_that_is_too_long_is_refused_before_the_act(home: Path) -> None:
    with pytest.raises(InputError, match="at most 1,000"):
        act(home, "x" * 1001)
    assert len(list_acts(home, 9)) == 1


def test_what_cannot_be_recorded_leaves_no_reason_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steward.security.audit.log.write_file", full)
    with pytest.raises(Unavailable):
        act(home, "why")
    assert list((home / REASONS).iterdir()) == []
    monkeypatch.setattr("steward.security.audit.commitments.write_file", full)
    with pytest.raises(Unavailable, match="the reason cannot be kept"):
        act(home, "why")


# -- proofs and copies -----------------------------------------------------------------------------------


def test_a_proof_is_checked_without_the_log_and_without_steward(home: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copy(audit_folder(home) / "checkpoint", old)
    act(home)
    made = prove_entry(home, 1, since=old, out=tmp_path / "proof")
    out = tmp_path / "proof"
    assert made.act.action == "keys.create" and json.loads((out / "entry-1.json").read_bytes())["actor"] == "operator:7"
    shutil.rmtree(home)
    program, proof = out / "verify_audit.py", out / "entry-1.tlog-proof"
    assert run(program, "--key", made.key, "--proof", proof, "--entry", out / "entry-1.json") == 0
    assert run(program, "--key", made.key, "--proof", proof, "--entry", old) == 1
    assert run(program, "--key", made.key, "--consistency", out / "consistency", "--head", old) == 0


@pytest.mark.parametrize("entry", [-1, 1])
def test_no_proof_of_what_is_not_there(home: Path, entry: int) -> None:
    with pytest.raises(InputError, match="entries 0 to 0; see: steward audit tail"):
        prove_entry(home, entry)


def test_a_copy_verifies_elsewhere_and_is_recorded_itself(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    made = export_log(home, out, actor=operator(7, "for the auditor"))
    assert made.entries == 2 and list_acts(home, 1)[0].action == "audit.export"
    assert not (out / "lock").exists() and b"auditor" not in b"".join(
        path.read_bytes() for path in out.rglob("*") if path.is_file() and path.suffix != ".py"
    )
    shutil.rmtree(home)
    assert run(out / "verify_audit.py", out, "--key", made.key, "--head", out / "checkpoint") == 0
    bundle = next((out / "tile" / "entries").rglob("2"))
    bundle.write_bytes(bundle.read_bytes().replace(b"operator:7", b"operator:8", 1))
    assert run(out / "verify_audit.py", out, "--key", made.key) == 1


def test_a_copy_takes_the_place_of_nothing(home: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(InputError, match="not empty; give a new folder"):
        export_log(home, tmp_path / "taken", actor=ME)
    with pytest.raises(InputError, match="give a new folder"):
        export_log(home, tmp_path / "taken" / "file" / "copy", actor=ME)
    assert len(list_acts(home, 9)) == 1


# -- heads that are kept elsewhere --------------------------------------------------------------------------


def set_back(home: Path, keep: Path) -> None:
    """The folder of the log as it was in `keep`."""
    shutil.rmtree(audit_folder(home))
    shutil.copytree(keep, audit_folder(home))


def test_a_log_that_is_set_back_in_the_home_is_found_by_the_store(home: Path, tmp_path: Path) -> None:
    shutil.copytree(audit_folder(home), tmp_path / "before")
    act(home)
    publish(home)
    found = verify_deployment(home)
    assert (found.error, found.compared) == (None, False)  # SQLite goes with the home
    set_back(home, tmp_path / "before")
    assert "cut off" in str(verify_deployment(home).error)


def test_a_home_that_is_set_back_whole_is_found_by_the_witness_alone(home: Path, tmp_path: Path) -> None:
    witness = WitnessPlan(place=str(tmp_path / "elsewhere" / "heads"))
    (tmp_path / "elsewhere").mkdir()
    set_witness(home, f"file:{witness.place}")
    publish(home, witness)
    shutil.copytree(home, tmp_path / "old")
    act(home)
    publish(home, witness)
    found = verify_deployment(home)
    assert (found.error, found.compared, found.compared_with) == (None, True, (witness.place,))
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "old", home)
    assert "cut off" in str(verify_deployment(home).error)
    with pytest.raises(InputError, match=r"holds a head of 2 entries that this log of 1 does not begin with"):
        publish(home, witness)
    act(home)  # a fork of the same size
    with pytest.raises(InputError, match="does not begin with"):
        publish(home, witness)
    assert len(read_witness(witness)) == 2


def test_a_witness_of_another_log_is_no_witness_of_this_one(home: Path, tmp_path: Path) -> None:
    witness = WitnessPlan(place=str(tmp_path / "heads"))
    set_witness(home, f"file:{witness.place}")
    publish(home, witness)
    shutil.rmtree(audit_folder(home))
    (home / "root-key").unlink()
    (home / "steward.db").unlink()
    act(home)
    found = verify_deployment(home)
    assert "not of this log" in str(found.error) and found.compared


def test_a_witness_that_cannot_be_asked_is_said_and_compares_nothing(home: Path, tmp_path: Path) -> None:
    set_witness(home, f"file:{tmp_path}")  # a folder
    found = verify_deployment(home)
    assert (found.error, found.compared) == (None, False) and "cannot be read" in found.unreachable[0]
    with pytest.raises(Unavailable, match="cannot be written"):
        write_witness(WitnessPlan(place=str(tmp_path)), "note")


@pytest.mark.parametrize(("witness", "verdict"), [(None, "cannot tell"), ("heads", "pass")])
def test_what_a_verification_proves(home: Path, tmp_path: Path, witness: str | None, verdict: str) -> None:
    file = tmp_path / "heads"
    shutil.copy(audit_folder(home) / "checkpoint", file)
    found = describe_verification(verify_deployment(home, file if witness else None), home)
    assert (found.check, found.verdict, found.value) == ("audit.verify", verdict, "1 of 1 entries verified")


class Shelf(BaseHTTPRequestHandler):
    """A web server that keeps what is put there; wants a token."""

    kept: ClassVar[list[str]]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self._answer(200 if self.kept else 404, "\n".join(self.kept))

    def do_PUT(self) -> None:
        self.kept.append(self.rfile.read(int(self.headers["content-length"])).decode())
        self._answer(204, "")

    def _answer(self, status: int, text: str) -> None:
        self.asked.append(f"{self.command} {self.headers.get('authorization')}")
        self.send_response(status if self.headers.get("authorization") == "Bearer t0ken" else 401)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_a_url_keeps_heads(home: Path, tmp_path: Path) -> None:
    class OneShelf(Shelf):
        kept: ClassVar[list[str]] = []
        asked: ClassVar[list[str]] = []

    server = HTTPServer(("127.0.0.1", 0), OneShelf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        (tmp_path / "token").write_text("t0ken")
        place = f"http://127.0.0.1:{server.server_port}/heads"
        witness = WitnessPlan(place=place, key=f"file:{tmp_path / 'token'}")
        assert read_witness(witness) == []
        publish(home, witness)
        act(home)
        publish(home, witness)
        assert len(read_witness(witness)) == 2 == len(OneShelf.kept)
        assert set(OneShelf.asked) == {"GET Bearer t0ken", "PUT Bearer t0ken"}
        with pytest.raises(Unavailable, match="HTTP 401"):
            read_witness(WitnessPlan(place=place))
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(StewardError, match="could not be reached"):
        read_witness(witness)


def test_machines_that_share_a_root_key_have_logs_of_their_own_name(tmp_path: Path) -> None:
    names = []
    for number in range(2):
        home = tmp_path / f"{number}"
        home.mkdir()
        (home / "root-key").write_bytes(bytes(range(32)))
        (home / "root-key").chmod(0o600)
        act(home)
        names.append((audit_folder(home) / "key.pub").read_text().split("+")[0])
        moved = tmp_path / f"moved{number}"
        home.rename(moved)
        act(moved)
        assert (audit_folder(moved) / "key.pub").read_text().split("+")[0] == names[-1]
    assert names[0] != names[1] and names[0][:20] == names[1][:20]
