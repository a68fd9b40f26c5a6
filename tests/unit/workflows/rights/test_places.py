"""Training sets and models that hold a person, by what their manifests say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from steward.core.releases import ModelVersion
from steward.workflows.rights.places import NamedArtifact, find_datasets, find_models


def put_manifest(folder: Path, **fields: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(fields))
    return folder


def test_sets_of_the_home_and_of_the_register_are_found_once(tmp_path: Path) -> None:
    near = put_manifest(tmp_path / "datasets" / "near", name="near", digest="d1", subjects=["1", "2"], rows={})
    far = put_manifest(tmp_path / "elsewhere", digest="d2", subjects=["2"])
    put_manifest(tmp_path / "datasets" / "others", name="others", digest="d3", subjects=["3"])
    lines = [{"name": "x", "folder": str(path)} for path in (far, near, tmp_path / "gone")]
    (tmp_path / "datasets" / "register.jsonl").write_text("\n".join(map(json.dumps, lines)))
    unread: list[str] = []
    assert list(find_datasets(tmp_path, ["2"], unread)) == [
        NamedArtifact(name="near", folder=str(near), digest="d1"),
        NamedArtifact(name="elsewhere", folder=str(far), digest="d2"),
    ]
    assert unread == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = put_manifest(tmp_path / "datasets" / "broken")
    (broken / "manifest.json").write_text("{")
    (tmp_path / "datasets" / "register.jsonl").write_text("{")
    unread: list[str] = []
    assert list(find_datasets(tmp_path, ["2"], unread)) == [] and len(unread) == 2
    assert "register.jsonl cannot be read" in unread[0] and "manifest.json cannot be read" in unread[1]


def test_models_are_those_that_say_they_were_trained_on_such_a_set() -> None:
    def version(digest: str, **details: Any) -> ModelVersion:
        return ModelVersion(
            name="m", digest=digest, kind="gguf", files=(), created_at=0.0, created_by="a", details=details
        )

    versions = [
        version("m1", dataset={"digest": "d1"}), version("m2", dataset={"digest": "d2"}), version("m3"),
        version("m4", dataset="d1"),
    ]  # fmt: skip
    datasets = [NamedArtifact(name="s", folder="f", digest="d1")]
    assert list(find_models(versions, datasets)) == [NamedArtifact(name="m", folder="registry", digest="m1")]
    assert list(find_models(versions, [])) == []
