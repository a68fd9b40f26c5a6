"""LoRA adapters of releases: on every replica before anybody is drawn for them, and gone when nobody is.

A server forgets at a restart what it was told to load, and no replica tells another. So the keeper looks at each of
them, loads what a release in effect needs, and unloads what an ended one has left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from steward.adapters.engines.lora import LoraServer
from steward.core.errors import InputError, StewardError, Unavailable
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.core.secret import resolve, resolve_value
from steward.core.stores import ReleaseStore
from steward.workflows.serve.plan import ModelPlan, ServePlan

log = logging.getLogger(__name__)

FORGET_S: Final = 86400.0  # after which an ended release's adapter is nobody's concern any more
_MOST: Final = 200  # releases that are looked at


class AdapterServer(Protocol):
    """What `adapters.engines.lora.LoraServer` does."""

    url: str

    def list_served(self) -> dict[str, str]: ...

    def load_adapter(self, name: str, path: str) -> None: ...

    def unload_adapter(self, name: str) -> None: ...


OpenServer = Callable[[ModelPlan], AdapterServer]


class WantedAdapter(NamedTuple):
    """An adapter that one server must have."""

    model: str  # whose server it is
    name: str
    path: str


def open_server(model: ModelPlan) -> LoraServer:
    """:raises InputError: its key or a header names a secret that is not there"""
    return LoraServer(
        model.url,
        None if model.key is None else resolve(model.key),
        {name: resolve_value(value) for name, value in model.headers.items()},
        None if model.tls is None else model.tls.ca,
    )


def list_adapters(variants: Iterable[RouteVariant]) -> list[WantedAdapter]:
    """What the variants need, each once, in their order. Without a path there is nothing to load from."""
    wanted = [
        WantedAdapter(model, variant.served, variant.path)
        for variant in variants
        if variant.kind == "version" and variant.artefact == "adapter" and variant.path
        for model in variant.list_served().values()
    ]
    return list(dict.fromkeys(wanted))


def load_everywhere(
    variant: RouteVariant, models: Mapping[str, ModelPlan], connect: OpenServer = open_server
) -> list[WantedAdapter]:
    """Load a candidate's adapter on every replica; what was loaded is unloaded again where one of them fails.

    Returns what was loaded, and not there before. :raises InputError: a replica does not have it then, and why
    """
    loaded: list[WantedAdapter] = []
    for wanted in list_adapters([variant]):
        try:
            if place_adapter(connect(models[wanted.model]), wanted):
                loaded.append(wanted)
        except StewardError as error:
            left = unload_all(loaded, models, connect)
            note = f"; it could not be unloaded from {', '.join(left)} again" if left else ""
            raise InputError(f"the adapter is not on the server of {wanted.model}: {error}{note}") from error
    return loaded


def place_adapter(server: AdapterServer, wanted: WantedAdapter) -> bool:
    """Whether it had to be loaded. :raises Unavailable: the server does not have it :raises InputError: another one"""
    before = server.list_served()
    if wanted.name in before:
        if before[wanted.name] not in ("", wanted.path):
            raise InputError(
                f"{server.url} has {wanted.name} from {before[wanted.name]} already, not from {wanted.path}; "
                "unload it there first"
            )
        return False
    server.load_adapter(wanted.name, wanted.path)
    if wanted.name not in server.list_served():
        raise Unavailable(f"{server.url} said that it loaded {wanted.name}, and does not list it in /v1/models")
    return True


def unload_all(
    adapters: Iterable[WantedAdapter], models: Mapping[str, ModelPlan], connect: OpenServer = open_server
) -> list[str]:
    """The models from whose servers an adapter could not be unloaded."""
    left = []
    for one in adapters:
        try:
            connect(models[one.model]).unload_adapter(one.name)
        except StewardError as error:
            log.warning("%s was not unloaded: %s", one.name, error)
            left.append(one.model)
    return left


def unload_unneeded(
    loaded: Iterable[WantedAdapter],
    models: Mapping[str, ModelPlan],
    releases: ReleaseStore,
    connect: OpenServer = open_server,
) -> list[str]:
    """Take back what a release that did not begin has loaded, but for what another one in effect needs by now.

    Returns as `unload_all`. :raises Unavailable: the store does not answer; nothing is unloaded then
    """
    needed = list_needed(releases.list_in_effect())
    return unload_all([one for one in loaded if one not in needed], models, connect)


def list_needed(in_effect: Iterable[ReleaseRecord]) -> list[WantedAdapter]:
    """The adapters of both arms of each release."""
    return list_adapters(variant for one in in_effect for variant in (one.champion, one.candidate))


def choose_changes(
    in_effect: Iterable[ReleaseRecord], ended: Iterable[ReleaseRecord], now: float, drain_s: float
) -> tuple[list[WantedAdapter], list[WantedAdapter]]:
    """Adapters that must be there, and those that must not: of releases that ended `drain_s` ago, and are not needed.

    Pure. What a release has just stopped serving may still answer requests that began before.
    """
    needed = list_needed(in_effect)
    over = [
        variant
        for one in ended
        if not one.is_open and one.ended_at is not None and drain_s <= now - one.ended_at < FORGET_S
        for variant in (one.champion, one.candidate)
    ]
    kept = {(one.model, one.name) for one in needed}
    draining = list_adapters(
        variant
        for one in ended
        if one.ended_at is not None and now - one.ended_at < drain_s
        for variant in (one.champion, one.candidate)
    )
    kept |= {(one.model, one.name) for one in draining}
    return needed, [one for one in list_adapters(over) if (one.model, one.name) not in kept]


class AdapterKeeper:
    """The job of one keeper: adapters are where releases need them, also after a server's restart."""

    def __init__(
        self,
        releases: ReleaseStore,
        read: Callable[[], ServePlan | None],
        connect: OpenServer = open_server,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._releases, self._read, self._connect, self._clock = releases, read, connect, clock
        self._told: dict[WantedAdapter, str] = {}  # what was complained of, so that it is said once

    def run(self) -> None:
        """:raises Unavailable: the store does not answer; nothing is loaded or unloaded then"""
        plan = self._read()
        if plan is None:
            return
        records = self._releases.list_releases(_MOST, tenant=None)
        needed, over = choose_changes(self._releases.list_in_effect(), records, self._clock(), plan.drain_s)
        models = {model.name: model for model in plan.models}
        for wanted in needed:
            self._try(wanted, models, place_adapter)
        for gone in over:
            self._try(gone, models, _remove_adapter)

    def _try(
        self,
        adapter: WantedAdapter,
        models: Mapping[str, ModelPlan],
        act: Callable[[AdapterServer, WantedAdapter], bool],
    ) -> None:
        """One server's trouble keeps no other from its adapters."""
        if adapter.model not in models:
            return
        try:
            if act(self._connect(models[adapter.model]), adapter):
                verb = "loaded on" if act is place_adapter else "unloaded from"
                log.warning("adapter %s: %s the server of %s", adapter.name, verb, adapter.model)
            self._told.pop(adapter, None)
        except StewardError as error:
            if self._told.get(adapter) != str(error):
                log.error("adapter %s on the server of %s: %s", adapter.name, adapter.model, error)
                self._told[adapter] = str(error)


def _remove_adapter(server: AdapterServer, adapter: WantedAdapter) -> bool:
    """Whether it was there, from this folder. :raises Unavailable: the server does not answer, or keeps it"""
    served = server.list_served()
    if adapter.name not in served or served[adapter.name] not in ("", adapter.path):
        return False
    server.unload_adapter(adapter.name)
    return True
