"""MLflow's registry, by its own client: where it is comes from MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from steward.core.errors import InputError, Unavailable


def download(address: str, folder: str) -> str:
    """The files of models:/NAME/VERSION, models:/NAME@ALIAS or runs:/ID/PATH, in `folder`.

    :raises InputError: there is no such model :raises Unavailable: the server does not answer
    """
    try:
        return str(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=folder))
    except MlflowException as error:
        raise InputError(f"{address}: {error.message}") from error
    except OSError as error:
        raise Unavailable(f"{address}: {error}; check MLFLOW_TRACKING_URI") from error


def register(name: str, files: Path, tags: Mapping[str, str], description: str) -> tuple[str, str]:
    """Log `files` as a run's artefacts and register them; returns the version and its source.

    :raises InputError: MLflow refuses it :raises Unavailable: the server does not answer
    """
    client = mlflow.MlflowClient()
    try:
        if not client.search_registered_models(filter_string=f"name = '{name}'"):
            client.create_registered_model(name)
        with mlflow.start_run(tags=dict(tags)) as run:
            mlflow.log_artifacts(str(files), artifact_path="model")
        source = f"{run.info.artifact_uri}/model"
        made = client.create_model_version(name, source, run.info.run_id, tags=dict(tags), description=description)
    except MlflowException as error:
        raise InputError(f"MLflow: {error.message}") from error
    except OSError as error:
        raise Unavailable(f"MLflow: {error}; check MLFLOW_TRACKING_URI") from error
    return str(made.version), source
