"""Where a home's store and root key are: what commands know before and while `steward up` runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from steward.core.errors import StewardError, Unavailable
from steward.core.secret import resolve
from steward.gateway.capture import CapturePlan
from steward.governance.approval_policy import ApprovalPolicy
from steward.governance.fairness_schedule import FairnessAudit
from steward.improvement.config import RegistryPlan, ReleaseConfig, ReleasePlan
from steward.improvement.triggers import ImprovePlan
from steward.monitoring.config import MonitoringPlan
from steward.privacy.rights_config import RightsPlan
from steward.security.config import WitnessPlan
from steward.security.rootkey import RootKeys
from steward.workflows.audit import HomeAuditLog
from steward.workflows.root_keys import FollowedRoots, load_root, load_roots
from steward.workflows.serve.plan import ServePlan, read_plan

if TYPE_CHECKING:
    from steward.adapters.stores.sql import SqlStore


STORE: Final = "steward.db"  # in a home whose store is no server


class HomeDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """One home, and the references that lead to what it shares with other machines."""

    home: Path
    store: str | None = None  # a reference to a PostgreSQL URL; None: SQLite in the home
    root: str | None = None  # a reference; None: the file in the home
    max_stale_s: float = 3600.0  # how long keys are accepted after the store last confirmed them
    monitoring: MonitoringPlan = MonitoringPlan()
    release: ReleasePlan = ReleaseConfig.defaults().plan()
    registry: RegistryPlan = RegistryPlan()
    improve: ImprovePlan = ImprovePlan()
    fairness: tuple[FairnessAudit, ...] = ()
    witness: WitnessPlan | None = None  # of the audit log
    approval_policy: ApprovalPolicy = ApprovalPolicy()  # that serves
    capture: CapturePlan = CapturePlan()
    rights: RightsPlan = RightsPlan()

    def store_url(self) -> str:
        """It may hold a password, so it is never written down. :raises InputError: the secret cannot be resolved"""
        return resolve(self.store).reveal() if self.store else f"sqlite:///{self.home / STORE}"

    def open_store(self) -> SqlStore:
        """:raises InputError: the secret cannot be resolved"""
        from steward.adapters.stores.sql import SqlStore  # workers know where the store is, and never open it

        return SqlStore(self.store_url())

    def open_audit_log(self) -> HomeAuditLog:
        """:raises InputError: as `root_key`"""
        return HomeAuditLog(self.home, self.roots().first)

    def root_key(self) -> bytes:
        """:raises InputError: it is missing, or not fit for use :raises Unavailable: whoever wraps it is away"""
        return load_root(self.home, self.root)

    def roots(self) -> RootKeys:
        """The root key with those that it took the place of. :raises InputError, Unavailable: as `root_key`"""
        return load_roots(self.home, self.root)

    def follow_roots(self) -> FollowedRoots:
        """As `roots`, for a process that outlives a rotation."""
        return FollowedRoots(self.home, self.root)


def make_deployment(plan: ServePlan) -> HomeDeployment:
    return HomeDeployment(
        home=Path(plan.home),
        store=plan.store,
        root=plan.root,
        max_stale_s=plan.keys_max_stale_s,
        monitoring=plan.monitoring,
        release=plan.release,
        registry=plan.registry,
        improve=plan.improve,
        fairness=plan.fairness,
        witness=plan.witness,
        approval_policy=plan.approval_policy,
        capture=plan.capture,
        rights=plan.rights,
    )


def find_deployment(home: Path) -> HomeDeployment:
    """By the plan that was served last; before the first `steward up`, by the steward.yaml beside the home.

    :raises InputError: the plan or the settings cannot be read
    """
    plan = home / "run" / "plan.json"
    if plan.exists():
        return make_deployment(read_plan(plan))
    from steward.settings import load_settings, resolve_home  # a worker reads plans
    from steward.workflows.serve.rights_plan import plan_rights

    loaded = load_settings(folder=home.parent)
    if resolve_home(loaded) != home.absolute():
        return HomeDeployment(home=home)
    settings = loaded.settings
    return HomeDeployment(
        home=home,
        store=settings.store.reference(),
        root=settings.security.root_reference(),
        max_stale_s=settings.keys.max_stale_s,
        witness=settings.audit.plan(),
        approval_policy=settings.approval_policy.policy(),
        capture=settings.capture.plan(),
        rights=plan_rights(settings, home),
        release=settings.release.plan(),
        registry=settings.registry.plan(),
        improve=settings.improve.plan(),
        fairness=settings.fairness.plan(),
    )


def open_served_store(home: Path) -> SqlStore:
    """The store of a home that has served. :raises Unavailable: it has not, or the store does not answer"""
    if not (home / "run" / "plan.json").exists():
        raise Unavailable(f"{home}: no requests recorded yet; start the gateway with `steward up`")
    store = find_deployment(home).open_store()
    try:
        store.check()
    except StewardError:
        store.close()
        raise
    return store
