"""Adapters on every replica: loaded everywhere or nowhere, again after a restart, and gone when nobody needs them."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from lora_servers import LoraStandIn
from steward.core.errors import InputError, Unavailable
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.workflows.release_adapters import (
    AdapterKeeper,
    WantedAdapter,
    choose_changes,
    list_adapters,
    load_everywhere,
    unload_unneeded,
)
from steward.workflows.serve.plan import ModelPlan

BOT = RouteVariant(
    kind="version", name="bot", version="sha256:3f", served="bot@3f", path="/adapters/3f", base="gpu-1",
    artefact="adapter", replicas=("gpu-2", "gpu-3"),
)  # fmt: skip
EVERYWHERE = [WantedAdapter(model, "bot@3f", "/adapters/3f") for model in ("gpu-1", "gpu-2", "gpu-3")]
RECORD = ReleaseRecord(
    id="rel", route="r", candidate=BOT, state="canary", weight=0.25, started_at=1.0, started_by="me", step_at=1.0,
    route_digest="d",
)  # fmt: skip


class Replicas:
    """Three servers of one model."""

    def __init__(self) -> None:
        self.servers = {f"gpu-{number}": LoraStandIn("llama") for number in (1, 2, 3)}
        self.models = {
            name: ModelPlan(name=name, backend="openai", url=server.url, upstream_model="llama")
            for name, server in self.servers.items()
        }

    def list_loaded(self) -> dict[str, list[str]]:
        return {name: sorted(server.adapters) for name, server in self.servers.items()}


@pytest.fixture
def replicas() -> Iterator[Replicas]:
    three = Replicas()
    yield three
    for server in three.servers.values():
        server.close()


def test_every_replica_gets_the_adapter_once(replicas: Replicas) -> None:
    assert load_everywhere(BOT, replicas.models) == EVERYWHERE
    assert replicas.list_loaded() == {"gpu-1": ["bot@3f"], "gpu-2": ["bot@3f"], "gpu-3": ["bot@3f"]}
    assert load_everywhere(BOT, replicas.models) == []  # it is there
    assert [server.list_acts() for server in replicas.servers.values()] == [["load bot@3f"]] * 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("refuses", "gpu-3: .*no room for another adapter"),
        ("forgets", "gpu-3: .*does not list it in /v1/models"),
        ("fixed", "gpu-3: .*VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
    ],
)
def test_where_one_replica_fails_none_keeps_the_adapter(replicas: Replicas, fault: str, said: str) -> None:
    replicas.servers["gpu-2"].adapters["bot@3f"] = "/adapters/3f"  # somebody loaded it there by hand: it stays
    replicas.servers["gpu-3"].fault = fault
    with pytest.raises(InputError, match=said):
        load_everywhere(BOT, replicas.models)
    assert replicas.list_loaded() == {"gpu-1": [], "gpu-2": ["bot@3f"], "gpu-3": []}


def test_what_could_not_be_unloaded_again_is_named(replicas: Replicas) -> None:
    replicas.servers["gpu-1"].fault, replicas.servers["gpu-2"].fault = "keeps", "refuses"
    with pytest.raises(InputError, match="it could not be unloaded from gpu-1 again"):
        load_everywhere(BOT, replicas.models)


def test_a_server_that_is_gone_ends_it_all(replicas: Replicas) -> None:
    away = msgspec.structs.replace(replicas.models["gpu-2"], url="http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"not on the server of gpu-2: http://127\.0\.0\.1:9"):
        load_everywhere(BOT, {**replicas.models, "gpu-2": away})
    assert replicas.list_loaded() == {"gpu-1": [], "gpu-2": [], "gpu-3": []}


def test_another_adapter_of_the_same_name_is_not_taken_for_it(replicas: Replicas) -> None:
    replicas.servers["gpu-1"].adapters["bot@3f"] = "/elsewhere"
    with pytest.raises(InputError, match="has bot@3f from /elsewhere already, not from /adapters/3f"):
        load_everywhere(BOT, replicas.models)


def test_only_adapters_with_a_folder_are_loaded() -> None:
    assert list_adapters([BOT, BOT]) == EVERYWHERE
    others: list[dict[str, Any]] = [{"artefact": "gguf"}, {"path": ""}, {"kind": "model"}]
    assert [list_adapters([msgspec.structs.replace(BOT, **fields)]) for fields in others] == [[], [], []]


@pytest.mark.parametrize(
    ("ended_at", "over"), [(70.1, []), (70.0, EVERYWHERE), (0.0, EVERYWHERE), (100.0 - 86400.0, [])]
)
def test_an_adapter_goes_when_its_last_answers_have_ended(ended_at: float, over: list[WantedAdapter]) -> None:
    ended = msgspec.structs.replace(RECORD, state="rolled back", ended_at=ended_at)
    assert choose_changes([], [ended], 100.0, 30.0) == ([], over)


def test_an_adapter_stays_while_anything_serves_it() -> None:
    ended = msgspec.structs.replace(RECORD, state="superseded", ended_at=0.0)
    champion = msgspec.structs.replace(RECORD, id="next", champion=BOT, candidate=RouteVariant(kind="model", name="x"))
    assert choose_changes([champion], [champion, ended], 100.0, 30.0) == (EVERYWHERE, [])
    promoted = msgspec.structs.replace(RECORD, state="promoted", ended_at=0.0)
    assert choose_changes([promoted], [promoted], 100.0, 30.0) == (EVERYWHERE, [])
    again = msgspec.structs.replace(RECORD, id="again", state="rolled back", ended_at=90.0)
    assert choose_changes([], [again, ended], 100.0, 30.0) == ([], [])  # answers of the second one still run


class Store:
    """Releases as a keeper reads them."""

    def __init__(self) -> None:
        self.in_effect: list[ReleaseRecord] = [RECORD]
        self.ended: list[ReleaseRecord] = []
        self.is_away = False

    def list_in_effect(self) -> list[ReleaseRecord]:
        if self.is_away:
            raise Unavailable("the store is away")
        return self.in_effect

    def list_releases(self, limit: int, *, tenant: str | None) -> list[ReleaseRecord]:
        return [*self.list_in_effect(), *self.ended]


def test_the_keeper_loads_again_what_a_restart_lost_and_unloads_what_ended(replicas: Replicas) -> None:
    store: Any = Store()
    plan: Any = SimpleNamespace(models=tuple(replicas.models.values()), drain_s=30.0)
    keeper = AdapterKeeper(store, lambda: plan, clock=lambda: 100.0)
    keeper.run()
    replicas.servers["gpu-2"].adapters.clear()  # it was restarted
    replicas.servers["gpu-1"].fault = "refuses"  # another's trouble
    replicas.servers["gpu-1"].adapters.clear()
    keeper.run()
    assert replicas.list_loaded() == {"gpu-1": [], "gpu-2": ["bot@3f"], "gpu-3": ["bot@3f"]}
    store.is_away = True
    with pytest.raises(Unavailable):
        keeper.run()
    assert replicas.list_loaded()["gpu-2"] == ["bot@3f"]
    store.is_away, store.in_effect = False, []
    store.ended = [msgspec.structs.replace(RECORD, state="rolled back", ended_at=1.0)]
    replicas.servers["gpu-3"].adapters["bot@3f"] = "/by/hand"  # not what the release loaded
    keeper.run()
    assert replicas.list_loaded() == {"gpu-1": [], "gpu-2": [], "gpu-3": ["bot@3f"]}


def test_who_loses_a_race_leaves_the_adapter_that_the_winner_serves(replicas: Replicas) -> None:
    store: Any = Store()
    loaded = load_everywhere(BOT, replicas.models)  # by the loser; the winner found it there
    narrow = msgspec.structs.replace(BOT, replicas=("gpu-2",))
    store.in_effect = [msgspec.structs.replace(RECORD, id="winner", route="another", candidate=narrow)]
    assert unload_unneeded(loaded, replicas.models, store) == []
    assert replicas.list_loaded() == {"gpu-1": ["bot@3f"], "gpu-2": ["bot@3f"], "gpu-3": []}
    store.is_away = True
    with pytest.raises(Unavailable):
        unload_unneeded(loaded, replicas.models, store)
    store.is_away, store.in_effect = False, []
    assert unload_unneeded(loaded, replicas.models, store) == ["gpu-3"]  # it is gone from there already
    assert replicas.list_loaded() == {"gpu-1": [], "gpu-2": [], "gpu-3": []}


def test_a_server_that_stays_gone_is_complained_of_once(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(why: str) -> Any:
        def act(server: Any, adapter: WantedAdapter) -> bool:
            raise Unavailable(why)

        return act

    keeper = AdapterKeeper(cast(Any, None), lambda: None, cast(Any, lambda _: None))
    adapter, models = WantedAdapter("m", "a", "/a"), cast(Any, {"m": None})
    for why in ("no answer", "no answer", "it answers 500"):
        keeper._try(adapter, models, refuse(why))
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["no answer", "it answers 500"]
