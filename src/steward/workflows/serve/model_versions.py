"""The version of an embedded model: the digest of its file, computed once for all workers, off their event loops."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from steward.core.files import take_lock
from steward.gateway.models import ModelEntry
from steward.workflows.serve.plan import ServePlan


async def read_versions(plan: ServePlan, models: Mapping[str, ModelEntry]) -> None:
    """Give every embedded model that has none its version."""
    for model in plan.models:
        entry = models[model.name]
        if entry.version is None and model.path is not None and model.socket is not None:
            cache = Path(model.socket).with_suffix(".sha256")  # the socket's name changes with the file's content
            entry.version = await asyncio.to_thread(digest_file, Path(model.path), cache)


def digest_file(path: Path, cache: Path) -> str:
    """ "sha256:…" of the file at `path`, which the first of several processes writes to `cache`; the others wait.

    :raises OSError: the file cannot be read
    """
    with os.fdopen(take_lock(cache), "r+") as kept:
        if text := kept.read():
            return text
        with path.open("rb") as file:
            text = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        kept.write(text)
        return text
