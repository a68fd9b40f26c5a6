"""The console: status page and metrics for all workers, on its own port. Reads the store, never a client's request."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from steward.adapters.stores.sql import SqlStore
from steward.console.api import build_api
from steward.console.app import build
from steward.console.operations import list_operations
from steward.console.sessions import Sessions
from steward.console.source import ConsoleSource, warm_traffic
from steward.core.errors import Exhausted, Unavailable
from steward.core.extend import RequestSender
from steward.core.files import write_file
from steward.core.gpus import GpuStatus
from steward.core.identity import Principal
from steward.core.meters import MeterRow
from steward.core.networks import parse_networks
from steward.core.records import FeedbackSum, Health, Snapshot
from steward.core.tls import ReloadingContext, build_server_context
from steward.monitoring.metrics import (
    ProcessState,
    ServiceState,
    deployment_samples,
    feedback_samples,
    gpu_samples,
    render,
)
from steward.processes.forwarded import ForwardedScheme
from steward.processes.http_protocol import log_rejection, make_protocol
from steward.processes.lifeline import disable_core_dumps, end_with_supervisor, report_errors
from steward.processes.tls_server import TlsServer
from steward.security.authenticator import KeyAuthenticator
from steward.security.tokens import TokenVerifier
from steward.workflows.backlog import BacklogReader, Waiting
from steward.workflows.gpus import Sampler
from steward.workflows.people import People
from steward.workflows.sealing import LEDGER_FOLDERS
from steward.workflows.serve.deployment import make_deployment
from steward.workflows.serve.engines import check_models
from steward.workflows.serve.issuer_keys import IssuerKeys
from steward.workflows.serve.plan import ServePlan, read_plan
from steward.workflows.serve.worker_keys import WorkerKeys
from steward.workflows.serve.worker_reports import read_queue_depths
from steward.workflows.single_sign_on import SingleSignOn

BUCKETS = 60
HOUR_BUCKET_S, YOUNG_BUCKET_S = 60.0, 15.0  # a deployment younger than a quarter of an hour shows that quarter
NO_GPUS = GpuStatus()
NOTHING = Waiting(0, 0.0)
WARM_AFTER_S = 5.0  # by then the keeper has brought the store's tables up to date
PROVIDERS = {"embedded": "llama_cpp", "openai": "openai", "anthropic": "anthropic"}  # by dialect, as OpenTelemetry asks


def snapshot(
    plan: ServePlan, store: SqlStore, now: float, gpus: GpuStatus = NO_GPUS, waiting: Waiting = NOTHING
) -> Snapshot:
    """The last hour or quarter of an hour, as the status page shows it."""
    state = _state(plan)
    bucket_s = YOUNG_BUCKET_S if now - state["started_at"] < BUCKETS * YOUNG_BUCKET_S else HOUR_BUCKET_S
    until = (now // bucket_s + 1) * bucket_s
    since = until - BUCKETS * bucket_s
    alive = asyncio.run(check_models(plan))
    return Snapshot(
        at=now,
        started_at=state["started_at"],
        gateway_url=state["gateway_url"],
        version=plan.version,
        config_version=plan.config_version,
        config_error=state["config_error"] and state["config_error"]["message"],
        processes=tuple(
            Health(name=item["name"], state=item["state"], detail=_restarts(item["restarts"]))
            for item in state["processes"]
        ),
        models=tuple(
            Health(name=model.name, state="ok" if alive[model.name] else "down", detail=model.backend)
            for model in plan.models
        ),
        series=tuple(store.exchanges.series(since, bucket_s, until, tenant=None)),
        bucket_s=bucket_s,
        usage=store.exchanges.usage(since, until, "model", tenant=None),
        last=tuple(store.exchanges.tail(20, tenant=None)),
        gpus=gpus,
        ledger_waiting_bytes=waiting.bytes,
        ledger_lag_s=waiting.age_s,
    )


def metrics(plan: ServePlan, store: SqlStore, gpus: GpuStatus = NO_GPUS, waiting: Waiting | None = None) -> str:
    """The text of `/metrics`. What the store knows is left out while it does not answer. `waiting`: not known."""
    state = _state(plan)
    try:
        of_store: StoreNumbers | None = read_store_numbers(store)
    except (Unavailable, Exhausted):
        of_store = None
    deployment = ServiceState(
        version=plan.version,
        started_at=state["started_at"],
        config_version=plan.config_version,
        config_refused=state["config_error"] is not None,
        processes=tuple(
            ProcessState(item["name"], item["state"] == "ok", item["restarts"]) for item in state["processes"]
        ),
        store_up=of_store is not None,
        open_requests=of_store.open_requests if of_store is not None else None,
        alerts=of_store.alerts if of_store is not None else None,
        ledger=(waiting.bytes, waiting.age_s) if waiting is not None else None,
        lines={
            route: (depth.waiting, depth.running) for route, depth in read_queue_depths(plan, _workers(state)).items()
        },
    )
    samples = (
        *deployment_samples(deployment),
        *feedback_samples(of_store.feedback if of_store is not None else ()),
        *gpu_samples(gpus),
    )
    rows = of_store.rows if of_store is not None else ()
    return render(rows, samples, {model.name: PROVIDERS[model.backend] for model in plan.models})


class StoreNumbers(msgspec.Struct, frozen=True):
    """What `/metrics` says out of the store."""

    rows: list[MeterRow]
    open_requests: int
    alerts: Counter[str]  # that are firing, by severity
    feedback: list[FeedbackSum]


def read_store_numbers(store: SqlStore) -> StoreNumbers:
    """:raises Unavailable, Exhausted: the store does not answer"""
    return StoreNumbers(
        list(store.meters.read(tenant=None)),
        store.exchanges.count_open(),
        Counter(alert.severity for alert in store.alerts.list_alerts(open_only=True)),
        list(store.feedback.sums()),
    )


def _state(plan: ServePlan) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((Path(plan.home) / "run" / "state.json").read_text())
    return state


def _workers(state: dict[str, Any]) -> list[int]:
    """Process ids of the workers that run."""
    return [item["pid"] for item in state["processes"] if item["name"].startswith("worker-") and item["pid"]]


def _restarts(count: int) -> str:
    return "" if not count else "restarted once" if count == 1 else f"restarted {count} times"


def make_finder(plan: ServePlan) -> Callable[[RequestSender], Awaitable[Principal]]:
    """Says whose a key, a token or a certificate is; a change is seen at the next request."""
    keys, trusted = WorkerKeys(make_deployment(plan)), parse_networks(plan.trusted_proxies)
    issuer_keys = IssuerKeys(Path(plan.home), plan.issuers)
    verifier = TokenVerifier(plan.issuers, issuer_keys.find)
    authenticator = KeyAuthenticator(
        keys.find,
        lambda: trusted,
        find_certificate=lambda name: keys.find_machine(f"certificate:{name}", "certificate"),
        find_by_token=(lambda text: keys.find_service(verifier.verify(text))) if plan.issuers else None,
    )

    async def find(sender: RequestSender) -> Principal:
        await keys.refresh()
        await issuer_keys.refresh()
        return authenticator.authenticate(sender).principal

    return find


@contextmanager
def name_waiting(backlog: BacklogReader) -> Iterator[Waiting]:
    """What waits outside the store. :raises Unavailable: the store does not answer the block; the error says it, too"""
    waiting = backlog.read(time.time())
    try:
        yield waiting or NOTHING
    except (Unavailable, Exhausted) as error:
        raise Unavailable(f"{error}; {waiting.describe()}" if waiting is not None else str(error)) from error


def open_source(file: Path, plan: ServePlan, store: SqlStore, gpus: Sampler, backlog: BacklogReader) -> ConsoleSource:
    """What pages read. What the traffic pages show by default is read a little later, before somebody asks."""

    def read_snapshot() -> Snapshot:
        with name_waiting(backlog) as waiting:
            return snapshot(read_plan(file), store, time.time(), gpus.status(), waiting)

    source = ConsoleSource(
        home=Path(plan.home), store=store, plan=lambda: read_plan(file), snapshot=read_snapshot, gpus=gpus.status
    )
    warming = threading.Timer(WARM_AFTER_S, warm_traffic, [source])
    warming.daemon = True
    warming.start()
    return source


def write_changed(path: Path, data: bytes) -> None:
    """Write nothing that is there already: this process starts also where the disk is full."""
    if not path.exists() or path.read_bytes() != data:
        write_file(path, data)


def main() -> None:
    """`python -m steward.processes.console --plan FILE --fd N --alive-fd N --token-file FILE`"""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--alive-fd", type=int, required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    arguments = parser.parse_args()
    disable_core_dumps()
    logging.basicConfig(level=logging.WARNING, format="console %(levelname)s %(message)s")
    end_with_supervisor(arguments.alive_fd, 3.0)
    plan = read_plan(arguments.plan)
    store = make_deployment(plan).open_store()
    token = arguments.token_file.read_text().strip()
    people = People(make_deployment(plan), store, limits=plan.sessions)
    sessions = Sessions(token, arguments.token_file.with_name("ended-sessions"), plan.sessions)
    write_changed(arguments.token_file.with_name("metrics-token"), sessions.metrics_token().encode())
    gpus = Sampler()
    gpus.start()
    operations = list_operations(Path(plan.home))

    backlog = BacklogReader([Path(plan.home) / name for name in LEDGER_FOLDERS], store.ledger.offsets)
    source = open_source(arguments.plan, plan, store, gpus, backlog)
    app = build(
        snapshot=source.snapshot,
        sessions=sessions,
        metrics=lambda: metrics(read_plan(arguments.plan), store, gpus.status(), backlog.read(time.time())),
        find_by_key=make_finder(plan),
        api=build_api(operations, plan.version),
        needs_certificate=plan.console_tls is not None and plan.console_tls.client_required,
        people=people,
        provider=SingleSignOn(Path(plan.home), plan.sign_in, people, make_deployment(plan).root_key())
        if plan.sign_in is not None
        else None,
        trusted=lambda: parse_networks(plan.trusted_proxies),
        source=source,
    )
    pages = ForwardedScheme(app)
    config = uvicorn.Config(
        pages,
        proxy_headers=False,  # gateway.trusted_proxies says whose word counts
        http=make_protocol(plan.client_timeouts, log_rejection),
        log_config=None,
        log_level="error",  # its warnings come with each malformed request: strangers shall not fill the log
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=plan.client_timeouts.keep_alive_s,
        timeout_graceful_shutdown=2,
    )
    tls = plan.console_tls
    context = ReloadingContext(tls, build_server_context) if tls is not None else None
    TlsServer(config, context, plan.client_timeouts.receive_s).run(sockets=[socket.socket(fileno=arguments.fd)])


if __name__ == "__main__":
    with report_errors("console"):
        main()
