"""Versions from and to elsewhere: files of this machine, and MLflow where it is installed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.improvement.attestation import write_card
from steward.workflows.model_signing import export_version
from steward.workflows.registry import find_version


class ModelSource(msgspec.Struct, frozen=True):
    """Where a version's files are now, and what is known of them."""

    path: Path
    details: dict[str, Any] = {}


class MlflowVersion(msgspec.Struct, frozen=True, kw_only=True):
    """`steward model export --mlflow --json`."""

    served: str
    name: str
    version: str
    source: str


@contextmanager
def fetch_source(address: str) -> Iterator[ModelSource]:
    """A path as it is; models:/… and runs:/… of MLflow as a folder that is gone afterwards.

    :raises InputError: MLflow is not installed
    """
    if not address.startswith(("models:/", "runs:/")):
        yield ModelSource(Path(address))
        return
    with tempfile.TemporaryDirectory(prefix="steward-model-") as folder:
        path = Path(_load_mlflow().download(address, folder))
        yield ModelSource(path, {"source": {"mlflow": address}})


def export_to_mlflow(home: Path, store: SqlStore, wanted: str, name: str, *, tenant: str | None) -> MlflowVersion:
    """Register a version in MLflow: its files as artefacts, its digest and description as tags.

    :raises InputError: MLflow is not installed
    """
    mlflow, version = _load_mlflow(), find_version(store, wanted, tenant=tenant)
    with tempfile.TemporaryDirectory(prefix="steward-model-") as folder:
        files = Path(folder) / "model"
        export_version(home, store, wanted, files, tenant=tenant)
        tags = {"steward.digest": version.digest, "steward.served": version.served, "steward.kind": version.kind}
        tags |= {f"steward.{key}": _to_tag(value) for key, value in version.details.items()}
        number, source = mlflow.register(name, files, tags, write_card(version))
    return MlflowVersion(served=version.served, name=name, version=number, source=source)


def _to_tag(value: object) -> str:
    return (value if isinstance(value, str) else msgspec.json.encode(value).decode())[:5000]  # MLflow's longest


def _load_mlflow() -> ModuleType:
    try:
        from steward.adapters import mlflow_models
    except ImportError as error:
        raise InputError(f"MLflow is not installed ({error}); {install_command('mlflow')}") from None
    return mlflow_models
