"""Run bandit over the source, and compare what it finds with requirements/bandit.toml (`make check`).

Every finding of medium or high severity is in the list, by check and file, with the reason why it is harmless; another
finding fails, and so does an entry that no finding has any more. Those of low severity are imports and words; the tests
of advisories 5, 15, 19 and 24 decide what of them matters (processes, eval, pickle).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIST = ROOT / "requirements" / "bandit.toml"


def compare(findings: set[tuple[str, str]], reviewed: set[tuple[str, str]]) -> list[str]:
    """What is new and what is gone, as lines.

    >>> compare({("B602", "a.py")}, {("B603", "a.py")})
    ['B602 in a.py: new; mend it, or list it with a reason', 'B603 in a.py: listed, and not found any more']
    """
    new = [f"{check} in {file}: new; mend it, or list it with a reason" for check, file in sorted(findings - reviewed)]
    return new + [f"{check} in {file}: listed, and not found any more" for check, file in sorted(reviewed - findings)]


def read_reviewed() -> set[tuple[str, str]]:
    """:raises SystemExit: an entry without a reason"""
    entries = tomllib.loads(LIST.read_text())["finding"]
    for entry in entries:
        if not entry.get("why", "").strip():
            raise SystemExit(f"{LIST}: {entry}: expected check, file and why")
    return {(entry["check"], file) for entry in entries for file in entry["files"]}


def find_all() -> set[tuple[str, str]]:
    """What bandit finds in the source as it stands. Kept in build/, so that the same source is read once."""
    kept = ROOT / "build" / f"bandit-{digest_source()}.json"
    if kept.exists():
        return {(check, file) for check, file in json.loads(kept.read_text())}
    command = [sys.executable, "-m", "bandit", "-q", "-r", "src/steward", "-f", "json", "-ll"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    report = json.loads(run.stdout)
    if report["errors"]:
        raise SystemExit(f"bandit could not read: {report['errors']}")
    found = {(one["test_id"], one["filename"].removeprefix("src/steward/")) for one in report["results"]}
    kept.parent.mkdir(exist_ok=True)
    kept.with_suffix(".new").write_text(json.dumps(sorted(found)))
    kept.with_suffix(".new").replace(kept)
    return found


def digest_source() -> str:
    """Of bandit's version and of every file that it reads: names and bytes."""
    whole = hashlib.sha256(importlib.metadata.version("bandit").encode())
    for file in sorted((ROOT / "src" / "steward").rglob("*.py")):
        whole.update(f"\0{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:16]


if __name__ == "__main__":
    problems = compare(find_all(), read_reviewed())
    print("\n".join(problems) or "bandit: nothing new")
    sys.exit(1 if problems else 0)
