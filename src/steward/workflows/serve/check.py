"""What would keep a plan from starting, found before anything does: files that are no models, missing extras.

What needs the network is asked only when told to (`steward config check --live`).
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from steward.adapters.engines.embedded import check_gguf
from steward.adapters.engines.gguf import read_gguf_head
from steward.adapters.notifiers.apprise import open_service
from steward.core.errors import InputError, Unavailable
from steward.core.extras import install_command
from steward.core.secret import resolve_value
from steward.monitoring.config import ChannelPlan
from steward.workflows.serve.engines import check_models
from steward.workflows.serve.plan import ServePlan


def check_startable(plan: ServePlan) -> None:
    """:raises InputError: a model file that is none, a missing extra, a URL that Apprise does not know"""
    embedded = [model for model in plan.models if model.backend == "embedded"]
    if embedded:
        _require("xllamacpp", "backend: embedded", "embedded")
    if plan.valkey is not None:
        _require("redis", "limits.valkey", "valkey")
    if plan.store is not None:
        _require("psycopg", "store.kind: postgresql", "postgres")
    _check_channels(plan.monitoring.channels)
    for model in embedded:
        assert model.path is not None
        check_gguf(Path(model.path))
        read_gguf_head(Path(model.path))


def _check_channels(channels: Sequence[ChannelPlan]) -> None:
    for channel in channels:
        if channel.kind == "apprise" and channel.url is not None:
            try:
                open_service(resolve_value(channel.url))
            except InputError as error:
                raise InputError(f"monitoring.channels: {channel.name}: {error}") from error


def check_live(plan: ServePlan) -> None:
    """Ask every server of a model. :raises Unavailable: one does not answer"""
    answers = asyncio.run(check_models(plan))
    silent = [model for model in plan.models if model.backend != "embedded" and not answers[model.name]]
    if silent:
        lines = [f"model {model.name!r}: no answer at {model.url}; is it up, and is its key right?" for model in silent]
        raise Unavailable("\n".join(lines))


def _require(module: str, what: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise InputError(f"{what} needs the extra {extra!r}: {install_command(extra)}")
