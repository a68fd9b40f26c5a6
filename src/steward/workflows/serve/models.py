"""Which models are served and how each is reached: the configured ones, a GGUF file, or all of a running server."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.engines.address import endpoint_url
from steward.core.addresses import refuse_credentials
from steward.core.errors import InputError, Unavailable
from steward.core.fetch import open_url
from steward.core.secret import Secret, resolve, resolve_value
from steward.core.tls import UpstreamTls, build_upstream_context
from steward.gateway.config import ModelConfig, RouteConfig
from steward.gateway.pricing.prices import Prices
from steward.gateway.pricing.table import find_prices, find_provider
from steward.security.rootkey import derive
from steward.settings import Settings
from steward.starter import path as starter_path
from steward.workflows.root_keys import load_root
from steward.workflows.serve.plan import ModelPlan

ANTHROPIC_URL = "https://api.anthropic.com"

MOST_SOCKET_BYTES: Final = 107  # of sockaddr_un's 108, one ends the path (man 7 unix)


def plan_models(settings: Settings, home: Path, override: str | None) -> tuple[ModelPlan, ...]:
    if override and override.startswith(("http://", "https://")):
        return tuple(
            ModelPlan(name=n, backend="openai", url=override, upstream_model=n) for n in fetch_model_names(override)
        )
    if override:
        item = ModelConfig(name="override", backend="embedded", path=override)
        return (_plan_embedded(Path(override).stem, item, home),)

    def root() -> bytes:
        return load_root(home, settings.security.root_reference())

    behind = find_models_behind_prompts(settings.routes)
    plans = []
    for item in settings.effective_models():
        plan = _plan_embedded(item.name, item, home) if item.backend == "embedded" else _plan_upstream(item, root)
        direct = item.name not in behind if item.direct is None else item.direct
        plans.append(msgspec.structs.replace(plan, direct=direct, unreadable=item.unreadable))
    return tuple(plans)


def find_models_behind_prompts(routes: Iterable[RouteConfig]) -> frozenset[str]:
    """Models that answer a route with a prompt: asked by their own names, they would answer without it."""
    forced = [route for route in routes if route.prompt is not None]
    return frozenset(name for route in forced for name in route.route().reachable())


def _plan_upstream(item: ModelConfig, root: Callable[[], bytes]) -> ModelPlan:
    """:raises InputError: the key's reference leads nowhere"""
    key = str(item.key) if item.key else None
    secrets = [resolve(key)] if key else []
    secrets += [resolve_value(value) for value in item.headers.values()]
    return ModelPlan(
        name=item.name,
        backend=item.backend,
        url=str(item.url or ANTHROPIC_URL),
        speaks=tuple(item.speaks),
        key=key,
        key_mark=_digest_secrets(root(), secrets) if secrets else None,
        headers={name.lower(): value for name, value in item.headers.items()},
        tls=_plan_upstream_tls(item),
        metrics_url=str(item.metrics_url) if item.metrics_url else None,
        upstream_model=item.upstream_model or item.name,
        prices=item.price.prices() if item.price else _list_prices(item),
    )


def _plan_upstream_tls(item: ModelConfig) -> UpstreamTls | None:
    """:raises InputError: a file that cannot be used"""
    if item.tls is None:
        return None
    paths = {name: str(Path(path).absolute()) for name, path in item.tls.model_dump().items() if path is not None}
    tls = UpstreamTls(**paths)
    build_upstream_context(tls)
    return tls


def _list_prices(item: ModelConfig) -> Prices | None:
    """The public prices of a model at a provider that its URL tells."""
    provider = find_provider(str(item.url or ANTHROPIC_URL))
    return find_prices(provider, item.upstream_model or item.name) if provider else None


def _plan_embedded(name: str, item: ModelConfig, home: Path) -> ModelPlan:
    """:raises InputError: no such file"""
    file = Path(item.path).absolute() if item.path else starter_path()
    if not file.is_file():
        raise InputError(f"model {name!r}: no such file {file}; expected a GGUF file")
    threads = item.threads or max(1, (os.cpu_count() or 2) - 1)
    return ModelPlan(
        name=name,
        backend="embedded",
        url="http://engine",
        prices=item.price.prices() if item.price else None,
        path=str(file),
        socket=name_socket(home, _engine_digest(name, file, item.context, item.slots, threads)),
        upstream_model=name,
        context=item.context,
        slots=item.slots,
        threads=threads,
        embeddings=item.embeddings,
    )


def plan_file(base: ModelPlan, name: str, file: Path, home: Path) -> ModelPlan:
    """Another file, served as `base` is; beside it, since its engine is another one.

    :raises InputError: no such file
    """
    item = ModelConfig(name="version", backend="embedded", path=str(file), embeddings=base.embeddings)
    if base.slots:  # it is embedded too
        item = item.model_copy(update={"context": base.context, "slots": base.slots, "threads": base.threads})
    return msgspec.structs.replace(_plan_embedded(name, item, home), prices=base.prices, direct=False)


def name_socket(home: Path, digest: str) -> str:
    """Where an engine listens. :raises InputError: Linux keeps 107 bytes for the path of a socket"""
    path = str(home / "run" / f"e-{digest}.sock")
    if (length := len(os.fsencode(path))) > MOST_SOCKET_BYTES:
        raise InputError(
            f"home {home}: its path is {length - MOST_SOCKET_BYTES} bytes too long for the socket of an embedded "
            "model; choose a shorter one, such as `steward up --home /srv/steward`"
        )
    return path


def _engine_digest(*parts: object) -> str:
    """Names an engine's socket: another file, or another content of it, is another engine beside the old one."""
    files = [part.stat() for part in parts if isinstance(part, Path)]
    stamps = [(status.st_mtime_ns, status.st_size) for status in files]
    return hashlib.sha256(repr([*map(str, parts), stamps]).encode()).hexdigest()[:10]


def _digest_secrets(root: bytes, secrets: Sequence[Secret]) -> str:
    """A keyed digest: tells a rotated secret from the old one, and nothing else."""
    key = derive(root, "secret marks")
    return hmac.new(key, msgspec.json.encode([one.reveal() for one in secrets]), hashlib.sha256).hexdigest()[:16]


def fetch_model_names(url: str) -> list[str]:
    """The names of the models that an OpenAI-compatible server lists.

    :raises Unavailable: no connection, or no list
    """
    refuse_credentials(url, "write the model into steward.yaml, with headers: {authorization: env:NAME}")
    address = endpoint_url(url, "/v1/models")
    try:
        with open_url(address, 5) as response:
            names = [str(item["id"]) for item in json.load(response)["data"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", error)
        raise Unavailable(
            f"{address}: no list of models ({reason}); is the server up and is the URL its base?"
        ) from error
    if not names:
        raise Unavailable(f"{address}: the server lists no model; load one there first")
    return names
