"""Every claim of docs/explanation/security.md and SECURITY.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTS = {name: (ROOT / name).read_text() for name in ("docs/explanation/security.md", "SECURITY.md")}
HEAD = "| claim | test |"


def list_claims() -> list[tuple[str, str]]:
    """Each claim with what stands beside it."""
    rows = []
    for table in (table for text in TEXTS.values() for table in text.split(HEAD)[1:]):
        lines = table.split("\n")[2:]
        for line in lines[: next(number for number, line in enumerate(lines) if not line.startswith("|"))]:
            claim, _, tests = line.strip("| ").rpartition(" | ")
            rows.append((claim, tests))
    return rows


def test_there_are_claims() -> None:
    assert len(list_claims()) > 50 and len({claim for claim, _ in list_claims()}) == len(list_claims())


@pytest.mark.parametrize(("claim", "tests"), list_claims(), ids=[claim[:60] for claim, _ in list_claims()])
def test_a_claim_names_tests_that_exist(claim: str, tests: str) -> None:
    paths = re.findall(r"`(tests/[^`]+)`", tests)
    assert claim and paths, f"{claim}: expected the path of a test"
    for path in paths:
        name, _, test = path.partition("::")
        assert (ROOT / name).is_file() or (ROOT / name).is_dir(), f"{claim}: {name} does not exist"
        assert not test or f"def {test}(" in (ROOT / name).read_text(), f"{claim}: {name} has no {test}"


def test_every_other_path_of_a_test_leads_somewhere() -> None:
    for path in (path for text in TEXTS.values() for path in re.findall(r"`(tests/[^`]+)`", text)):
        assert list(ROOT.glob(path.partition("::")[0].replace("NN", "[0-9][0-9]"))), path


def test_whatever_security_md_says_is_protected_is_a_claim() -> None:
    """So that no sentence comes back that no test holds."""
    section = TEXTS["SECURITY.md"].partition("## What this release protects")[2].partition("\n## ")[0]
    assert section.count(HEAD) == 1 and "\n- " not in section
