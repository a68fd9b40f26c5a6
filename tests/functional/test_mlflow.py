"""Versions to and from MLflow's own client and store (the extra `mlflow`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.identity import operator
from steward.workflows import registry
from steward.workflows.audit import HomeAuditLog
from steward.workflows.model_exchange import export_to_mlflow, fetch_source


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStore:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)  # artefacts of a run lie beside it
    store = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    store.migrate()
    return store


@pytest.mark.filterwarnings("default")  # those of MLflow's own libraries
def test_a_version_goes_to_mlflow_and_comes_back_with_the_same_digest(tmp_path: Path, store: SqlStore) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    home, audit, me = tmp_path / "home", HomeAuditLog(tmp_path / "home", bytes(32)), operator(7)
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"r": 8}')
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    details = {"trainer": "trl", "dataset": {"digest": "sha256:aa"}}
    version = registry.import_version(home, store, audit, folder, "support", 1.0, details=details, actor=me)
    made = export_to_mlflow(home, store, version.served, "support", tenant=None)
    assert (made.name, made.version, made.served) == ("support", "1", version.served)
    known = mlflow.MlflowClient().get_model_version("support", "1")
    assert known.tags["steward.digest"] == version.digest and known.tags["steward.trainer"] == "trl"
    assert export_to_mlflow(home, store, version.served, "support", tenant=None).version == "2"
    with fetch_source("models:/support/1") as source:
        back = registry.import_version(home, store, audit, source.path, "again", 2.0, details=source.details, actor=me)
    assert back.digest == version.digest and back.kind == "adapter"
    assert back.details["source"] == {"mlflow": "models:/support/1"} and back.details["trainer"] == "trl"
    with pytest.raises(InputError, match="nobody"), fetch_source("models:/nobody/1"):
        raise AssertionError
