"""All families of one SQL store, under one roof: each is a file of its own beside this one."""

from __future__ import annotations

import sqlalchemy as sa

from steward.adapters.stores.access import SqlAccess
from steward.adapters.stores.alerts import SqlAlerts
from steward.adapters.stores.approvals import SqlApprovals
from steward.adapters.stores.audit_heads import SqlAuditHeads
from steward.adapters.stores.captures import SqlCaptures
from steward.adapters.stores.database import Database
from steward.adapters.stores.evidence import SqlEvidence
from steward.adapters.stores.exchanges import SqlExchanges
from steward.adapters.stores.features import SqlFeatures
from steward.adapters.stores.feedback import SqlFeedback
from steward.adapters.stores.gauges import SqlGauges
from steward.adapters.stores.improvements import SqlImprovements
from steward.adapters.stores.jobs import SqlJobs
from steward.adapters.stores.keys import SqlKeys
from steward.adapters.stores.ledger import SqlLedger
from steward.adapters.stores.meters import SqlMeters
from steward.adapters.stores.minutes import SqlMinutes
from steward.adapters.stores.reactions import SqlReactions
from steward.adapters.stores.registry import SqlRegistry
from steward.adapters.stores.releases import SqlReleases
from steward.adapters.stores.rights import SqlRights
from steward.adapters.stores.rollups import SqlRollups
from steward.adapters.stores.secrets import SqlSecrets
from steward.adapters.stores.series import SqlSeries
from steward.adapters.stores.sessions import SqlSessions
from steward.adapters.stores.subject_keys import SqlSubjectKeys
from steward.adapters.stores.tables import drained
from steward.adapters.stores.traces import SqlTraces
from steward.core.stores import (
    AccessStore,
    AlertStore,
    ApprovalStore,
    AuditHeadStore,
    CaptureStore,
    EvidenceStore,
    ExchangeStore,
    FeatureStore,
    FeedbackStore,
    GaugeStore,
    ImprovementStore,
    JobStore,
    KeyStore,
    LedgerStore,
    MeterStore,
    MinuteStore,
    ReactionStore,
    RegistryStore,
    ReleaseStore,
    RightsStore,
    RollupStore,
    SecretStore,
    SeriesStore,
    SessionStore,
    SubjectKeyStore,
    TraceStore,
)


class SqlStore:
    """`url`: sqlite:///FILE or postgresql://…; every family shares its connections."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.ledger: LedgerStore = SqlLedger(self.database)
        self.exchanges: ExchangeStore = SqlExchanges(self.database)
        self.feedback: FeedbackStore = SqlFeedback(self.database)
        self.captures: CaptureStore = SqlCaptures(self.database)
        self.reactions: ReactionStore = SqlReactions(self.database)
        self.rights: RightsStore = SqlRights(self.database)
        self.meters: MeterStore = SqlMeters(self.database)
        self.minutes: MinuteStore = SqlMinutes(self.database)
        self.series: SeriesStore = SqlSeries(self.database)
        self.rollups: RollupStore = SqlRollups(self.database)
        self.features: FeatureStore = SqlFeatures(self.database)
        self.gauges: GaugeStore = SqlGauges(self.database)
        self.traces: TraceStore = SqlTraces(self.database)
        self.alerts: AlertStore = SqlAlerts(self.database)
        self.keys: KeyStore = SqlKeys(self.database)
        self.access: AccessStore = SqlAccess(self.database)
        self.sessions: SessionStore = SqlSessions(self.database)
        self.secrets: SecretStore = SqlSecrets(self.database)
        self.subject_keys: SubjectKeyStore = SqlSubjectKeys(self.database)
        self.evidence: EvidenceStore = SqlEvidence(self.database)
        self.audit_heads: AuditHeadStore = SqlAuditHeads(self.database)
        self.approvals: ApprovalStore = SqlApprovals(self.database)
        self.releases: ReleaseStore = SqlReleases(self.database)
        self.registry: RegistryStore = SqlRegistry(self.database)
        self.improvements: ImprovementStore = SqlImprovements(self.database)
        self.jobs: JobStore = SqlJobs(self.database)

    def migrate(self) -> None:
        """Bring the tables to the newest revision; several processes may try at once."""
        self.database.migrate()

    def check(self) -> None:
        """:raises Unavailable: the database does not answer, or has no tables yet"""
        with self.database.read() as connection:
            connection.execute(sa.select(drained.c.segment).limit(1))

    def check_writes(self) -> None:
        """:raises Unavailable: as `check`, or another program keeps everybody else from writing"""
        with self.database.write() as connection:
            connection.execute(sa.select(drained.c.segment).limit(1))

    def close(self) -> None:
        self.database.close()
