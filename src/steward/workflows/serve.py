"""Serving, composed: from settings to a plan that every process reads, and from the plan to a gateway.

The plan is what `steward up` decided, written to `home/run/plan.json`; it holds references to secrets,
never secrets.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from steward.adapters.engines.http import HttpEngine, Timeouts
from steward.core.errors import InputError, StewardError, Unavailable
from steward.core.extend import Guard
from steward.core.secret import resolve
from steward.gateway.app import Gateway
from steward.gateway.exchange import Handler, ModelEntry, Wrapper
from steward.gateway.feedback import take as take_feedback
from steward.gateway.handlers import admit, authenticate, call, guard, key_of, route, settle
from steward.gateway.ledger import LedgerWriter
from steward.gateway.limits import RequestLimits
from steward.gateway.routing import Route, Target, table
from steward.privacy.guard import Policy, guard_of
from steward.security.keys import KeyBook
from steward.security.rootkey import derive, ensure_root_key
from steward.settings import Settings
from steward.starter import path as starter_path
from steward.workflows.keys import load_book, stamp
from steward.workflows.sealing import SPOOL, sealer

KEYS_POLL_S = 0.25
FSYNC_S = 0.05


class ModelPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One model to serve."""

    name: str
    backend: str
    url: str
    path: str | None = None
    socket: str | None = None
    upstream_model: str
    key: str | None = None  # a reference
    input_price: float | None = None
    output_price: float | None = None
    context: int = 2048
    slots: int = 8
    threads: int = 1


class ServePlan(msgspec.Struct, frozen=True, kw_only=True):
    """All that the processes must know."""

    home: str
    version: str
    host: str
    port: int
    console_host: str
    console_port: int
    workers: int
    max_body_bytes: int
    drain_s: float
    timeouts: Timeouts
    models: tuple[ModelPlan, ...]
    routes: tuple[Route, ...]
    requests_per_minute: int | None
    store_url: str
    privacy: Policy | None = None  # none: no guard, and bytes pass through

    def file(self) -> Path:
        return Path(self.home) / "run" / "plan.json"


def make_plan(settings: Settings, home: Path, version: str, model: str | None = None) -> ServePlan:
    """What to start. `model` replaces the configured models: a GGUF file, or the URL of an OpenAI-compatible server.

    :raises InputError: a model file that is missing, a secret that cannot be resolved
    :raises Unavailable: the URL's list of models cannot be read
    """
    models = _models(settings, home, model)
    gateway = settings.gateway
    limits = Timeouts(
        gateway.connect_timeout_s, gateway.first_byte_timeout_s, gateway.idle_timeout_s, gateway.total_timeout_s
    )
    routes = (
        ()
        if model
        else tuple(
            Route(
                item.name, tuple(Target(target.model, target.weight) for target in item.targets), tuple(item.fallback)
            )
            for item in settings.routes
        )
    )
    return ServePlan(
        home=str(home),
        version=version,
        host=gateway.host,
        port=gateway.port,
        console_host=settings.console.host,
        console_port=settings.console.port,
        workers=gateway.workers or os.cpu_count() or 1,
        max_body_bytes=gateway.max_body_bytes,
        drain_s=gateway.drain_s,
        timeouts=limits,
        models=models,
        routes=routes,
        requests_per_minute=settings.limits.default.requests_per_minute,
        store_url=store_url(settings, home),
        privacy=settings.privacy.policy(),
    )


def store_url(settings: Settings, home: Path) -> str:
    if settings.store.kind == "postgresql" and settings.store.url:
        return resolve(str(settings.store.url)).reveal()
    return f"sqlite:///{home / 'steward.db'}"


def _models(settings: Settings, home: Path, override: str | None) -> tuple[ModelPlan, ...]:
    if override and override.startswith(("http://", "https://")):
        return tuple(ModelPlan(name=n, backend="openai", url=override, upstream_model=n) for n in listed(override))
    if override:
        return (_embedded(Path(override).stem, home, Path(override).absolute(), 2048, 8, None),)
    plans = []
    for item in settings.effective_models():
        if item.backend == "embedded":
            file = Path(item.path).absolute() if item.path else starter_path()
            plans.append(_embedded(item.name, home, file, item.context, item.slots, item.threads))
            continue
        key = str(item.key) if item.key else None
        if key:
            resolve(key)
        price = item.price
        plans.append(
            ModelPlan(
                name=item.name,
                backend="openai",
                url=str(item.url),
                key=key,
                upstream_model=item.upstream_model or item.name,
                input_price=price.input if price else None,
                output_price=price.output if price else None,
            )
        )
    return tuple(plans)


def _embedded(name: str, home: Path, file: Path, context: int, slots: int, threads: int | None) -> ModelPlan:
    if not file.is_file():
        raise InputError(f"model {name!r}: no such file {file}; expected a GGUF file")
    return ModelPlan(
        name=name,
        backend="embedded",
        url="http://engine/v1",
        path=str(file),
        socket=str(home / "run" / f"{name}.sock"),
        upstream_model=name,
        context=context,
        slots=slots,
        threads=threads or max(1, (os.cpu_count() or 2) - 1),
    )


def listed(url: str) -> list[str]:
    """The names of the models that an OpenAI-compatible server lists.

    :raises Unavailable: no connection, or no list
    """
    address = url.rstrip("/").removesuffix("/v1") + "/v1/models"
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            names = [str(item["id"]) for item in json.load(response)["data"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", error)
        raise Unavailable(
            f"{address}: no list of models ({reason}); is the server up and is the URL its base?"
        ) from error
    if not names:
        raise Unavailable(f"{address}: the server lists no model; load one there first")
    return names


def read_plan(file: Path) -> ServePlan:
    """:raises InputError: not readable"""
    try:
        return msgspec.json.decode(file.read_bytes(), type=ServePlan)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{file}: {error}; it is written by `steward up`") from error


class Serving:
    """One worker's gateway and what it holds open."""

    def __init__(self, plan: ServePlan, writer_id: str, guards: tuple[Guard, ...] = ()) -> None:
        self.plan = plan
        self.home = Path(plan.home)
        self._stamp = stamp(self.home)
        self._book: KeyBook = load_book(self.home)
        self._ledger = LedgerWriter(self.home / "ledger", writer_id)
        self._spool = LedgerWriter(self.home / SPOOL, f"{SPOOL}-{writer_id}")
        self._seal = sealer(self.home)
        self._engines = {model.name: engine_of(model, plan.timeouts) for model in plan.models}
        self._tasks: list[asyncio.Task[None]] = []
        self.models = {
            model.name: ModelEntry(
                model.name, self._engines[model.name], model.upstream_model, model.input_price, model.output_price
            )
            for model in plan.models
        }
        self.routes = table(plan.routes, [model.name for model in plan.models])
        pepper = (self.home / "pepper").read_bytes()
        limits = RequestLimits(self.home / "limits", plan.requests_per_minute)
        handlers: list[Wrapper] = [
            authenticate(lambda text: self._book.find(text), pepper),
            admit(limits, self.routes),
            settle(self._ledger, self.models),
            guard((*guards_of(plan), *guards)),
            route(self.routes),
        ]
        self.app = Gateway(
            infer=compose(handlers, call(self.models)),
            models=self._list,
            feedback=self._take_feedback,
            ready=self._ready,
            max_body_bytes=plan.max_body_bytes,
            on_start=self._start,
            on_stop=self._stop,
        )

    def _list(self, headers: Mapping[str, str]) -> bytes:
        key_of(lambda text: self._book.find(text), headers)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "steward"} for name in sorted(self.routes)]
        return msgspec.json.encode({"object": "list", "data": data})

    def _take_feedback(self, headers: Mapping[str, str], body: bytes) -> bytes:
        key = key_of(lambda text: self._book.find(text), headers)
        record, answer = take_feedback(body, key, f"fb_{secrets.token_hex(12)}", time.time(), self._seal)
        self._spool.append(record)
        return answer

    async def _ready(self) -> bool:
        """A request would be answered: every engine of our own is up, and at least one model answers.

        Somebody else's server that is down does not take the whole gateway out of a load balancer.
        """
        names = list(self._engines)
        alive = dict(zip(names, await asyncio.gather(*(self._engines[name].alive() for name in names)), strict=True))
        own = [model.name for model in self.plan.models if model.backend == "embedded"]
        return any(alive.values()) and all(alive[name] for name in own)

    async def _start(self) -> None:
        self._tasks = [
            asyncio.create_task(every(KEYS_POLL_S, self._reload_keys)),
            asyncio.create_task(every(FSYNC_S, self._sync)),
        ]

    async def _reload_keys(self) -> None:
        now = stamp(self.home)
        if now != self._stamp:
            self._book, self._stamp = load_book(self.home), now

    async def _sync(self) -> None:
        await asyncio.to_thread(self._sync_files)

    def _sync_files(self) -> None:
        for writer in (self._ledger, self._spool):
            writer.sync()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for engine in self._engines.values():
            await engine.close()
        for writer in (self._ledger, self._spool):
            writer.sync()
            writer.close()


def guards_of(plan: ServePlan) -> tuple[Guard, ...]:
    """The guards that the settings ask for. :raises InputError: a root key that others can read"""
    if plan.privacy is None:
        return ()
    return (guard_of(plan.privacy, derive(ensure_root_key(Path(plan.home)), "privacy tokens")),)


def engine_of(model: ModelPlan, timeouts: Timeouts) -> HttpEngine:
    return HttpEngine(model.url, resolve(model.key) if model.key else None, model.socket, timeouts)


def compose(wrappers: list[Wrapper], innermost: Handler) -> Handler:
    """The first wrapper is the outermost."""
    handler = innermost
    for wrapper in reversed(wrappers):
        handler = wrapper(handler)
    return handler


async def every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    """Call `act` every so often until cancelled; a failure that steward names does not end it."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await act()
        except (StewardError, OSError):  # a key file in mid-change, a full disk: the next round tries again
            continue
