"""Our log, read and proved by an independent implementation: Go's golang.org/x/mod/sumdb/{note,tlog}."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from steward.security.audit.log import CHECKPOINT, PUBLIC_KEY, AuditWriter
from steward.security.audit.merkle import prove_consistency, prove_inclusion
from steward.security.audit.note import Signer
from steward.security.audit.tiles import TileReader

PROGRAM = r"""
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type claim struct {
	Key, Note, Entry          string
	Index, Size, Old          int64
	Inclusion, Consistency    []string
	OldRoot                   string
}

func hash(text string) (h tlog.Hash) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || copy(h[:], data) != 32 {
		panic("hash")
	}
	return
}

func hashes(texts []string) (list []tlog.Hash) {
	for _, text := range texts {
		list = append(list, hash(text))
	}
	return
}

func main() {
	data, _ := io.ReadAll(os.Stdin)
	var c claim
	if err := json.Unmarshal(data, &c); err != nil {
		panic(err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(c.Key))
	if err != nil {
		panic(err)
	}
	opened, err := note.Open([]byte(c.Note), note.VerifierList(verifier))
	if err != nil {
		panic(err)
	}
	root := hash(strings.Split(opened.Text, "\n")[2])
	leaf := tlog.RecordHash([]byte(c.Entry))
	if err := tlog.CheckRecord(hashes(c.Inclusion), c.Size, root, c.Index, leaf); err != nil {
		panic(err)
	}
	if err := tlog.CheckTree(hashes(c.Consistency), c.Size, root, c.Old, hash(c.OldRoot)); err != nil {
		panic(err)
	}
	fmt.Print("agreed")
}
"""


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None:
        pytest.skip("go is not installed: apt-get install golang-go golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("judge")
    (folder / "main.go").write_text(PROGRAM)
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "-p=1",
    }
    subprocess.run(["go", "build", "-o", "judge", "main.go"], cwd=folder, env=environment, check=True, timeout=300)
    return folder / "judge"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("old", "size", "index"), [(1, 1, 0), (3, 7, 4), (256, 257, 256), (300, 1000, 512)])
def test_go_agrees_with_signature_inclusion_and_consistency(
    judge: Path, tmp_path: Path, old: int, size: int, index: int
) -> None:

    def text(node: bytes) -> str:
        return base64.b64encode(node).decode()

    writer = AuditWriter(tmp_path, Signer("steward.example/audit", bytes(range(32))))
    entries = [b"entry %d" % number for number in range(size)]
    old_head = writer.append(entries[:old])
    if size > old:
        writer.append(entries[old:])
    reader = TileReader(tmp_path, size)
    claim = {
        "Key": (tmp_path / PUBLIC_KEY).read_text(),
        "Note": (tmp_path / CHECKPOINT).read_text(),
        "Entry": entries[index].decode(),
        "Index": index,
        "Size": size,
        "Old": old,
        "Inclusion": [text(node) for node in prove_inclusion(index, size, reader.subtree)],
        "Consistency": [text(node) for node in prove_consistency(old, size, reader.subtree)],
        "OldRoot": text(old_head.root),
    }
    run = subprocess.run([str(judge)], input=json.dumps(claim), capture_output=True, text=True, timeout=150)
    assert run.stdout == "agreed", run.stderr
    wrong = claim | {"Entry": "another"}
    assert subprocess.run([str(judge)], input=json.dumps(wrong), capture_output=True, text=True).returncode != 0
