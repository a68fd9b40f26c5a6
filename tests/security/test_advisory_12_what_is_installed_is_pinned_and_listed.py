"""Advisory 12, litellm 1.82.7: an unpinned scanner in CI let a package with a `.pth` file be published."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_ci_installs_by_hash() -> None:
    lines = [line for line in (ROOT / "requirements" / "ci.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines and all(re.fullmatch(r"[a-z0-9-]+==\S+( --hash=sha256:[0-9a-f]{64})+", line) for line in lines)
    assert "--require-hashes --no-deps" in (ROOT / "Makefile").read_text()


def test_nothing_in_the_wheel_runs_when_python_starts() -> None:
    names = [path.name for path in (ROOT / "src").rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith(".pth") or name in ("sitecustomize.py", "usercustomize.py")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/steward"]
    assert project["build-system"]["build-backend"] == "hatchling.build"


def test_what_is_built_names_what_it_stands_on() -> None:
    """The bill of materials: tests/architecture/test_supply_chain.py compares it with the lock file."""
    assert (ROOT / "src" / "steward" / "sbom.cdx.json").is_file()
