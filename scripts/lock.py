"""Write requirements/ci.txt: the exact versions, with hashes, that CI installs (`make lock`, half a minute).

uv resolves every extra as for a new environment, from the metadata that the package index serves; it downloads no
package. Hashes are of the files that CPython 3.11 on Linux x86-64 may install, where CI runs, whatever machine this
runs on; elsewhere `make test` installs by the ranges of pyproject.toml. torch is pinned in the Makefile and has no
hash, because machines install different builds of one version.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "ci.txt"
OWN = {"llm-steward", "torch"}
HEAD = "# Written by scripts/lock.py. CI installs these with --require-hashes --no-deps, then torch.\n"
PYTHON = (3, 11)
RELEASE = "3.11.4"  # the first that needs no backports of any package
GLIBC = 36  # minor version that the files may need: Debian 12, Ubuntu 22.10 and later have it
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC, 4, -1)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
TAGS = [*cpython_tags(PYTHON, platforms=PLATFORMS), *compatible_tags(PYTHON, "cp311", PLATFORMS)]  # the best first
TORCH_NEEDS = ["filelock", "fsspec", "jinja2", "networkx", "sympy", "typing-extensions"]  # beside CUDA's packages


def torch_pin() -> str:
    """The requirement that the Makefile names, so that it stands in one place."""
    match = re.search(r"^TORCH = (\S+)$", (ROOT / "Makefile").read_text(), re.M)
    if match is None:
        raise SystemExit("Makefile: expected a line `TORCH = torch==…`")
    return match[1]


def resolve() -> dict[str, Any]:
    """uv's lock (pylock.toml, PEP 751) of a new environment with every extra.

    :raises CalledProcessError: uv found no solution
    """
    with tempfile.TemporaryDirectory() as folder:
        constraints, config, lock = (Path(folder) / name for name in ("pins.txt", "uv.toml", "pylock.toml"))
        constraints.write_text(torch_pin() + "\n")
        needs = ", ".join(f'"{name}"' for name in TORCH_NEEDS)
        config.write_text(f'[[dependency-metadata]]\nname = "torch"\nrequires-dist = [{needs}]\n')
        command = [sys.executable, "-m", "uv", "--config-file", str(config), "pip", "compile", "--quiet"]
        command += [part for name in ("all", "ray", "train", "test") for part in ("--extra", name)]
        command += ["--python-version", RELEASE, "--python-platform", f"x86_64-manylinux_2_{GLIBC}"]
        command += ["--constraint", str(constraints), "--output-file", str(lock), str(ROOT / "pyproject.toml")]
        subprocess.run(command, check=True, cwd=folder)
        return tomllib.loads(lock.read_text())


def list_digests(package: dict[str, Any]) -> list[str]:
    """SHA-256 of the files that fit, the one that pip prefers first; of the source where no wheel fits.

    >>> wheels = [{"name": f"a-1-{tags}.whl", "hashes": {"sha256": tags[:3]}} for tags in ("py3-none-any",
    ...     "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp312-cp312-manylinux_2_17_x86_64")]
    >>> list_digests({"wheels": wheels, "sdist": {"hashes": {"sha256": "source"}}})
    ['cp3', 'py3']
    >>> list_digests({"sdist": {"hashes": {"sha256": "source"}}})
    ['source']
    """
    ranks = {tag: number for number, tag in enumerate(TAGS)}
    fitting: list[tuple[int, str]] = []
    for wheel in package.get("wheels", ()):
        tags: frozenset[Tag] = parse_wheel_filename(wheel.get("name") or wheel["url"].rpartition("/")[2])[3]
        if known := [ranks[tag] for tag in tags if tag in ranks]:
            fitting.append((min(known), wheel["hashes"]["sha256"]))
    return [digest for _, digest in sorted(fitting)] or [package["sdist"]["hashes"]["sha256"]]


def render(lock: dict[str, Any]) -> str:
    """One line for each package, sorted by name.

    >>> package = {"name": "Some_Package", "version": "1.2", "sdist": {"hashes": {"sha256": "ab"}}}
    >>> render({"packages": [package]}).splitlines()[-1]
    'some-package==1.2 --hash=sha256:ab'
    """
    lines = []
    for package in lock["packages"]:
        name = canonicalize_name(package["name"])
        if name not in OWN:
            hashes = "".join(f" --hash=sha256:{digest}" for digest in list_digests(package))
            lines.append(f"{name}=={package['version']}{hashes}\n")
    return HEAD + "".join(sorted(lines))


if __name__ == "__main__":
    LOCK.write_text(render(resolve()))
