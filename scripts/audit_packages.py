"""Ask an advisory service about every locked package, and judge its answer (`make audit-packages`).

    python scripts/audit_packages.py REPORT.json

`REPORT.json` is what `pip-audit --format json` wrote. A package that the service did not know was not audited, and that
is no pass. requirements/advisories.toml lists advisories that are accepted for a time, each with a reason; one whose
time has passed, or that no package has any more, is a failure too. Exits with 1 for an advisory, with 2 for an entry
that is out of date, with 3 where packages were not audited.
"""

from __future__ import annotations

import datetime
import json
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

ALLOWED = Path(__file__).parent.parent / "requirements" / "advisories.toml"


class PackageAudit(NamedTuple):
    """What a report says, beside the list of accepted advisories."""

    open: list[str]  # "package version: id"
    outdated: list[str]  # entries of the list that have expired, or that nothing has any more
    unknown: list[str]  # packages that were not audited


def judge_report(report: dict[str, Any], allowed: list[dict[str, Any]], today: datetime.date) -> PackageAudit:
    """
    >>> report = {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1", "aliases": ["CVE-1"]}]}]}
    >>> judge_report(report, [], datetime.date(2026, 1, 1)).open
    ['a 1: X-1 (CVE-1)']
    """
    accepted = {(entry["package"], entry["id"]): entry for entry in allowed}
    used, found, unknown = set(), [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unknown.append(package["name"])
        for advisory in package.get("vulns", ()):
            names = [advisory["id"], *advisory.get("aliases", ())]
            keys = [(package["name"], name) for name in names if (package["name"], name) in accepted]
            used.update(keys)
            if not any(accepted[key]["until"] >= today for key in keys):
                others = f" ({', '.join(names[1:])})" if names[1:] else ""
                found.append(f"{package['name']} {package['version']}: {names[0]}{others}")
    outdated = [
        f"{entry['package']} {entry['id']}: until {entry['until']}"
        for key, entry in accepted.items()
        if entry["until"] < today
    ]
    outdated += [f"{package} {name}: nothing has it any more" for package, name in sorted(accepted.keys() - used)]
    return PackageAudit(found, outdated, unknown)


def read_allowed(file: Path = ALLOWED) -> list[dict[str, Any]]:
    """Entries with package, id, until (a date) and why. :raises SystemExit: one lacks a field"""
    entries: list[dict[str, Any]] = tomllib.loads(file.read_text()).get("advisory", [])
    for entry in entries:
        lacking = {"package", "id", "until", "why"} - entry.keys()
        if lacking or not str(entry.get("why")).strip() or not isinstance(entry.get("until"), datetime.date):
            raise SystemExit(f"{file}: {entry}: expected package, id, until = YYYY-MM-DD and why")
    return entries


def main(report: Path) -> int:
    audit = judge_report(json.loads(report.read_text()), read_allowed(), datetime.date.today())
    for title, lines in (("advisory", audit.open), ("out of date", audit.outdated), ("not audited", audit.unknown)):
        for line in lines:
            print(f"{title}: {line}")
    if audit.unknown and not (audit.open or audit.outdated):
        print("The advisory service does not know these packages, or did not answer; this is no pass.")
    return 1 if audit.open else 2 if audit.outdated else 3 if audit.unknown else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
