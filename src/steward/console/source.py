"""What pages read from: the home, its store and the plan that serves; and whose rows somebody may see."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request

from steward.adapters.stores.sql import SqlStore
from steward.console.cached_keys import CachedKeys
from steward.console.reader import Reader
from steward.console.shared_answers import FRESH_S, SharedAnswers
from steward.console.shell import find_address
from steward.console.time_range import DEFAULT_RANGE, RANGES, TimeRange, parse_range
from steward.core.errors import StewardError
from steward.core.gpus import GpuStatus
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.core.records import Snapshot
from steward.core.series import SeriesFilter
from steward.monitoring.slo import SloStatus
from steward.monitoring.traffic import Dimension, Traffic
from steward.workflows.serve.plan import ServePlan
from steward.workflows.slo import judge_objectives
from steward.workflows.traffic import TrafficReader

T = TypeVar("T")
OBJECTIVES_FRESH_S: Final = 10.0


class SharedObjectives:
    """How the objectives stand, for all pages: judged anew every few seconds at most."""

    def __init__(self) -> None:
        self._known: dict[str | None, tuple[float, list[SloStatus]]] = {}
        self._judging = threading.Lock()

    def read(self, source: ConsoleSource, scope: str | None) -> list[SloStatus]:
        """It blocks. :raises Unavailable: the store does not answer"""
        with self._judging:
            now = source.clock()
            at, known = self._known.get(scope, (0.0, []))
            if not 0.0 <= now - at < OBJECTIVES_FRESH_S:
                known = judge_objectives(source.store, source.plan().monitoring.slos, now, tenant=scope)
                self._known[scope] = (now, known)
            return known


class ConsoleSource(msgspec.Struct, frozen=True, kw_only=True):
    """`plan` and `snapshot` block, as all of the store does: call them within `read`."""

    home: Path
    store: SqlStore
    plan: Callable[[], ServePlan]
    snapshot: Callable[[], Snapshot]
    gpus: Callable[[], GpuStatus] = GpuStatus
    clock: Callable[[], float] = time.time
    objectives: SharedObjectives = msgspec.field(default_factory=SharedObjectives)
    answers: SharedAnswers = msgspec.field(default_factory=SharedAnswers)
    traffic: TrafficReader = msgspec.field(default_factory=TrafficReader)
    cached_keys: list[CachedKeys] = msgspec.field(default_factory=list)  # one, once somebody asks

    async def read(
        self, request: Request, who: Principal, compute: Callable[[], T], part: Hashable = "", fresh_s: float = FRESH_S
    ) -> T:
        """What `compute` returns, in a thread: once for all viewers of the same URL, tenant and project, and as it was
        last known where the store does not answer, which the page then says. `part` tells questions of one page apart.

        `compute` may look at the tenant, the project, the rights, the zone of the reader and the URL, and at nothing
        else of whoever asks. :raises Unavailable: the store does not answer, and nothing was known before
        """
        reader: Reader = request.state.reader
        question = (find_address(request), find_scope(who), who.within, who.rights, reader, part)
        answer = await self.answers.find(question, compute, fresh_s)
        if answer.problem:
            request.state.stale = (answer.at, answer.problem)
        return answer.value

    @property
    def keys(self) -> CachedKeys:
        """All keys, read again where one has changed."""
        if not self.cached_keys:
            self.cached_keys.append(CachedKeys(self.store.keys))
        return self.cached_keys[0]

    def read_traffic(
        self,
        since: float,
        until: float,
        step_s: int,
        *,
        tenant: str | None,
        where: SeriesFilter = SeriesFilter(),
        dimensions: Sequence[Dimension] = (),
        detailed: Dimension | None = None,
        keys: Sequence[str] | None = None,
    ) -> Traffic:
        """As `TrafficReader.read`. It blocks. :raises Unavailable: the store does not answer"""
        groups: dict[str, Any] = {"where": where, "dimensions": dimensions, "detailed": detailed, "keys": keys}
        return self.traffic.read(self.store, self.clock(), since, until, step_s, tenant=tenant, **groups)

    def find_range(self, request: Request, default: str = DEFAULT_RANGE) -> TimeRange:
        """The time that the URL asks for; what is wrong with it stands in `problem`."""
        return parse_range(request.query_params, self.clock(), request.state.reader, default)


def warm_traffic(source: ConsoleSource) -> None:
    """Read what Traffic and Overview show by default, so that the first reader finds its steps ready. It blocks; a
    store that does not answer yet is left alone."""
    for name in RANGES:
        time = parse_range({"range": name, "compare": "before"}, source.clock(), Reader())
        for shift_s in (0.0, time.shift_s()):
            with suppress(StewardError):
                source.read_traffic(time.since - shift_s, time.until - shift_s, time.step_s(), tenant=None)


def list_key_names(source: ConsoleSource, who: Principal) -> dict[str, str]:
    """The names of the keys that `who` may see, by id. It blocks."""
    records = source.keys.list_keys(tenant=find_scope(who))
    return {record.id: record.name for record in records if who.within in (None, record.project)}


def find_scope(who: Principal) -> str | None:
    """Whose rows somebody sees: their tenant's; all, for the tenant `default`, which looks after the deployment, unless
    they are within a project of it."""
    return None if who.tenant == DEFAULT_TENANT and who.within is None else who.tenant
