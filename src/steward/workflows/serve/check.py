"""What would keep a plan from starting, found before anything does: files that are no models, missing extras.

What needs the network is asked only when told to (`steward config check --live`).
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from steward.adapters.engines.embedded import check_gguf
from steward.adapters.engines.gguf import read_gguf_head
from steward.adapters.notifiers.apprise import open_service
from steward.adapters.stores.snapshot import check_database
from steward.core.errors import InputError, Unavailable
from steward.core.extras import install_command
from steward.core.import_from_file import check_function
from steward.core.secret import resolve, resolve_value
from steward.monitoring.config import ChannelPlan
from steward.security.rootkey import FILE as ROOT_KEY
from steward.security.rootkey import RETIRED
from steward.workflows.history import refuse_emptied_store
from steward.workflows.root_keys import WRAPPED, is_wrapped, load_roots, open_wrapper
from steward.workflows.serve.deployment import STORE
from steward.workflows.serve.engines import check_models
from steward.workflows.serve.models import name_socket
from steward.workflows.serve.plan import ServePlan
from steward.workflows.serve.releases import FILE as RELEASES
from steward.workflows.serve.routes import list_routes


def check_startable(plan: ServePlan) -> None:
    """:raises InputError: a model file that is none, a missing extra, a URL that Apprise does not know"""
    embedded = [model for model in plan.models if model.backend == "embedded"]
    if embedded:
        _require("xllamacpp", "backend: embedded", "embedded")
    if plan.valkey is not None:
        _check_valkey(plan.valkey)
    if plan.store is not None:
        _require("psycopg", "store.kind: postgresql", "postgres")
    _check_channels(plan.monitoring.channels)
    _check_rules(plan)
    if plan.registry.storage is not None:
        _check_registry(plan.registry.storage)
    for model in embedded:
        assert model.path is not None
        check_gguf(Path(model.path))
        read_gguf_head(Path(model.path))


def find_unpriced(plan: ServePlan) -> list[str]:
    """Budgets that refuse requests, since a model that they may reach has no price: a sentence each."""
    unpriced = {model.name for model in plan.models if model.prices is None}
    routes, limits = list_routes(plan), plan.limits
    lacking = {name: sorted(unpriced.intersection(route.reachable())) for name, route in routes.items()}
    places = {f"limits.models.{name}": (spec, [name]) for name, spec in limits.models.items()}
    places |= {f"limits.teams.{name}": (spec, list(routes)) for name, spec in limits.teams.items()}
    places["limits.default"] = (limits.default, list(routes))
    return [
        f"{place} has a budget, and {', '.join(models)} no price: requests that may reach "
        f"{'it' if len(models) == 1 else 'them'} are refused. Set price for {'it' if len(models) == 1 else 'them'}."
        for place, (spec, names) in sorted(places.items())
        if spec.has_budget() and (models := sorted({model for name in names for model in lacking.get(name, ())}))
    ]


def _check_valkey(reference: str) -> None:
    _require("redis", "limits.valkey", "valkey")
    from steward.adapters.limits.valkey import ValkeyLimiter  # of an extra

    ValkeyLimiter(resolve(reference).reveal())


def _check_registry(storage: str) -> None:
    _require("fsspec", "registry.storage at an address", "remote")
    from steward.adapters.remote_files import check_address  # of an extra

    try:
        check_address(storage)
    except InputError as error:
        raise InputError(f"registry.storage: {error}") from error


def _check_rules(plan: ServePlan) -> None:
    """What guards and detectors need of this machine; an operator's function is looked for, and not run."""
    for guard in plan.guardrails:
        if guard.key:
            try:
                resolve(guard.key)
            except InputError as error:
                raise InputError(f"guards: {guard.name}: {error}") from error
    for detector in plan.privacy.detectors if plan.privacy is not None else ():
        if detector.function:
            check_function(detector.function, f"privacy.detectors: {detector.name}")


def _check_channels(channels: Sequence[ChannelPlan]) -> None:
    for channel in channels:
        if channel.kind == "apprise" and channel.url is not None:
            try:
                open_service(resolve_value(channel.url))
            except InputError as error:
                raise InputError(f"monitoring.channels: {channel.name}: {error}") from error


def copy_choices(home: Path, folder: Path) -> None:
    """Copy to `folder` what a home says of what serves: prompts, releases and its root key."""
    for name in ("prompts", RETIRED):
        if (home / name).is_dir():
            shutil.copytree(home / name, folder / name)
    for name in (RELEASES, ROOT_KEY, WRAPPED):
        if (home / name).is_file():
            shutil.copy(home / name, folder / name)  # with its mode, which is looked at


def check_home(home: Path, copy: Path, plan: ServePlan, file: str) -> None:
    """Whether the home can be made or used, without a change to it; `copy` is as `copy_choices` made it.

    :raises InputError: no folder of ours, a damaged store, a root key that is missing or not fit for use; names `file`,
        which asks for this home
    """
    try:
        _check_home(home, copy, plan)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _check_home(home: Path, copy: Path, plan: ServePlan) -> None:
    place = next(each for each in (home, *home.parents) if each.exists())
    if not place.is_dir():
        why = "File exists" if place == home else "Not a directory"
        raise InputError(f"the home {home} cannot be made: {why}; choose a folder of yours with --home")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"the home {home} cannot be made: Permission denied; choose a folder of yours with --home")
    for model in plan.models:
        if model.socket is not None:
            name_socket(home, Path(model.socket).stem.removeprefix("e-"))
    if plan.store is None and (home / STORE).exists():
        refuse_emptied_store(home, home / STORE)
        check_database(home / STORE)
    if not is_wrapped(plan.root):
        load_roots(copy, plan.root)
    elif plan.root is not None:
        open_wrapper(plan.root)


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
