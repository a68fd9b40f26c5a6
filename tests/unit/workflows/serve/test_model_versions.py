from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any, cast

from steward.gateway.models import ModelEntry
from steward.workflows.serve.model_versions import digest_file, read_versions
from steward.workflows.serve.plan import ModelPlan


class Plan:
    def __init__(self, *models: ModelPlan) -> None:
        self.models = models


def test_an_embedded_model_is_named_by_its_files_digest(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    embedded = ModelPlan(
        name="m",
        backend="embedded",
        url="http://engine",
        upstream_model="m",
        path=str(tmp_path / "m.gguf"),
        socket=str(tmp_path / "engine-1.sock"),
    )
    remote = ModelPlan(name="r", backend="openai", url="http://there/v1", upstream_model="r")
    models = {name: ModelEntry(name, cast(Any, None), name) for name in ("m", "r")}
    asyncio.run(read_versions(cast(Any, Plan(embedded, remote)), models))
    assert models["m"].version == "sha256:" + hashlib.sha256(b"GGUF").hexdigest()
    assert models["r"].version is None


def test_a_file_is_read_once_for_all_workers(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    first = digest_file(tmp_path / "m.gguf", tmp_path / "engine-1.sha256")
    (tmp_path / "m.gguf").unlink()
    assert digest_file(tmp_path / "m.gguf", tmp_path / "engine-1.sha256") == first
