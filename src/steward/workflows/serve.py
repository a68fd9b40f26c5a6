"""Serving, composed: from settings to a plan that every process reads, and from the plan to a gateway.

The plan is what `steward up` decided, written to `home/run/plan.json`; it holds references to secrets,
never secrets.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from steward.adapters.engines.http import HttpEngine, Timeouts
from steward.adapters.limits.local import LocalLimiter
from steward.core.errors import InputError, Refused, StewardError, Unavailable, UnknownName
from steward.core.extend import Guard, Limiter
from steward.core.records import LimitSpec
from steward.core.secret import Secret, resolve
from steward.gateway.admission import Depth, Line, LinePlan, depths, summed
from steward.gateway.app import Gateway
from steward.gateway.config import LimitConfig, RouteConfig
from steward.gateway.exchange import OPENAI_ENDPOINTS, Answer, Exchange, Handler, ModelEntry, Wrapper
from steward.gateway.feedback import take as take_feedback
from steward.gateway.handlers import (
    Shadows,
    admit,
    apply_prompt,
    authenticate,
    call,
    choose_prompt,
    guard,
    key_of,
    queue,
    route,
    settle,
)
from steward.gateway.health import HealthBook, HealthPlan
from steward.gateway.ledger import LedgerWriter
from steward.gateway.limits import LimitTable, OutputLengths
from steward.gateway.prompts import Prompt
from steward.gateway.routing import Route, Shadow, Target, table
from steward.gateway.tally import Turnstile
from steward.privacy.guard import Policy, guard_of
from steward.security.keys import KeyBook
from steward.security.rootkey import derive, ensure_root_key
from steward.settings import Settings
from steward.starter import path as starter_path
from steward.workflows.files import stamp_of, write_private
from steward.workflows.keys import ensure_pepper, load_book, stamp
from steward.workflows.prompts import prompts_of
from steward.workflows.sealing import SPOOL, sealer

log = logging.getLogger(__name__)

ANTHROPIC_URL = "https://api.anthropic.com"
KEYS_POLL_S = 0.25
PLAN_POLL_S = 0.1
FSYNC_S = 0.05
SETTLE_S = 1.0  # for exchanges that were cut off to write their settlements
TALLY_S = 1.0
SHADOWS = 8  # copies under way in one worker


class ModelPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One model to serve."""

    name: str
    backend: str
    url: str
    path: str | None = None
    socket: str | None = None
    upstream_model: str
    speaks: tuple[str, ...] = ()
    key: str | None = None  # a reference
    key_mark: str | None = None  # changes when the secret behind the reference does
    input_price: float | None = None
    output_price: float | None = None
    context: int = 2048
    slots: int = 8
    threads: int = 1
    embeddings: str | None = None  # how an embedded model pools; None: it answers no /v1/embeddings


class ServePlan(msgspec.Struct, frozen=True, kw_only=True):
    """All that the processes must know."""

    home: str
    version: str  # of the software
    config_version: int = 0  # of the configuration; exchanges record it as route_version
    host: str
    port: int
    console_host: str
    console_port: int
    workers: int
    max_body_bytes: int
    drain_s: float
    receive_s: float = 20.0
    send_s: float = 60.0
    timeouts: Timeouts
    line: LinePlan = LinePlan()
    health: HealthPlan = HealthPlan()
    models: tuple[ModelPlan, ...]
    routes: tuple[Route, ...]
    prompts: dict[str, Prompt] = {}  # by route
    limits: LimitTable = LimitTable()
    valkey: str | None = None  # a reference
    privacy: Policy | None = None  # none: no guard, and bytes pass through
    store: str | None = None  # a reference to a PostgreSQL URL; None: SQLite in the home

    def file(self) -> Path:
        return Path(self.home) / "run" / "plan.json"


def make_plan(
    settings: Settings,
    home: Path,
    version: str,
    model: str | None = None,
    prompts_in_use: Mapping[str, str] | None = None,
) -> ServePlan:
    """What to start. `model` replaces the configured models: a GGUF file, or the URL of an OpenAI-compatible server.

    `prompts_in_use` replaces what `steward prompts use` chose: name to version.
    :raises InputError: a model file that is missing, a secret or a prompt that cannot be resolved
    :raises Unavailable: the URL's list of models cannot be read
    """
    models = _models(settings, home, model)
    gateway = settings.gateway
    timeouts = Timeouts(
        gateway.connect_timeout_s, gateway.first_byte_timeout_s, gateway.idle_timeout_s, gateway.total_timeout_s
    )
    routes = () if model else tuple(_route(item) for item in settings.routes)
    names = [*(item.name for item in models), *(item.name for item in routes)]
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
        receive_s=gateway.receive_timeout_s,
        send_s=gateway.send_timeout_s,
        timeouts=timeouts,
        line=LinePlan(gateway.concurrency, gateway.queue, gateway.queue_wait_s),
        health=HealthPlan(**gateway.health.model_dump()),
        models=models,
        routes=routes,
        prompts={} if model else prompts_of(settings, home, prompts_in_use),
        limits=_limits(settings, names),
        valkey=str(settings.limits.valkey) if settings.limits.valkey else None,
        privacy=settings.privacy.policy(),
        store=_store(settings),
    )


def _limits(settings: Settings, names: list[str]) -> LimitTable:
    """:raises UnknownName: limits of a model or route that does not exist"""
    section = settings.limits
    for name in section.models:
        if name not in names:
            raise UnknownName("model or route (in limits.models)", name, names)

    def spec(item: LimitConfig) -> LimitSpec:
        return LimitSpec(**item.model_dump())

    return LimitTable(
        default=spec(section.default),
        teams={name: spec(item) for name, item in section.teams.items()},
        models={name: spec(item) for name, item in section.models.items()},
    )


def limiter_of(plan: ServePlan) -> Limiter:
    """Counts shared by the workers of this machine, or through a Valkey server by those of all machines.

    :raises InputError: the extra `valkey` is not installed, or its secret cannot be resolved
    """
    if plan.valkey is None:
        return LocalLimiter(Path(plan.home) / "limits")
    try:
        from steward.adapters.limits.valkey import ValkeyLimiter
    except ImportError as error:
        raise InputError("limits.valkey needs the extra `valkey`: pip install 'llm-steward[valkey]'") from error
    return ValkeyLimiter(resolve(plan.valkey).reveal())


def _route(item: RouteConfig) -> Route:
    return Route(
        name=item.name,
        targets=tuple(Target(target.model, target.weight) for target in item.targets),
        fallback=tuple(item.fallback),
        choice=item.choice,
        sticky=item.sticky,
        retries=item.retries,
        shadow=Shadow(item.shadow.model, item.shadow.sample) if item.shadow else None,
        concurrency=item.concurrency,
        queue=item.queue,
    )


def _store(settings: Settings) -> str | None:
    """:raises InputError: the secret cannot be resolved"""
    if settings.store.kind != "postgresql" or not settings.store.url:
        return None
    resolve(str(settings.store.url))
    return str(settings.store.url)


def store_url(plan: ServePlan) -> str:
    """Where the store is; it may hold a password, so it is never written down."""
    return resolve(plan.store).reveal() if plan.store else f"sqlite:///{Path(plan.home) / 'steward.db'}"


def _models(settings: Settings, home: Path, override: str | None) -> tuple[ModelPlan, ...]:
    if override and override.startswith(("http://", "https://")):
        return tuple(ModelPlan(name=n, backend="openai", url=override, upstream_model=n) for n in listed(override))
    if override:
        return (_embedded(Path(override).stem, home, Path(override).absolute(), 2048, 8, None),)
    plans = []
    for item in settings.effective_models():
        if item.backend == "embedded":
            file = Path(item.path).absolute() if item.path else starter_path()
            plans.append(_embedded(item.name, home, file, item.context, item.slots, item.threads, item.embeddings))
            continue
        key = str(item.key) if item.key else None
        price = item.price
        plans.append(
            ModelPlan(
                name=item.name,
                backend=item.backend,
                url=str(item.url or ANTHROPIC_URL),
                speaks=tuple(item.speaks),
                key=key,
                key_mark=_mark(home, resolve(key)) if key else None,
                upstream_model=item.upstream_model or item.name,
                input_price=price.input if price else None,
                output_price=price.output if price else None,
            )
        )
    return tuple(plans)


def _embedded(
    name: str, home: Path, file: Path, context: int, slots: int, threads: int | None, embeddings: str | None = None
) -> ModelPlan:
    if not file.is_file():
        raise InputError(f"model {name!r}: no such file {file}; expected a GGUF file")
    threads = threads or max(1, (os.cpu_count() or 2) - 1)
    return ModelPlan(
        name=name,
        backend="embedded",
        url="http://engine/v1",
        path=str(file),
        socket=str(home / "run" / f"engine-{_shape(name, file, context, slots, threads)}.sock"),
        upstream_model=name,
        context=context,
        slots=slots,
        threads=threads,
        embeddings=embeddings,
    )


def _shape(*parts: object) -> str:
    """Names an engine's socket: another file, or another content of it, is another engine beside the old one."""
    files = [part.stat() for part in parts if isinstance(part, Path)]
    stamps = [(found.st_mtime_ns, found.st_size) for found in files]
    return hashlib.sha256(repr([*map(str, parts), stamps]).encode()).hexdigest()[:10]


def _mark(home: Path, secret: Secret) -> str:
    """A keyed digest: tells a rotated secret from the old one, and nothing else."""
    return hmac.new(ensure_pepper(home), secret.reveal().encode(), hashlib.sha256).hexdigest()[:16]


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


class Generation:
    """All that one version of the configuration serves with. Never changed after it is made, but for `open`.

    An exchange takes the newest generation at its start and keeps it to its end.
    """

    def __init__(
        self,
        plan: ServePlan,
        engines: Mapping[str, HttpEngine],
        routes: Mapping[str, Route],
        health: HealthBook,
        shadows: Shadows,
        infer: Handler,
        lines: Mapping[str, Line],
    ) -> None:
        self.lines = lines  # of the routes that were asked for
        self.plan, self.engines, self.routes = plan, engines, routes
        self.health, self.shadows, self.infer = health, shadows, infer
        self.version = plan.config_version
        self.open = 0  # exchanges that have not ended

    def leave(self) -> None:
        self.open -= 1


class Acknowledged(msgspec.Struct, frozen=True):
    """What a worker says of itself in `home/run/worker-PID.json`."""

    version: int  # of the configuration that new exchanges get
    held: tuple[int, ...]  # the versions that open exchanges may have, this one included
    error: str | None = None  # why the plan that lies there is not served

    @staticmethod
    def file(run: Path, pid: int) -> Path:
        return run / f"worker-{pid}.json"


def lines_file(run: Path, pid: int) -> Path:
    """Where a worker says, every second, how full its lines are: `Depth` by route."""
    return run / f"worker-{pid}-lines.json"


def line_depths(plan: ServePlan, pids: Iterable[int]) -> dict[str, Depth]:
    """How full the lines of all routes are, over the workers with these process ids; they lag by a second."""
    said: list[Mapping[str, Depth]] = []
    for pid in pids:
        try:
            text = lines_file(Path(plan.home) / "run", pid).read_bytes()
            said.append(msgspec.json.decode(text, type=dict[str, Depth]))
        except (OSError, msgspec.MsgspecError):  # it has had no request yet
            continue
    found = summed(said)
    served = table(plan.routes, [model.name for model in plan.models])
    return {route: found.get(route, Depth()) for route in served}


class Serving:
    """One worker's gateway and what it holds open: keys and ledger for its life, the rest by generation."""

    def __init__(self, plan: ServePlan, writer_id: str, guards: tuple[Guard, ...] = ()) -> None:
        self.home = Path(plan.home)
        self._guards = guards
        self._stamp = stamp(self.home)
        self._plan_file, self._plan_stamp = plan.file(), (0, 0, 0)
        self._book: KeyBook = load_book(self.home)
        self._pepper = (self.home / "pepper").read_bytes()
        self._ledger = LedgerWriter(self.home / "ledger", writer_id)
        self._spool = LedgerWriter(self.home / SPOOL, f"{SPOOL}-{writer_id}")
        self._seal = sealer(self.home)
        self._turnstile = Turnstile()
        self._limiter = limiter_of(plan)
        self._lengths: dict[str, OutputLengths] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._now = self._generation(plan)
        self._retired: list[Generation] = []
        self._said: Acknowledged | None = None
        self._depths: dict[str, Depth] = {}
        self._lines_file = lines_file(self.home / "run", os.getpid())
        self.app = Gateway(
            infer=self._infer,
            known=lambda headers: key_of(lambda text: self._book.find(text), headers),
            models=self._list,
            feedback=self._take_feedback,
            ready=self._ready,
            max_body_bytes=plan.max_body_bytes,
            turnstile=self._turnstile,
            on_start=self._start,
            on_stop=self._stop,
        )

    def _generation(self, plan: ServePlan, before: Generation | None = None) -> Generation:
        """The handlers of one plan. Engines whose connection did not change are kept, with their open connections.

        :raises InputError: a secret that cannot be resolved
        """
        engines = {model.name: kept(model, plan, before) or engine_of(model, plan.timeouts) for model in plan.models}
        models = {
            model.name: ModelEntry(
                model.name,
                engines[model.name],
                model.upstream_model,
                model.input_price,
                model.output_price,
                endpoints_of(model),
            )
            for model in plan.models
        }
        routes = table(plan.routes, [model.name for model in plan.models])
        health = HealthBook(plan.health, models, before.health if before is not None else None)
        shadows = Shadows(settle(self._ledger, models)(call(models)), SHADOWS)
        lines: dict[str, Line] = {}
        handlers: list[Wrapper] = [
            authenticate(lambda text: self._book.find(text), self._pepper),
            choose_prompt(plan.prompts),
            admit(self._limiter, plan.limits, routes, models, self._lengths),
            queue(routes, plan.line, plan.workers, lines),
            settle(self._ledger, models),
            guard((*guards_of(plan), *self._guards)),
            *([apply_prompt()] if plan.prompts else []),
            route(routes, health, plan.timeouts.total_s, shadows),
        ]
        return Generation(plan, engines, routes, health, shadows, compose(handlers, call(models)), lines)

    async def _infer(self, exchange: Exchange) -> Answer:
        now = self._now
        now.open += 1
        exchange.at_end.append(now.leave)
        exchange.route_version = now.version
        return await now.infer(exchange)

    def swap(self, plan: ServePlan) -> None:
        """Serve `plan` to every exchange that starts from now on.

        :raises InputError: a secret that cannot be resolved; the old plan still serves
        """
        fresh = self._generation(plan, self._now)
        self._retired.append(self._now)
        self._now = fresh
        self.app.max_body_bytes = plan.max_body_bytes

    def _list(self, headers: Mapping[str, str]) -> bytes:
        key_of(lambda text: self._book.find(text), headers)
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "steward"} for name in sorted(self._now.routes)
        ]
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
        now = self._now
        names = list(now.engines)
        alive = dict(zip(names, await asyncio.gather(*(now.engines[name].alive() for name in names)), strict=True))
        own = [model.name for model in now.plan.models if model.backend == "embedded"]
        return any(alive.values()) and all(alive[name] for name in own)

    async def _start(self) -> None:
        self._acknowledge()
        self._tasks = [
            asyncio.create_task(every(KEYS_POLL_S, self._reload_keys)),
            asyncio.create_task(every(PLAN_POLL_S, self._follow_plan)),
            asyncio.create_task(every(FSYNC_S, self._sync)),
            asyncio.create_task(every(TALLY_S, self._tally)),
            asyncio.create_task(every(TALLY_S, self._tell_lines)),
        ]

    async def _reload_keys(self) -> None:
        now = stamp(self.home)
        if now != self._stamp:
            self._book, self._stamp = load_book(self.home), now

    async def _follow_plan(self) -> None:
        """Serve the plan that the supervisor put there, close what nobody uses any more, and say so."""
        problem = self._said.error if self._said else None
        stamped = stamp_of(self._plan_file)
        if stamped != self._plan_stamp:
            self._plan_stamp = stamped
            problem = self._take(read_plan(self._plan_file))
        self._acknowledge(problem)
        await self._close_unused()

    def _take(self, plan: ServePlan) -> str | None:
        """Swap to `plan` if it is another; why not, where that fails."""
        if plan.config_version == self._now.version:
            return None
        try:
            self.swap(plan)
        except (StewardError, OSError) as error:
            log.error("configuration %d is not served: %s", plan.config_version, error)
            return str(error)
        return None

    def _acknowledge(self, error: str | None = None) -> None:
        held = {self._now.version, *(item.version for item in self._retired if item.open)}
        say = Acknowledged(self._now.version, tuple(sorted(held)), error)
        if say != self._said:
            write_private(Acknowledged.file(self.home / "run", os.getpid()), msgspec.json.encode(say))
            self._said = say

    async def _close_unused(self) -> None:
        ended = [item for item in self._retired if not item.open]
        self._retired = [item for item in self._retired if item.open]
        used = {id(engine) for item in (self._now, *self._retired) for engine in item.engines.values()}
        for generation in ended:
            await generation.shadows.close()
            for engine in generation.engines.values():
                if id(engine) not in used:
                    await engine.close()

    def turned_away(self, error: Refused) -> None:
        """Count a request that was refused before it reached the gateway."""
        self._turnstile.turned_away(error, "")

    async def _tell_lines(self) -> None:
        found = depths(item.lines for item in (self._now, *self._retired))
        if found != self._depths:
            write_private(self._lines_file, msgspec.json.encode(found))
            self._depths = found

    async def _tally(self) -> None:
        if (tally := self._turnstile.take(time.time())) is not None:
            self._ledger.append(tally)

    async def _sync(self) -> None:
        self._ledger.pay()
        await asyncio.to_thread(self._sync_files)

    def _sync_files(self) -> None:
        for writer in (self._ledger, self._spool):
            writer.sync()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._settled()
        for generation in (self._now, *self._retired):
            await generation.shadows.close()
            for engine in generation.engines.values():
                await engine.close()
        await self._limiter.close()
        self._lines_file.unlink(missing_ok=True)
        await self._tally()
        for writer in (self._ledger, self._spool):
            writer.sync()
            writer.close()

    async def _settled(self) -> None:
        """Wait for the exchanges that the drain limit has cut off: each still writes its settlement."""
        limit = time.monotonic() + SETTLE_S
        while any(item.open for item in (self._now, *self._retired)) and time.monotonic() < limit:
            await asyncio.sleep(0.01)


def guards_of(plan: ServePlan) -> tuple[Guard, ...]:
    """The guards that the settings ask for. :raises InputError: a root key that others can read"""
    if plan.privacy is None:
        return ()
    return (guard_of(plan.privacy, derive(ensure_root_key(Path(plan.home)), "privacy tokens")),)


def kept(model: ModelPlan, plan: ServePlan, before: Generation | None) -> HttpEngine | None:
    """The engine of the earlier generation, where it leads to the same server with the same secret."""
    if before is None or before.plan.timeouts != plan.timeouts:
        return None
    same = (model.backend, model.url, model.socket, model.key, model.key_mark)
    for old in before.plan.models:
        if old.name == model.name and (old.backend, old.url, old.socket, old.key, old.key_mark) == same:
            return before.engines[old.name]
    return None


def engine_of(model: ModelPlan, timeouts: Timeouts) -> HttpEngine:
    key = resolve(model.key) if model.key else None
    return HttpEngine(model.url, key, model.socket, timeouts, anthropic=model.backend == "anthropic")


async def alive_of(plan: ServePlan) -> dict[str, bool]:
    """Which models' engines answer now, asked afresh; an engine that cannot even be made does not."""

    async def ask(model: ModelPlan) -> bool:
        try:
            engine = engine_of(model, Timeouts(connect_s=2.0))
        except InputError:  # its key is gone
            return False
        try:
            return await engine.alive()
        finally:
            await engine.close()

    return dict(zip((model.name for model in plan.models), await asyncio.gather(*map(ask, plan.models)), strict=True))


def endpoints_of(model: ModelPlan) -> frozenset[str]:
    """What its engine answers itself; the gateway translates the rest, or refuses it."""
    if model.backend == "anthropic":
        return frozenset({"/v1/messages"})
    if model.backend == "embedded" and model.embeddings is None:
        return OPENAI_ENDPOINTS - {"/v1/embeddings"}
    return OPENAI_ENDPOINTS | {f"/v1/{name}" for name in model.speaks}


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
