"""Versions of the configuration in `home/config`: `0007.yaml` is the file as it was, `0007.json` tells of it.

A version is kept before it is tried and marked when every worker serves it, so that no number is ever given
to two configurations. Secrets are references, so the files hold none.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.core.files import make_private_folder, write_file


class ConfigVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration that was tried. `prompts` are the kept prompts in use with it: name to version."""

    version: int
    at: float
    digest: str  # of all that it decided: file, environment, command line, prompts
    outcome: Literal["tried", "serving", "failed"]  # serving: it was accepted by all workers
    prompts: dict[str, str] = {}
    note: str = ""
    by: str = ""  # the actor that changed it


def list_versions(home: Path) -> list[ConfigVersion]:
    """Oldest first. :raises InputError: a file that was changed by hand"""
    versions = []
    for path in sorted((home / "config").glob("[0-9]*.json")):
        try:
            versions.append(msgspec.json.decode(path.read_bytes(), type=ConfigVersion))
        except msgspec.MsgspecError as error:
            raise InputError(f"{path}: {error}; remove it, or restore it from a backup") from error
    return versions


def list_accepted(home: Path) -> list[ConfigVersion]:
    """The versions that have served, oldest first."""
    return [item for item in list_versions(home) if item.outcome == "serving"]


def refuse_emptied_store(home: Path, file: Path) -> None:
    """:raises InputError: the store's file is empty though the home has served: SQLite would begin a new one in it"""
    journal = file.with_name(f"{file.name}-wal")
    files = [each for each in (file, journal) if each.is_file()]
    if file in files and not any(each.stat().st_size for each in files) and list_accepted(home):
        raise InputError(
            f"the store {file} is empty, though this home has served before; restore it from a backup: "
            "steward restore --help; or, to begin without its keys and records, move it away"
        )


def get_version(home: Path, number: int) -> ConfigVersion:
    """:raises UnknownName: it never served"""
    for item in list_accepted(home):
        if item.version == number:
            return item
    raise UnknownName("configuration version", str(number), [str(item.version) for item in list_accepted(home)])


def save_version(home: Path, version: ConfigVersion, text: str) -> None:
    """Write a version, or its new outcome, down."""
    folder = home / "config"
    make_private_folder(folder)
    write_file(text_file(home, version.version), text.encode(), durable=True)
    write_file(folder / f"{version.version:04d}.json", msgspec.json.encode(version), durable=True)


def text_file(home: Path, number: int) -> Path:
    return home / "config" / f"{number:04d}.yaml"


def next_number(home: Path) -> int:
    return 1 + max((item.version for item in list_versions(home)), default=0)


def diff_versions(home: Path, first: int, second: int) -> list[str]:
    """The lines of a unified diff of two versions, prompts in use included. :raises UnknownName: one never served"""
    lines = []
    for number in (first, second):
        item = get_version(home, number)
        text = text_file(home, number).read_text().splitlines()
        lines.append([*text, *(f"# in use: prompt {name} {version}" for name, version in sorted(item.prompts.items()))])
    return list(difflib.unified_diff(lines[0], lines[1], f"version {first}", f"version {second}", lineterm=""))
