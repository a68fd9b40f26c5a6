"""Write src/steward/sbom.cdx.json: what steward stands on, as CycloneDX 1.6 (`make sbom`).

The components are the packages that `llm-steward[all]` brings, with the versions and hashes of requirements/ci.txt,
against which every release is tested. The file holds no time and no random number, so that the same lock gives the same
bytes. Needs the packages installed, because their own requirements are read from them.
"""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "ci.txt"
FILE = ROOT / "src" / "steward" / "sbom.cdx.json"
_LINE = re.compile(r"([a-z0-9-]+)==(\S+) --hash=sha256:([0-9a-f]{64})")


def read_lock(text: str) -> dict[str, tuple[str, str]]:
    """Name to (version, SHA-256).

    >>> read_lock("# x\\na-b==1.2 --hash=sha256:" + "0" * 64)["a-b"][0]
    '1.2'
    """
    return {name: (version, digest) for name, version, digest in _LINE.findall(text)}


def normalise(name: str) -> str:
    """
    >>> normalise("Typing_Extensions")
    'typing-extensions'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def list_wanted(project: dict[str, Any]) -> list[Requirement]:
    """What the base and every extra of `all` ask for."""
    extras = project["optional-dependencies"]
    (everything,) = extras["all"]
    named = Requirement(everything).extras
    return [
        Requirement(line) for line in (*project["dependencies"], *(line for name in named for line in extras[name]))
    ]


def find_closure(wanted: list[Requirement], locked: dict[str, tuple[str, str]]) -> dict[str, list[str]]:
    """Name to the names that it needs, of all that is reached."""
    found: dict[str, list[str]] = {}
    waiting = [(normalise(one.name), frozenset(one.extras)) for one in wanted if is_needed(one, frozenset())]
    done = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in done or name not in locked:
            continue
        done.add((name, extras))
        inner = [one for one in list_requirements(name) if is_needed(one, extras)]
        names = {normalise(one.name) for one in inner} & locked.keys()
        found[name] = sorted({*found.get(name, []), *names})
        waiting += [(normalise(one.name), frozenset(one.extras)) for one in inner]
    return found


def list_requirements(name: str) -> list[Requirement]:
    try:
        return [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError as error:
        raise SystemExit(f"{name} is locked and not installed; run make install-locked") from error


def is_needed(one: Requirement, extras: frozenset[str]) -> bool:
    return one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def make_component(name: str, version: str, digest: str) -> dict[str, Any]:
    licence = metadata(name).get("License-Expression")
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    return component | ({"licenses": [{"expression": licence}]} if licence else {})


def make_sbom(project: dict[str, Any], locked: dict[str, tuple[str, str]]) -> dict[str, Any]:
    wanted = list_wanted(project)
    closure = find_closure(wanted, locked)
    refs = {name: f"pkg:pypi/{name}@{locked[name][0]}" for name in closure}
    root = f"pkg:pypi/{project['name']}"
    direct = sorted({normalise(one.name) for one in wanted} & closure.keys())
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": project["name"],
                "licenses": [{"expression": project["license"]}],
                "purl": root,
            }
        },
        "components": [make_component(name, *locked[name]) for name in sorted(closure)],
        "dependencies": [
            {"ref": root, "dependsOn": [refs[name] for name in direct]},
            *({"ref": refs[name], "dependsOn": [refs[inner] for inner in closure[name]]} for name in sorted(closure)),
        ],
    }


def render() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return json.dumps(make_sbom(project, read_lock(LOCK.read_text())), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(render())
