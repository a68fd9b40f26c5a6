"""`steward eval view` over TCP: the printed address lets its reader in, and nobody else."""

from __future__ import annotations

import re
import subprocess
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from conftest import STEWARD, until
from studies import folder, write


def test_the_printed_address_opens_the_runs(tmp_path: Path) -> None:
    write(tmp_path / "runs" / "one", folder("zebra", lambda n: f"right {n}"))
    write(tmp_path / "runs" / "two", folder("quokka", lambda n: "wrong" if n % 3 == 0 else f"right {n}"))
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen([*STEWARD, "eval", "view", "runs"], cwd=tmp_path, stdout=file, stderr=file)
    try:
        until(lambda: process.poll() is not None or "/open/" in log.read_text(), 50)
        found = re.search(r"(http://127\.0\.0\.1:\d+)/open/\S+", log.read_text())
        assert found, log.read_text()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        runs = opener.open(found[0], timeout=60).read().decode()
        assert "2 runs" in runs and "zebra" in runs and "quokka" in runs
        body = opener.open(f"{found[1]}/compare?baseline=one&candidate=two&state=worse", timeout=60).read().decode()
        assert "4 of 12 items" in body and "<ins>wrong</ins>" in body
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(found[1], timeout=60)
    finally:
        process.kill()
        process.wait(60)
