"""One worker's running service: its gateway, and what it holds open while configurations come and go."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from steward.adapters.executors.helper import HelperProcess
from steward.core.errors import Refused, StewardError, describe_origin, describe_trace
from steward.core.extend import Guard
from steward.core.files import read_stamp, write_file
from steward.core.identity import Caller
from steward.core.networks import parse_networks
from steward.core.record_ids import make_id
from steward.core.records import Feedback
from steward.gateway.answer import Answer
from steward.gateway.answer_lengths import AnswerLengths
from steward.gateway.app import Gateway
from steward.gateway.appeals import accept_appeal
from steward.gateway.batch import BatchPlan
from steward.gateway.cors import Headers
from steward.gateway.endpoints import build_endpoints
from steward.gateway.exchange import Exchange, Handler
from steward.gateway.feedback import accept_feedback
from steward.gateway.ledger import LedgerWriter
from steward.gateway.middleware.identify import pseudonym
from steward.gateway.models import describe_model, describe_models
from steward.gateway.queue_records import QueueDepth
from steward.gateway.rejections import RejectionCounter
from steward.gateway.route_queue import collect_depths
from steward.gateway.route_records import BreakerReport
from steward.gateway.routing import find_route, list_allowed
from steward.security.authenticator import KeyAuthenticator, is_in_period, make_caller
from steward.security.tokens import TokenVerifier
from steward.workflows.batch_store import BatchStore
from steward.workflows.drain import ROTATE
from steward.workflows.sealing import CAPTURE_SPOOL, SPOOL, find_place
from steward.workflows.serve.batch_runner import POLL_S, BatchRunner
from steward.workflows.serve.batch_service import BatchService
from steward.workflows.serve.capture_spool import FolderCaptureSpool
from steward.workflows.serve.composition import Generation, WorkerParts, compose_generation, make_limiter
from steward.workflows.serve.deployment import make_deployment
from steward.workflows.serve.issuer_keys import IssuerKeys
from steward.workflows.serve.model_versions import read_versions
from steward.workflows.serve.plan import ServePlan, read_plan
from steward.workflows.serve.readiness import Readiness, find_lack
from steward.workflows.serve.response_service import ResponseService
from steward.workflows.serve.token_counts import count_tokens
from steward.workflows.serve.worker_keys import WorkerKeys
from steward.workflows.serve.worker_reports import WorkerVersions, breakers_file, queue_depths_file
from steward.workflows.spool import SpoolWriter

log = logging.getLogger(__name__)

KEYS_POLL_S = 0.25
PLAN_POLL_S = 0.1
FSYNC_S = 0.05
SETTLE_S = 1.0  # for exchanges that were cut off to write their settlements
TALLY_S = 1.0


class WorkerService:
    """One worker's gateway and what it holds open: keys and ledger for its life, the rest by generation."""

    def __init__(self, plan: ServePlan, writer_id: str, guards: tuple[Guard, ...] = ()) -> None:
        self.home = Path(plan.home)
        self._plan_file, self._plan_stamp = plan.file(), (0, 0, 0)
        self._rotate_file = self.home / "run" / ROTATE
        self._rotate_stamp = read_stamp(self._rotate_file)
        self._keys = WorkerKeys(make_deployment(plan))
        self._ledger = LedgerWriter(self.home / "ledger", writer_id)
        roots = make_deployment(plan).follow_roots()
        self._spool = SpoolWriter(self.home / SPOOL, f"{SPOOL}-{writer_id}", roots)
        self._captures = FolderCaptureSpool(self.home / CAPTURE_SPOOL, f"captures-{writer_id}", roots)
        self._captures.max_bytes = plan.capture.max_spool_bytes
        self._rejections = RejectionCounter()
        self._parts = WorkerParts(
            self._keys.subject_key,
            self._ledger,
            make_limiter(plan),
            AnswerLengths(),
            self._captures,
            HelperProcess(),
            guards,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._current = compose_generation(plan, self._parts)
        self._retired: list[Generation] = []
        self._reported: WorkerVersions | None = None
        self._reported_depths: dict[str, QueueDepth] = {}
        self._depths_file = queue_depths_file(self.home / "run", os.getpid())
        self._reported_breakers: dict[str, BreakerReport] = {}
        self._breakers_file = breakers_file(self.home / "run", os.getpid())
        self._readiness, self._degraded = Readiness(self._check), False
        store = BatchStore(self.home, roots)
        self.batches = BatchService(store, self._batch_plan)
        self.responses = ResponseService(self.home, roots, lambda: self._current.plan.responses_store)
        self._runner = BatchRunner(store, self._batch_plan, self.infer, self._find_caller)
        self._issuer_keys = IssuerKeys(self.home, plan.issuers)
        verifier = TokenVerifier(plan.issuers, self._issuer_keys.find)

        def find_by_token(text: str) -> Caller:
            return self._keys.find_service(verifier.verify(text))

        authenticator = KeyAuthenticator(
            self._keys.find,
            lambda: parse_networks(self._current.plan.trusted_proxies),
            find_certificate=lambda name: self._keys.find_machine(f"certificate:{name}", "certificate"),
            needs_certificate=plan.tls is not None and plan.tls.client_required,
            find_by_token=find_by_token if plan.issuers else None,
        )
        endpoints = build_endpoints(self, self._rejections)
        self.app = Gateway(endpoints, authenticator, self._rejections, self, lambda: self._current.cors)

    @property
    def max_body_bytes(self) -> int:
        return self._current.plan.max_body_bytes

    @property
    def discloses(self) -> bool:
        return self._current.plan.disclose

    @property
    def heartbeat_s(self) -> float:
        return self._current.plan.heartbeat_s

    def _batch_plan(self) -> BatchPlan:
        plan = self._current.plan
        return msgspec.structs.replace(plan.batches, disclose=plan.disclose)

    def _find_caller(self, key_id: str) -> Caller | None:
        """For a batch, which goes on without a client: its key must still be in force."""
        record = self._keys.get(key_id)
        if record is None or "infer" not in record.rights or not is_in_period(record, time.time()):
            return None
        return make_caller(record)

    def infer(self, exchange: Exchange) -> Coroutine[Any, Any, Answer]:  # no coroutine of its own around the other
        generation = self._current
        return self._answer(exchange, generation, generation.infer)

    def pass_through(self, exchange: Exchange) -> Coroutine[Any, Any, Answer]:
        generation = self._current
        return self._answer(exchange, generation, generation.pass_through)

    async def _answer(self, exchange: Exchange, generation: Generation, handler: Handler) -> Answer:
        generation.open += 1
        exchange.route_version = generation.version
        try:
            answer = await handler(exchange)
        except BaseException:
            generation.leave()
            raise
        exchange.when_ended(answer, generation.leave)
        return answer

    def swap(self, plan: ServePlan) -> None:
        """Serve `plan` to every exchange that starts from now on.

        :raises InputError: a secret that cannot be resolved; the old plan still serves
        """
        fresh = compose_generation(plan, self._parts, self._current)
        self._retired.append(self._current)
        self._current = fresh
        self._captures.max_bytes = plan.capture.max_spool_bytes

    async def count_tokens(self, caller: Caller, path: str, body: bytes) -> Answer:
        return await count_tokens(self._current, caller, path, body)

    def list_models(self, caller: Caller) -> bytes:
        return msgspec.json.encode(describe_models(list_allowed(self._current.routes, caller.models)))

    def show_model(self, caller: Caller, name: str) -> bytes:
        return msgspec.json.encode(describe_model(find_route(self._current.routes, name, caller.models).name))

    def accept_feedback(self, caller: Caller, body: bytes, subject: str | None) -> bytes:
        person = self._name_person(caller, subject)
        record, answer = accept_feedback(body, caller, make_id("fb"), time.time(), self._seal, person)
        self._spool.append(record)
        return answer

    def accept_appeal(self, caller: Caller, body: bytes, subject: str | None) -> bytes:
        person, days = self._name_person(caller, subject), self._current.plan.appeal_days
        name = make_id("appeal")
        record, answer = accept_appeal(body, caller, name, time.time(), self._seal, person, days)
        self._spool.append(record)
        return answer

    def _name_person(self, caller: Caller, subject: str | None) -> str | None:
        principal = caller.principal
        return pseudonym(self._keys.subject_key(principal.tenant), principal.project, subject)

    def _seal(self, record: Feedback, content: bytes) -> bytes:
        return self._spool.seal(find_place(record), content)

    async def find_problem(self) -> str | None:
        return await self._readiness.find_problem()

    @property
    def is_degraded(self) -> bool:
        return self._degraded

    async def _check(self) -> str | None:
        """Every engine of our own must be up, and at least one model must answer.

        Somebody else's server that is down does not take the whole gateway out of a load balancer: it is degraded.
        """
        if (lack := await asyncio.to_thread(find_lack, self.home / "run")) is not None:
            return lack
        if (lack := self._keys.find_lack()) is not None:
            return lack
        engines = self._current.engines
        answers = await asyncio.gather(*(engine.is_alive() for engine in engines.values()))
        alive = dict(zip(engines, answers, strict=True))
        own = [model.name for model in self._current.plan.models if model.backend == "embedded"]
        down = [name for name in own if not alive[name]]
        self._degraded = not all(answers)
        if down:
            return f"the engine of {', '.join(down)} does not answer"
        return None if any(alive.values()) else "no model is available yet"

    async def start(self) -> None:
        self._report_versions()
        self._tasks = [
            asyncio.create_task(repeat_every(KEYS_POLL_S, self._keys.refresh)),
            asyncio.create_task(repeat_every(KEYS_POLL_S, self._issuer_keys.refresh)),
            asyncio.create_task(repeat_every(PLAN_POLL_S, self._follow_plan)),
            asyncio.create_task(repeat_every(PLAN_POLL_S, self._read_versions)),
            asyncio.create_task(repeat_every(FSYNC_S, self._sync)),
            asyncio.create_task(repeat_every(TALLY_S, self._write_tally)),
            asyncio.create_task(repeat_every(POLL_S, self._runner.poll)),
            asyncio.create_task(repeat_every(TALLY_S, self._report_condition)),
        ]

    async def _follow_plan(self) -> None:
        """Serve the plan that the supervisor put there, close what nobody uses any more, and say so."""
        problem = self._reported.error if self._reported else None
        stamped = read_stamp(self._plan_file)
        if stamped != self._plan_stamp:
            self._plan_stamp = stamped
            problem = self._try_swap(read_plan(self._plan_file))
        self._report_versions(problem)
        self._follow_rotation()
        await self._close_unused_generations()

    def _follow_rotation(self) -> None:
        """Begin new segments when somebody waits for the old ones to be taken in and deleted."""
        stamped = read_stamp(self._rotate_file)
        if stamped != self._rotate_stamp:
            self._rotate_stamp = stamped
            for writer in (self._ledger, self._spool, self._captures):
                writer.rotate()

    def _try_swap(self, plan: ServePlan) -> str | None:
        """Swap to `plan` if it is another; why not, where that fails."""
        if plan.config_version == self._current.version:
            return None
        try:
            self.swap(plan)
        except Exception as error:  # whatever a plan provokes, the old one keeps serving, and the next is tried
            reason = str(error) if isinstance(error, StewardError | OSError) else describe_origin(error)
            log.error("configuration %d is not served: %s", plan.config_version, reason)
            return reason
        return None

    def _report_versions(self, error: str | None = None) -> None:
        held = {self._current.version, *(item.version for item in self._retired if item.open)}
        report = WorkerVersions(self._current.version, tuple(sorted(held)), error)
        if report != self._reported:
            write_file(WorkerVersions.file(self.home / "run", os.getpid()), msgspec.json.encode(report))
            self._reported = report

    async def _close_unused_generations(self) -> None:
        ended = [item for item in self._retired if not item.open]
        self._retired = [item for item in self._retired if item.open]
        used = {id(engine) for item in (self._current, *self._retired) for engine in item.engines.values()}
        for generation in ended:
            await generation.close_shadows()
            for engine in generation.engines.values():
                if id(engine) not in used:
                    await engine.close()

    async def _read_versions(self) -> None:
        await read_versions(self._current.plan, self._current.models)

    def count_rejection(self, error: Refused) -> None:
        """Count a request that was refused before it reached the gateway."""
        self._rejections.count_rejection(error, "")

    def list_page_headers(self, origin: str) -> Headers:
        """What a web page of `origin` must be told with a request that was refused before it reached the gateway."""
        cors = self._current.cors
        return () if cors is None else cors.headers(origin)

    async def _report_condition(self) -> None:
        now = collect_depths(item.lines for item in (self._current, *self._retired))
        if now != self._reported_depths:
            write_file(self._depths_file, msgspec.json.encode(now))
            self._reported_depths = now
        breakers = self._current.health.report(time.monotonic())
        if breakers != self._reported_breakers:
            write_file(self._breakers_file, msgspec.json.encode(breakers))
            self._reported_breakers = breakers

    async def _write_tally(self) -> None:
        if (tally := self._rejections.take(time.time())) is not None:
            self._ledger.append(tally)
        if (captures := self._captures.take_counts(time.time())) is not None:
            try:
                self._ledger.append(captures)
            except OSError:
                self._captures.put_back(captures)
                raise

    async def _sync(self) -> None:
        self._ledger.write_owed()
        await asyncio.to_thread(self._sync_files)
        await self._spool.renew()
        await self._captures.renew()

    def _sync_files(self) -> None:
        for writer in (self._ledger, self._spool):
            writer.sync()
        self._captures.sync()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.close()
        await self._wait_for_settlements()
        for generation in (self._current, *self._retired):
            await generation.close_shadows()
            for engine in generation.engines.values():
                await engine.close()
        await self._parts.limiter.close()
        await self._parts.offload.close()
        self._depths_file.unlink(missing_ok=True)
        self._breakers_file.unlink(missing_ok=True)
        await self._write_tally()
        self._ledger.sync()
        for writer in (self._ledger, self._spool):
            writer.close()
        self._captures.close()

    async def _wait_for_settlements(self) -> None:
        """Wait for the exchanges that the drain limit has cut off: each still writes its settlement."""
        limit = time.monotonic() + SETTLE_S
        while any(item.open for item in (self._current, *self._retired)) and time.monotonic() < limit:
            await asyncio.sleep(0.01)


async def repeat_every(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    """Call `action` every so often until cancelled. Nothing that it raises ends it: a worker whose keys or plan are no
    longer followed would serve on as if nothing had happened."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await action()
        except (StewardError, OSError):  # a key file in mid-change, a full disk: the next round tries again
            continue
        except Exception as error:
            what = getattr(action, "__name__", "a periodic action")
            log.error("%s failed; it is tried again\n%s", what, describe_trace(error))
