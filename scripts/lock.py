"""Write requirements/ci.txt: the exact versions, with hashes, that CI installs (`make lock`).

pip resolves every extra as for a new environment and reports what it would install; this script writes the report down.
Hashes are of the files for this interpreter and platform (CPython 3.11 on Linux x86-64, where CI runs); elsewhere
`make test` installs by the ranges of pyproject.toml. torch is pinned in the Makefile and has no hash, because machines
install different builds of one version.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "ci.txt"
OWN = {"llm-steward", "torch"}
HEAD = "# Written by scripts/lock.py. CI installs these with --require-hashes --no-deps, then torch.\n"


def torch_pin() -> str:
    """The requirement that the Makefile names, so that it stands in one place."""
    match = re.search(r"^TORCH = (\S+)$", (ROOT / "Makefile").read_text(), re.M)
    if match is None:
        raise SystemExit("Makefile: expected a line `TORCH = torch==…`")
    return match[1]


def resolve() -> dict[str, Any]:
    """pip's report on a new environment with every extra. :raises CalledProcessError: pip found no solution"""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", report.name, f"{ROOT}[all,ray,train,test]", torch_pin()]
        subprocess.run(command, check=True)
        resolved: dict[str, Any] = json.loads(Path(report.name).read_text())
        return resolved


def render(report: dict[str, Any]) -> str:
    """One line for each package, sorted by name.

    >>> download = {"archive_info": {"hashes": {"sha256": "ab"}}}
    >>> package = {"metadata": {"name": "Some_Package", "version": "1.2"}, "download_info": download}
    >>> render({"install": [package]}).splitlines()[-1]
    'some-package==1.2 --hash=sha256:ab'
    """
    lines = []
    for item in report["install"]:
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        if name not in OWN:
            digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
            lines.append(f"{name}=={item['metadata']['version']} --hash=sha256:{digest}\n")
    return HEAD + "".join(sorted(lines))


if __name__ == "__main__":
    LOCK.write_text(render(resolve()))
