"""What is shipped and what it stands on: bill of materials, accepted advisories, findings of bandit."""

from __future__ import annotations

import datetime
import importlib.util
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load(name: str) -> ModuleType:
    """A script of this repository."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


audit_packages, check_bandit, lock, sbom = (load(name) for name in ("audit_packages", "check_bandit", "lock", "sbom"))
TODAY = datetime.date(2026, 11, 28)
# As pip-audit 2.10 writes it: one package with an advisory, one without, one that the service did not know.
RECORDED: dict[str, Any] = {
    "dependencies": [
        {
            "name": "pyjwt", "version": "2.12.0",
            "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.13.0"], "aliases": ["CVE-2026-48523"]}],
        },
        {"name": "rich", "version": "15.0.0", "vulns": []},
        {"name": "mystery", "skip_reason": "Dependency not found on PyPI and could not be audited: mystery (1)"},
    ],
    "fixes": [],
}  # fmt: skip


def entry(**more: Any) -> dict[str, Any]:
    return {"package": "pyjwt", "id": "CVE-2026-48523", "until": TODAY, "why": "not reached", **more}


def test_the_bill_of_materials_is_that_of_the_lock_file() -> None:
    assert sbom.FILE.read_text() == sbom.render(), "run python scripts/sbom.py"


def test_the_bill_of_materials_names_each_part_with_version_hash_and_use() -> None:
    bill = json.loads(sbom.FILE.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    refs = {item["bom-ref"] for item in bill["components"]}
    for item in bill["components"]:
        assert re.fullmatch(r"pkg:pypi/[a-z0-9-]+@\S+", item["purl"]) and re.fullmatch(
            r"[0-9a-f]{64}", item["hashes"][0]["content"]
        )
    (root, *others) = bill["dependencies"]
    assert {one["ref"] for one in others} == refs and set(root["dependsOn"]) <= refs
    assert all(set(one["dependsOn"]) <= refs for one in others)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = {sbom.normalise(re.split(r"[\[><=;! ]", line)[0]) for line in project["dependencies"]}
    assert direct <= {item["name"] for item in bill["components"]}
    assert not {"pytest", "mypy", "bandit", "torch"} & {item["name"] for item in bill["components"]}


def test_an_advisory_fails_until_it_is_accepted_and_again_afterwards() -> None:
    judged = audit_packages.judge_report(RECORDED, [], TODAY)
    assert judged == (["pyjwt 2.12.0: PYSEC-2026-1 (CVE-2026-48523)"], [], ["mystery"])
    for name in ("CVE-2026-48523", "PYSEC-2026-1"):
        assert audit_packages.judge_report(RECORDED, [entry(id=name)], TODAY).open == []
    late = audit_packages.judge_report(RECORDED, [entry()], TODAY + datetime.timedelta(days=1))
    assert len(late.open) == 1 and late.outdated == ["pyjwt CVE-2026-48523: until 2026-11-28"]
    other = audit_packages.judge_report(RECORDED, [entry(), entry(package="rich")], TODAY)
    assert other.outdated == ["rich CVE-2026-48523: nothing has it any more"]


@pytest.mark.parametrize(
    ("dependencies", "code"),
    [([], 0), (RECORDED["dependencies"][1:2], 0), (RECORDED["dependencies"][1:], 3), (RECORDED["dependencies"], 1)],
)
def test_a_package_that_was_not_audited_is_no_pass(tmp_path: Path, dependencies: list[Any], code: int) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"dependencies": dependencies}))
    assert audit_packages.main(tmp_path / "report.json") == code


def test_each_accepted_advisory_has_a_date_and_a_reason(tmp_path: Path) -> None:
    assert isinstance(audit_packages.read_allowed(), list)
    (tmp_path / "list.toml").write_text('[[advisory]]\npackage = "a"\nid = "X"\nuntil = "soon"\nwhy = "because"\n')
    with pytest.raises(SystemExit, match="until = YYYY-MM-DD"):
        audit_packages.read_allowed(tmp_path / "list.toml")


def test_bandit_finds_nothing_grave_that_nobody_has_looked_at() -> None:
    assert check_bandit.compare(check_bandit.find_all(), check_bandit.read_reviewed()) == []


def test_the_scanner_is_pinned_by_hash_in_a_file_of_its_own() -> None:
    lines = [
        line for line in (ROOT / "requirements" / "audit.txt").read_text().splitlines() if not line.startswith("#")
    ]
    assert any(line.startswith("pip-audit==") for line in lines)
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    assert "--require-hashes --no-deps -r requirements/audit.txt" in (ROOT / "Makefile").read_text()


def wheel(tags: str) -> dict[str, Any]:
    return {"url": f"https://files.example/a-1-{tags}.whl", "hashes": {"sha256": tags}}


@pytest.mark.parametrize(
    ("wheels", "expected"),
    [
        (["py3-none-any"], ["py3-none-any"]),
        (["py3-none-any", "cp311-cp311-manylinux_2_28_x86_64"], ["cp311-cp311-manylinux_2_28_x86_64", "py3-none-any"]),
        (  # pip prefers what needs the newest libraries
            ["cp39-abi3-manylinux_2_28_x86_64", "cp39-abi3-manylinux_2_34_x86_64"],
            ["cp39-abi3-manylinux_2_34_x86_64", "cp39-abi3-manylinux_2_28_x86_64"],
        ),
        (["cp311-cp311-manylinux_2_37_x86_64"], ["source"]),  # newer than where CI runs
        (["cp312-cp312-manylinux_2_28_x86_64", "cp311-cp311-macosx_11_0_arm64"], ["source"]),
        ([], ["source"]),
    ],
)
def test_the_lock_names_the_files_that_ci_may_install(wheels: list[str], expected: list[str]) -> None:
    package = {"wheels": [wheel(tags) for tags in wheels], "sdist": {"hashes": {"sha256": "source"}}}
    assert lock.list_digests(package) == expected


def test_the_lock_names_every_package_but_torch_and_ours() -> None:
    names = ("torch", "Some_Package", "llm-steward", "a.b")
    packages = [{"name": name, "version": "1.2", "sdist": {"hashes": {"sha256": "ab"}}} for name in names]
    lines = lock.render({"packages": packages}).splitlines()
    assert lines[1:] == ["a-b==1.2 --hash=sha256:ab", "some-package==1.2 --hash=sha256:ab"]
    assert lock.torch_pin() == "torch==2.13.0"
