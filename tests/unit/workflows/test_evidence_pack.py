"""Packs of evidence: what is in them, and that nothing in them can be changed unseen."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.evidence import Evidence
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.governance.approval_policy import ApprovalPolicy, ApprovalsRequirement
from steward.governance.cards import CardFigure, CardSection, CardStatement, SubjectCard
from steward.governance.controls import map_controls
from steward.governance.readiness import DAY_S, ReadinessLine, ReadinessReport
from steward.security.audit import verify_audit
from steward.security.audit.note import Signer
from steward.workflows import evidence_pack, keys
from steward.workflows.approvals import decide, list_approvals, propose_settings, require_approval
from steward.workflows.audit import audit_folder, list_acts
from steward.workflows.evidence_pack import (
    EvidencePack,
    list_proven_runs,
    list_records,
    pack_evidence,
    show_record,
    verify_pack,
)
from steward.workflows.readiness import list_waivers, waive

ME = operator(7)
NAMES = {
    "index.html", "checks.json", "evidence.jsonl", "approvals.jsonl", "waivers.jsonl", "audit/key.pub",
    "audit/checkpoint", "audit/acts.jsonl", "verify_pack.py", "manifest.json", "manifest.sig",
}  # fmt: skip


def record(name: str, at: float = 1.0, check: str = "loadtest.run") -> Evidence:
    return Evidence(
        id=name, check=check, subject="model <m>", subject_digest="sha256:0", verdict="pass", value="p95 1 ms",
        expected="p95 < 2 ms", source="r.json", produced_at=at, valid_until=None, command="steward load run",
        signer="operator:7",
    )  # fmt: skip


def add(home: Path, *records: Evidence) -> None:
    store = SqlStore(f"sqlite:///{home / 'steward.db'}")
    try:
        for one in records:
            store.evidence.add(one, tenant="default")
    finally:
        store.close()


@pytest.fixture(scope="module")
def original(copied_tables: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("original") / "home"
    home.mkdir()
    keys.create(home, "k", LimitSpec(), 1.0, actor=ME)
    add(home, record("ev_1"), record("ev_2", 2.0, "data.contract"))
    change = propose_settings("secret: env:TOP\n", "port: 1\n", ["operator:7"])
    with pytest.raises(InputError):
        require_approval(home, ApprovalPolicy(settings=(ApprovalsRequirement(),)), change, 2.0, actor=ME)
    decide(home, list_approvals(home, 2.0, 9, actor=ME, all_states=True)[0].request.id, "approve", 3.0,
           actor=operator(8))  # fmt: skip
    waive(home, "infra.load", "no traffic before May", 4.0 + DAY_S, 4.0, ME)
    return home


@pytest.fixture
def home(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "home")


def readiness(home: Path) -> ReadinessReport:
    line = ReadinessLine(
        id="infra.load", pitfall="infrastructure", question="Load?", verdict="waived", value="never", expected="",
        evidence=("ev_1",), produced_at=1.0, valid_until=None, fix="",
    )  # fmt: skip
    return ReadinessReport(verdict="go", level="internal", checks=(line,), waivers=tuple(list_waivers(home)))


def make(home: Path) -> tuple[Path, EvidencePack]:
    out = home.parent / "pack.zip"
    return out, pack_evidence(home, out, readiness(home), 5.0, actor=ME)


def run(file: Path, *arguments: str) -> int:
    """The program that lies in the pack, by itself."""
    program = file.with_name("verify_pack.py")
    if not program.exists():
        program.write_bytes(Path(verify_audit.__file__).read_bytes())
    return subprocess.run([sys.executable, "-I", program, file, *arguments], capture_output=True).returncode


def read(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(file: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, verify_audit.PACK_DATE), data)
    return file


def is_altered(file: Path, key: str) -> bool:
    return verify_pack(file, key).verdict == "altered"


# -- records ------------------------------------------------------------------------------------------


def test_records_are_listed_newest_first_and_found_by_id(home: Path) -> None:
    assert [one.id for one in list_records(home, 9)] == ["ev_2", "ev_1"]
    assert [one.id for one in list_records(home, 1)] == ["ev_2"]
    assert [one.id for one in list_records(home, 9, "loadtest.run")] == ["ev_1"]
    assert show_record(home, "ev_1") == record("ev_1")
    with pytest.raises(UnknownName, match="ev_1"):
        show_record(home, "ev_3")


def test_a_home_that_never_served_has_none(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="steward up"):
        list_records(tmp_path, 9)


# -- packs --------------------------------------------------------------------------------------------


def test_a_pack_holds_every_record_with_the_proofs_of_acts(home: Path) -> None:
    out, packed = make(home)
    files = read(out)
    assert set(files) == NAMES and (packed.evidence, packed.acts, packed.verdict) == (2, 4, "go")
    assert [json.loads(line)["id"] for line in files["evidence.jsonl"].splitlines()] == ["ev_2", "ev_1"]
    acts = [json.loads(json.loads(line)["entry"]) for line in files["audit/acts.jsonl"].splitlines()]
    assert [one["action"] for one in acts] == [
        "approvals.request", "approvals.approve", "check.waive", "evidence.pack",
    ]  # fmt: skip
    assert acts[3]["after"] == f"pack.zip: 2 records, sha256:{hashlib.sha256(files['evidence.jsonl']).hexdigest()}"
    approval = json.loads(files["approvals.jsonl"])
    assert approval["decisions"][0]["person"] == "operator:8" and approval["subject"] == "settings"
    assert not any(b"env:TOP" in data for data in files.values()), "what would change is nobody else's business"
    assert json.loads(files["waivers.jsonl"])["check"] == "infra.load"
    page = files["index.html"].decode()
    assert "model &lt;m&gt;" in page and "no traffic before May" in page and "default-src 'none'" in page
    manifest = json.loads(files["manifest.json"])
    assert manifest["made_by"] == "operator:7" and manifest["acts_left_out"] is False
    assert list_acts(home, 1)[0].action == "evidence.pack"


def test_an_untouched_pack_is_intact_with_a_key_and_open_without_one(home: Path) -> None:
    out, packed = make(home)
    checked = verify_pack(out, packed.key)
    assert (checked.verdict, checked.files, checked.acts, checked.key_from) == ("intact", 9, 4, "argument")
    assert verify_pack(out, home=home).key_from == "home" and verify_pack(out).key_from == "pack"
    assert verify_pack(out, home=home.parent).key_from == "pack"
    assert (run(out, "--key", packed.key), run(out)) == (0, 3)
    other = Signer("steward-other", bytes(32)).verifier()
    assert is_altered(out, other) and run(out, "--key", other) == 1
    with pytest.raises(InputError, match="public key"):
        verify_pack(out, "mine")
    with pytest.raises(InputError, match="expected a pack"):
        verify_pack(home / "none.zip")


def test_a_file_is_not_replaced_unless_that_is_wanted(home: Path) -> None:
    out, _ = make(home)
    with pytest.raises(InputError, match="--force"):
        make(home)
    assert pack_evidence(home, out, readiness(home), 6.0, actor=ME, replace=True).acts == 5
    with pytest.raises(InputError, match="can be written"):
        pack_evidence(home, home / "none" / "pack.zip", readiness(home), 6.0, actor=ME)


def test_the_oldest_acts_are_left_out_where_there_are_too_many(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_pack, "MOST_ACTS", 2)
    out, packed = make(home)
    assert packed.acts == 2 and json.loads(read(out)["manifest.json"])["acts_left_out"] is True
    assert verify_pack(out, packed.key).verdict == "intact"


# -- alterations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_file_that_is_changed_removed_or_cut_is_found(home: Path, name: str) -> None:
    out, packed = make(home)
    files, altered = read(out), out.with_name("altered.zip")
    data = files[name]
    for at in {0, len(data) // 2, len(data) - 1}:
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert is_altered(write(altered, {**files, name: changed}), packed.key), (name, at)
        assert run(altered, "--key", packed.key) == 1
    for changed in (data[:-1], data + b"\n", b""):
        assert is_altered(write(altered, {**files, name: changed}), packed.key)
    assert is_altered(write(altered, {one: files[one] for one in files if one != name}), packed.key)
    assert run(altered, "--key", packed.key) == 1


WHOLE = NAMES | {
    "cards/1-model.html", "cards/1-model.json", "controls/index.html", "controls/controls.json", "controls/oscal.json",
}  # fmt: skip


def make_whole(home: Path) -> tuple[Path, EvidencePack]:
    """A pack with everything that one can hold."""
    figure = CardFigure(name="accuracy", value="0.91", source="ev_1", at=4.0, verdict="pass")
    words = CardStatement(kind="model", name="m", digest="sha256:1", words={"use": "support"}, by="operator:7", at=4.0)
    card = SubjectCard(
        kind="model", name="m", digest="sha256:1", made_at=5.0,
        sections=(CardSection(title="Quality", figures=(figure,)),), statement=words, stale=False, unstated=("risks",),
    )  # fmt: skip
    out, report = home.parent / "pack.zip", readiness(home)
    controls = map_controls(report, 5.0, "hipaa"), report
    return out, pack_evidence(home, out, report, 5.0, actor=ME, cards=(card,), controls=controls)


def change_field(value: object) -> object:
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int | float) else f"{value}x"


def list_changes(value: Any) -> Iterator[Any]:
    """The value with one field changed, at whatever depth, or one left out: each field in its turn."""
    if not isinstance(value, dict | list):
        yield change_field(value)
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        less = value.copy()
        del less[key]
        yield less
        for changed in list_changes(item):
            copy = value.copy()
            copy[key] = changed
            yield copy


def list_altered(name: str, data: bytes) -> Iterator[bytes]:
    """The file with one field changed: of lines, one line at a time; of a page or a program, one line gone."""
    lines = data.splitlines(keepends=True)
    if name.endswith(".json"):
        yield from map(msgspec.json.encode, list_changes(json.loads(data)))
    for at, line in enumerate(lines):
        others = lines[:at], lines[at + 1 :]
        if name.endswith(".jsonl"):
            texts = (msgspec.json.encode(changed) + b"\n" for changed in list_changes(json.loads(line)))
            yield from (b"".join([*others[0], text, *others[1]]) for text in texts)
        elif not name.endswith(".json"):
            yield b"".join([*others[0], *others[1]])


def forge(files: dict[str, bytes], name: str, data: bytes) -> dict[str, bytes]:
    """The file in place of the one in the pack, and its digest in the manifest."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return {**files, name: data, "manifest.json": msgspec.json.encode(manifest)}


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_every_field_of_every_file_that_is_changed_is_found(home: Path, name: str) -> None:
    """Evidence, cards, approvals, waivers, acts, controls and digests; also where the digest is changed alike."""
    out, packed = make_whole(home)
    files, altered = read(out), out.with_name("altered.zip")
    assert set(files) == WHOLE and verify_pack(out, packed.key).verdict == "intact"
    count = 0
    for data in list_altered(name, files[name]):
        assert data != files[name]
        assert is_altered(write(altered, {**files, name: data}), packed.key), data
        assert is_altered(write(altered, forge(files, name, data)), packed.key), data
        count += 1
    assert count


def test_what_is_forged_in_a_card_is_found_by_the_program_in_the_pack(home: Path) -> None:
    out, packed = make_whole(home)
    files, altered = read(out), out.with_name("altered.zip")
    assert run(out, "--key", packed.key) == 0
    for name in ("cards/1-model.html", "cards/1-model.json"):
        evil = files[name].replace(b"0.91", b"0.99")
        for changed in ({**files, name: evil}, forge(files, name, evil)):
            assert evil != files[name] and run(write(altered, changed), "--key", packed.key) == 1


def test_a_field_of_the_manifest_that_is_changed_with_its_digest_is_found(home: Path) -> None:
    out, packed = make(home)
    files, altered = read(out), out.with_name("altered.zip")
    manifest = json.loads(files["manifest.json"])
    for field, value in manifest.items():
        changed = {**manifest, field: {} if field == "files" else change_field(value)}
        assert is_altered(write(altered, {**files, "manifest.json": msgspec.json.encode(changed)}), packed.key), field
    evil = files["evidence.jsonl"].replace(b'"pass"', b'"fail"')
    manifest["files"]["evidence.jsonl"] = {"sha256": hashlib.sha256(evil).hexdigest(), "bytes": len(evil)}
    both = {**files, "evidence.jsonl": evil, "manifest.json": msgspec.json.encode(manifest)}
    assert is_altered(write(altered, both), packed.key)


def test_a_pack_that_somebody_else_signed_is_found_by_the_key(home: Path) -> None:
    """Whoever alters a pack can sign it anew under a key of the same name, which the pack's own key cannot show."""
    out, packed = make(home)
    files, altered = read(out), out.with_name("altered.zip")
    name = packed.key.partition("+")[0]
    thief = Signer(name, bytes(32))
    digest = hashlib.sha256(files["manifest.json"]).hexdigest()
    files["manifest.sig"] = thief.sign_text(f"{verify_audit.PACK}\nsha256:{digest}\n").encode()
    files["audit/key.pub"] = f"{thief.verifier()}\n".encode()
    write(altered, files)
    assert is_altered(altered, packed.key)
    assert verify_pack(altered, home=home).verdict == "altered", "the home knows its own key"


def corrupt(change: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    return lambda source, target: (target.write_bytes(change(source.read_bytes())), None)[1]


def rezip(source: Path, target: Path, **of_entry: object) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in read(source).items():
            info = zipfile.ZipInfo(name, verify_audit.PACK_DATE)
            for field, value in of_entry.items():
                setattr(info, field, value)
            archive.writestr(info, data)


@pytest.mark.parametrize(
    "alter",
    [
        corrupt(lambda data: b"#!/bin/sh\n" + data),
        corrupt(lambda data: data + b"more"),
        corrupt(lambda data: data[: len(data) // 2]),
        corrupt(lambda data: data[:-2] + b"\x02\x00hi"),
        corrupt(lambda data: b""),
        corrupt(lambda data: b"no archive at all, but longer than its end would be"),
        lambda source, target: rezip(source, target, comment=b"hidden"),
        lambda source, target: rezip(source, target, compress_type=zipfile.ZIP_BZIP2),
        lambda source, target: rezip(source, target, date_time=(2026, 1, 1, 0, 0, 0)),
        lambda source, target: rezip(source, target, extra=b"\x99\x99\x04\x00hide"),
        lambda source, target: (write(target, {**read(source), "extra.txt": b"x"}), None)[1],
        lambda source, target: (write(target, {**read(source), "sub/": b""}), None)[1],
    ],
)
def test_what_is_changed_around_the_files_is_found(home: Path, alter: Callable[[Path, Path], None]) -> None:
    out, packed = make(home)
    altered = out.with_name("altered.zip")
    alter(out, altered)
    assert is_altered(altered, packed.key)
    assert run(altered, "--key", packed.key) == run(altered) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_found(home: Path) -> None:
    out, packed = make(home)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(zipfile.ZipInfo("index.html", verify_audit.PACK_DATE), b"another")
    assert is_altered(out, packed.key)


def test_every_flipped_byte_of_the_archive_changes_nothing_that_is_read(home: Path) -> None:
    """Bytes of the archive that no reader shows may differ; whatever is read is what was signed, or the pack fails."""
    out, packed = make(home)
    data, files = out.read_bytes(), read(out)
    altered = out.with_name("altered.zip")
    for at in range(0, len(data), 97):
        altered.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        if not is_altered(altered, packed.key):
            assert read(altered) == files, at


def test_a_signed_text_is_no_checkpoint_of_the_log(home: Path) -> None:
    out, packed = make(home)
    note = read(out)["manifest.sig"].decode()
    with pytest.raises(ValueError, match="sha256"):
        verify_audit.open_note(note, packed.key)
    assert (audit_folder(home) / "key.pub").read_text().strip() == packed.key


def test_runs_are_the_newest_of_their_kind_since_then(home: Path) -> None:
    add(home, record("ev_3", 3.0, "train.run"), record("ev_4", 4.0))  # ev_2, a data contract, is no run

    def runs(since: float = 0.0, kind: str | None = None, limit: int = 9) -> list[str]:
        return [run.id for run in list_proven_runs(home, since, kind, limit)]

    assert runs() == ["ev_4", "ev_3", "ev_1"] and runs(limit=2) == ["ev_4", "ev_3"]
    assert runs(since=3.0) == ["ev_4", "ev_3"] and runs(kind="load") == ["ev_4", "ev_1"]
    assert runs(kind="training") == ["ev_3"] and runs(kind="data") == []
    with pytest.raises(UnknownName, match="kind of run"):
        runs(kind="contract")
