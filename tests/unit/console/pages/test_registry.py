"""The page of the registry: versions, what they were made from, and moves of aliases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console_home import HOSTILE, HomeConsole, read_text
from served_home import serve_home
from steward.console.pages.registry import describe_origin
from steward.core.releases import AliasMove, ArtefactFile, ModelVersion
from steward.workflows.registry import VersionView


@pytest.fixture
def console(tmp_path: Path) -> Iterator[HomeConsole]:
    with serve_home(tmp_path) as home:
        yield HomeConsole(home)


def version(**fields: Any) -> ModelVersion:
    usual: dict[str, Any] = {
        "name": "support", "digest": "sha256:" + "3f9c1a7b52d0" + "0" * 52, "kind": "gguf", "created_at": 5.0,
        "files": (ArtefactFile("m.gguf", "3f", 2_500_000),), "created_by": "operator:0",
    }  # fmt: skip
    return ModelVersion(**usual | fields)


def test_an_empty_registry_says_how_it_is_filled(console: HomeConsole) -> None:
    assert "steward model import FILE --name NAME" in read_text(console.get("/registry"))


def test_versions_and_the_journal_stand_there_for_their_tenant(console: HomeConsole) -> None:
    store = console.store.registry
    details = {"trainer": "trl", "base": {"name": "starter"}, "dataset": {"digest": "sha256:" + "cd" * 32}}
    assert store.add_version(version(details=details, tainted=HOSTILE))
    assert store.add_version(version(name="secret", tenant="another"))
    move = AliasMove(
        name="support", alias="champion", number=1, digest=version().digest, at=9.0, by="person:anna", reason="better"
    )
    assert store.move_alias(move)
    page = console.get("/registry")
    text = read_text(page)
    assert "<script>alert" not in page
    assert (
        "support@3f9c1a7b52d0 champion" in text and "2.5 MB" in text and "trl, base starter, data cdcdcdcdcdcd" in text
    )
    assert "support@champion 1 3f9c1a7b52d0 person:anna better" in text
    foreign = read_text(console.ask("GET", "/registry", tenant="another")[2])
    assert "secret@3f9c1a7b52d0" in foreign and "support" not in foreign
    assert "No version matches." in read_text(console.get("/registry?words=nothing"))


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({}, ""),
        ({"base": "starter", "dataset": "talks"}, ""),
        ({"base": {"digest": "x"}, "dataset": {"name": "talks"}, "trainer": None}, ""),
        ({"trainer": "command"}, "command"),
        ({"base": {"name": "llama"}}, "base llama"),
    ],
)
def test_what_a_version_was_made_from(details: dict[str, Any], said: str) -> None:
    view = VersionView(served="s", version=version(details=details), aliases=(), in_use=False)
    assert describe_origin(view) == said
