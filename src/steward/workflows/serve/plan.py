"""What `steward up` decided to serve, as every process reads it from `home/run/plan.json`.

It holds references to secrets, never secrets.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from steward.core.access import SessionLimits
from steward.core.appeals import APPEAL_DAYS
from steward.core.errors import InputError
from steward.core.issuers import IssuerPlan, SignInPlan
from steward.core.timeouts import ClientTimeouts, Timeouts
from steward.core.tls import ServerTls, UpstreamTls
from steward.gateway.batch import BatchPlan
from steward.gateway.capture import CapturePlan
from steward.gateway.cors import CorsPolicy
from steward.gateway.first_event import HEARTBEAT_S
from steward.gateway.health_plan import HealthPlan
from steward.gateway.limit_table import LimitTable
from steward.gateway.pricing.prices import Prices
from steward.gateway.prompts import Prompt
from steward.gateway.queue_records import QueuePlan
from steward.gateway.route_records import Route, ServedRelease, Unreadable
from steward.gateway.stored_responses import ResponseStorePlan
from steward.governance.approval_policy import ApprovalPolicy
from steward.governance.fairness_schedule import FairnessAudit
from steward.guardrails.plan import GuardrailPlan
from steward.improvement.config import RegistryPlan, ReleaseConfig, ReleasePlan
from steward.improvement.triggers import ImprovePlan
from steward.monitoring.config import MonitoringPlan
from steward.privacy.policy import PrivacyPolicy
from steward.privacy.rights_config import RightsPlan
from steward.security.config import WitnessPlan


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
    direct: bool = True  # clients may ask for it by its own name
    unreadable: Unreadable = "refuse"  # where a guard is on and it is asked by its own name
    key_mark: str | None = None  # changes when the secret behind the reference does
    headers: dict[str, str] = {}  # values or references
    tls: UpstreamTls | None = None
    metrics_url: str | None = None  # of the engine, for the keeper
    prices: Prices | None = None
    context: int = 0  # embedded only, as the three that follow: tokens per slot
    slots: int = 0
    threads: int = 0
    embeddings: str | None = None  # how it pools; None: it answers no /v1/embeddings


class ServePlan(msgspec.Struct, frozen=True, kw_only=True):
    """All that the processes must know."""

    home: str
    version: str  # of the software
    config_version: int = 0  # of the configuration; exchanges record it as route_version
    host: str
    port: int
    console_host: str
    console_port: int
    tls: ServerTls | None = None  # of the gateway's port; None: plain HTTP
    console_tls: ServerTls | None = None
    sessions: SessionLimits = SessionLimits()  # of the console
    workers: int
    max_body_bytes: int
    trusted_proxies: tuple[str, ...] = ()
    drain_s: float
    cors: CorsPolicy = CorsPolicy()
    appeal_days: int = APPEAL_DAYS  # until a person has decided
    disclose: bool = True  # with a header that a model made the answer
    client_timeouts: ClientTimeouts
    timeouts: Timeouts
    total_timeout_s: float  # of all tries of a request, until its answer begins
    heartbeat_s: float = HEARTBEAT_S  # after which a stream that has not begun gets its headers
    line: QueuePlan
    health: HealthPlan
    models: tuple[ModelPlan, ...]
    routes: tuple[Route, ...]
    prompts: dict[str, Prompt] = {}  # by route
    limits: LimitTable
    valkey: str | None = None  # a reference
    privacy: PrivacyPolicy | None = None  # none: no guard, and bytes pass through
    guardrails: tuple[GuardrailPlan, ...] = ()
    store: str | None = None  # a reference to a PostgreSQL URL; None: SQLite in the home
    root: str | None = None  # a reference to the root key; None: the file in the home
    batches: BatchPlan = BatchPlan()
    capture: CapturePlan = CapturePlan()
    rights: RightsPlan = RightsPlan()
    responses_store: ResponseStorePlan = ResponseStorePlan()
    keys_max_stale_s: float = 3600.0
    issuers: tuple[IssuerPlan, ...] = ()  # whose tokens are believed
    sign_in: SignInPlan | None = None  # where people sign in, beside their passwords
    approval_policy: ApprovalPolicy = ApprovalPolicy()
    witness: WitnessPlan | None = None  # of the audit log
    monitoring: MonitoringPlan = MonitoringPlan()
    release: ReleasePlan = ReleaseConfig.defaults().plan()  # by which releases are decided
    registry: RegistryPlan = RegistryPlan()
    improve: ImprovePlan = ImprovePlan()
    fairness: tuple[FairnessAudit, ...] = ()
    releases: tuple[ServedRelease, ...] = ()  # that are in effect

    @property
    def gateway_url(self) -> str:
        return _url(self.tls, self.host, self.port)

    @property
    def console_url(self) -> str:
        return _url(self.console_tls, self.console_host, self.console_port)

    @property
    def has_prompts(self) -> bool:
        """Whether any request gets a prompt."""
        return bool(self.prompts) or any(release.prompt is not None for release in self.releases)

    def file(self) -> Path:
        return Path(self.home) / "run" / "plan.json"


def _url(tls: ServerTls | None, host: str, port: int) -> str:
    return f"{'http' if tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}"


def read_plan(file: Path) -> ServePlan:
    """:raises InputError: not readable"""
    try:
        return msgspec.json.decode(file.read_bytes(), type=ServePlan)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{file}: {error}; it is written by `steward up`") from error
