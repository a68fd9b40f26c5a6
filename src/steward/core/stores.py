"""What is kept: one Protocol for each family of the store. Adapters implement them; workflows hand them over.

`tenant` is required wherever rows belong to somebody: a tenant's name reads that tenant's rows only, and None, which
only an operator of the whole deployment may pass, reads all. `project` narrows that to one project. Every method
raises Unavailable if the store does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal, Protocol

import msgspec

from steward.core.access import Grant, Person, PersonSession, Role
from steward.core.alerts import Alert, ChannelState, Notice, RuleState, Silence
from steward.core.appeals import AppealRow
from steward.core.approvals import ApprovalDecision, ApprovalRequest
from steward.core.captures import CaptureCount, CapturedExchange, CapturePurpose, ExpiredCaptures
from steward.core.evidence import Evidence
from steward.core.features import DriftBaseline, FeatureOutcome, FeatureRow
from steward.core.gauges import EngineState, GaugeRow, GaugeSample
from steward.core.improvements import ImprovementRun
from steward.core.keys import KeyRecord
from steward.core.meters import MeterRow
from steward.core.minutes import MinuteRow
from steward.core.reactions import PersonRatings, ReactionRow
from steward.core.records import (
    ExchangeDetails,
    ExchangeFilter,
    ExchangeMatches,
    ExchangeOrigin,
    ExchangeRow,
    Feedback,
    FeedbackReport,
    FeedbackSum,
    LedgerRecord,
    PromptSum,
    RatedExchange,
    SeriesPoint,
    Usage,
    UsageSum,
)
from steward.core.releases import AliasMove, ModelVersion, ReleaseRating, ReleaseRecord, ReleaseRow
from steward.core.rights import (
    AffectedSubject,
    Breach,
    Correction,
    LegalHold,
    PersonalRows,
    RouteEntities,
    StoredClass,
    SweptRows,
)
from steward.core.series import (
    HISTOGRAMS,
    CountedSeries,
    SeriesFilter,
    SeriesName,
    SeriesRow,
    SeriesTotal,
    VersionTotal,
)
from steward.core.subject_keys import ShreddedKey, SubjectKey
from steward.core.traces import Trace, TracePolicy

UsageGroup = Literal["key", "team", "model", "route", "project", "tenant", "day"]


class LedgerStore(Protocol):
    """Takes in what the ledger's files hold, exactly once."""

    def offsets(self) -> dict[str, int]:
        """How far each segment has been drained, in bytes."""
        ...

    def drain(self, writer: str, segment: str, offset_to: int, records: Sequence[LedgerRecord]) -> int:
        """Take in `records` and remember `offset_to`, in one transaction; returns how many requests it settled."""
        ...

    def settle_lost(self, writer: str, at: float) -> int:
        """Settle what a dead writer left open, at its reservation; returns how many."""
        ...

    def keep_traces(self, policy: TracePolicy | None) -> None:
        """From now on, keep requests that `policy` chooses as traces; None: none."""
        ...

    def limit_ratings(self, per_person: int) -> None:
        """From now on, count at most so many ratings of one person a day."""
        ...

    def delete_segment(self, segment: str) -> None:
        """Delete the offset of a segment whose file is gone."""
        ...


class ExchangeStore(Protocol):
    """Settled exchanges, as they are read."""

    def usage(
        self, since: float, until: float, by: UsageGroup | None, *, tenant: str | None, project: str | None = None
    ) -> Usage:
        """Rows admitted in [since, until), summed, and by group if asked."""
        ...

    def daily_sums(self, since: float, until: float, *, tenant: str | None) -> list[UsageSum]:
        """Rows admitted in [since, until) that a model answered, per UTC day and model."""
        ...

    def sums_by_upstream_id(self, since: float, until: float, *, tenant: str | None) -> dict[str, UsageSum]:
        """Rows admitted in [since, until) that have an upstream id, per id."""
        ...

    def count_lost(self, since: float, until: float, *, tenant: str | None) -> int:
        """How many rows admitted in [since, until) were settled for a process that died."""
        ...

    def count_open(self) -> int:
        """Requests that were admitted and have not settled."""
        ...

    def find_origin(self, request_id: str, *, tenant: str | None) -> ExchangeOrigin | None:
        """What a settled request was answered with; None: there is none."""
        ...

    def prompt_sums(self, newest: int, *, tenant: str | None) -> list[PromptSum]:
        """Of the `newest` exchanges, those that had a prompt, by its version; in their order."""
        ...

    def tail(
        self, limit: int, after: float | None = None, *, tenant: str | None, project: str | None = None
    ) -> list[ExchangeRow]:
        """The newest exchanges, newest first; with `after`, those settled later than that."""
        ...

    def find(self, wanted: ExchangeFilter, limit: int, *, tenant: str | None) -> ExchangeMatches:
        """The newest that are wanted, newest first. With a condition that no index answers, only the newest of its time
        are looked at, which the answer says."""
        ...

    def show(self, request_id: str, *, tenant: str | None, project: str | None = None) -> ExchangeDetails | None:
        """All that is kept of one; None: there is none of this id, or it has not settled."""
        ...

    def series(self, since: float, bucket_s: float, until: float, *, tenant: str | None) -> list[SeriesPoint]:
        """Equal buckets over [since, until), empty ones included, shadows left out; percentiles by nearest rank."""
        ...


class FeedbackStore(Protocol):
    """What clients said of answers."""

    def report(
        self, since: float, limit: int, *, tenant: str | None, project: str | None = None, until: float | None = None
    ) -> FeedbackReport:
        """Counts and means over matched ratings in [since, until), and the newest `limit` of all feedback, newest
        first."""
        ...

    def sums(self) -> list[FeedbackSum]:
        """Matched ratings by route, model and sign of the score."""
        ...

    def read_sealed(self, ids: Sequence[str], *, tenant: str | None) -> list[Feedback]:
        """Those of `ids` that have content."""
        ...

    def list_rated(self, *, tenant: str | None) -> list[RatedExchange]:
        """All matched feedback, oldest first."""
        ...

    def list_appeals(
        self, limit: int, *, tenant: str | None, project: str | None = None, open_only: bool = False
    ) -> list[AppealRow]:
        """Of requests that the key or person may speak of, the newest first, each with its decision."""
        ...

    def find_appeal(self, appeal_id: str, *, tenant: str | None, project: str | None = None) -> AppealRow | None:
        """One of those that `list_appeals` lists."""
        ...

    def add_decision(self, decision: Feedback) -> bool:
        """Keep what a person decided on an appeal; false: it is decided already."""
        ...

    def list_not_sealed_for_subject(self, limit: int, after: str = "") -> list[Feedback]:
        """By id, those behind `after` whose content is sealed otherwise than under a subject's key."""
        ...

    def replace_sealed(self, changes: Sequence[tuple[str, bytes, bytes | None]]) -> int:
        """Id, old and new content; None removes it. What is no longer the old stays; returns how many changed."""
        ...


class CaptureStore(Protocol):
    """Exchanges whose texts are kept; `workflows/captures.py` opens them."""

    def list_captures(
        self,
        since: float,
        until: float,
        limit: int,
        *,
        tenant: str | None,
        purpose: CapturePurpose | None = None,
        consent: bool | None = None,
        now: float | None = None,
        after: tuple[float, str] | None = None,
    ) -> list[CapturedExchange]:
        """At most `limit` that arrived in [since, until), oldest first. With `consent`, those whose client said so;
        with `now`, those that have not expired then; with `after`, those that follow this time and request id.
        """
        ...

    def find(self, request_id: str, *, tenant: str | None) -> CapturedExchange | None:
        """The one of a request, expired or not; None: it was not captured, or has been deleted."""
        ...

    def list_newest(
        self, limit: int, *, tenant: str | None, purpose: CapturePurpose, now: float
    ) -> list[CapturedExchange]:
        """The newest `limit` of a purpose that have not expired, newest first."""
        ...

    def counts(self, *, tenant: str | None) -> list[CaptureCount]:
        """How many there are of each project, route, purpose, consent and form."""
        ...

    def delete_expired(self, now: float) -> ExpiredCaptures:
        """Delete those whose time is over, unless a legal hold covers them."""
        ...


class ReactionStore(Protocol):
    """What people did with answers."""

    def read(self, since: float, *, tenant: str | None, until: float | None = None) -> list[ReactionRow]:
        """Counts by day and version, of the UTC days from that of `since` to the last that begins before `until`,
        oldest first."""
        ...

    def read_people(self, since: float, *, tenant: str | None, until: float | None = None) -> list[PersonRatings]:
        """How each person rated the answers of each version, on the days that `read` reads; only what counts."""
        ...


class RightsStore(Protocol):
    """What the store holds of people, whose `subjects` are pseudonyms; holds, corrections and breaches."""

    def list_projects(self, *, tenant: str) -> list[str]:
        """Every project that anything of the tenant names: a person has another pseudonym in each."""
        ...

    def find(self, subjects: Sequence[str], *, tenant: str) -> PersonalRows:
        """All rows of these subjects, those about their requests, and those of their conversations that name nobody."""
        ...

    def erase(self, subjects: Sequence[str], before: float, *, tenant: str) -> dict[str, int]:
        """Delete their texts, and their pseudonyms where a row must stay for the accounts, of all that is not later
        than `before`; returns how many rows changed, by store. A second call finds nothing. Legal holds are for the
        caller to look at.
        """
        ...

    def add_hold(self, hold: LegalHold) -> None: ...

    def list_holds(self, *, tenant: str | None, all_states: bool = False) -> list[LegalHold]:
        """Those in force, oldest first; with `all_states`, released ones too."""
        ...

    def release_hold(self, hold_id: str, at: float, actor: str, *, tenant: str) -> LegalHold | None:
        """None: there is none in force with this id."""
        ...

    def add_correction(self, correction: Correction) -> None: ...

    def replace_feedback(self, feedback_id: str, sealed: bytes, *, tenant: str) -> bool:
        """Put other words in the place of a feedback's; false: there is no such feedback."""
        ...

    def put_breach(self, breach: Breach) -> None:
        """Keep a new breach, or what has become of one."""
        ...

    def list_breaches(self, *, tenant: str | None) -> list[Breach]:
        """Newest first."""
        ...

    def list_affected(
        self, since: float, until: float, routes: Sequence[str], limit: int, *, tenant: str
    ) -> list[AffectedSubject]:
        """Whose requests arrived in [since, until) on one of `routes`; empty: on any."""
        ...

    def count_classes(self, *, tenant: str | None, people: bool) -> list[StoredClass]:
        """How much there is of each class of data about people. `people`: count the requests that name somebody too,
        which reads every request that does; without it, as many requests take as long as few.
        """
        ...

    def count_masked(self, since: float, *, tenant: str | None) -> list[RouteEntities]:
        """What kinds of personal data guards replaced since then, by route."""
        ...

    def empty_feedback_before(self, at: float) -> tuple[int, int]:
        """Delete the words of earlier feedback; returns how many, and how many stay: under a legal hold, or
        as an appeal that nobody has decided."""
        ...

    def detach_requests_before(self, at: float) -> tuple[int, int]:
        """Delete the pseudonyms in earlier requests; returns as `empty_feedback_before`."""
        ...


class MeterStore(Protocol):
    """Counts for the metrics."""

    def read(self, *, tenant: str | None) -> list[MeterRow]:
        """All counts, ordered; one snapshot."""
        ...


class MinuteStore(Protocol):
    """Sums of minutes, for rules and charts; minutes are counted since the epoch."""

    def read(self, since: int, until: int, *, tenant: str | None) -> list[MinuteRow]:
        """Minutes in [since, until) in which anything ended, oldest first; those of several tenants stand apart."""
        ...

    def span(self, *, tenant: str | None) -> tuple[int, int] | None:
        """The first and the last minute that are kept; None: none."""
        ...

    def delete_before(self, minute: int) -> int:
        """Forget earlier minutes; returns how many rows."""
        ...


class SeriesStore(Protocol):
    """Sums and histograms of minutes, hours and days (`core.series.RESOLUTIONS`), by model, route and key."""

    def read(
        self,
        resolution_s: int,
        since: int,
        until: int,
        *,
        tenant: str | None,
        where: SeriesFilter = SeriesFilter(),
        histograms: Collection[str] = HISTOGRAMS,
        keys_of: Collection[str] | None = None,
    ) -> list[SeriesRow]:
        """Spans that begin in [since, until) seconds since the epoch, oldest first; those of several tenants stand
        apart. Histograms that are not named are empty. With `keys_of`, of these keys alone."""
        ...

    def read_rollup(
        self,
        resolution_s: int,
        since: int,
        until: int,
        *,
        tenant: str | None,
        where: SeriesFilter = SeriesFilter(),
        histograms: Collection[str] = HISTOGRAMS,
    ) -> list[SeriesRow] | None:
        """The same, all keys together: as few rows with ten thousand keys as with one. The key of rows says nothing.
        None: no sums are kept of what the filter asks for; `count_requests` counts it."""
        ...

    def version_totals(
        self, resolution_s: int, since: int, until: int, *, tenant: str | None, where: SeriesFilter
    ) -> list[VersionTotal]:
        """Every version by which a filter of model and route has sums, ordered by kind and name."""
        ...

    def count_requests(
        self, resolution_s: int, since: int, until: int, most: int, *, tenant: str | None, where: SeriesFilter
    ) -> CountedSeries:
        """As `read`, by any filter, from the newest `most` requests of the time themselves: that takes long."""
        ...

    def has_other_keys(self, resolution_s: int, since: int, until: int, *, tenant: str | None) -> bool:
        """Whether there were so many keys that some of their requests are in no row of their own."""
        ...

    def totals(
        self,
        resolution_s: int,
        since: int,
        until: int,
        by: Sequence[SeriesName],
        *,
        tenant: str | None,
        where: SeriesFilter = SeriesFilter(),
        keys_of: Collection[str] | None = None,
    ) -> list[SeriesTotal]:
        """As `read`, added up by the names in `by` and ordered by them; without histograms."""
        ...

    def first(self, resolution_s: int, *, tenant: str | None) -> int | None:
        """Where the first one begins that is kept; None: there is none."""
        ...

    def delete_before(self, resolution_s: int, start: int) -> SweptRows:
        """Forget spans that begin earlier, but for those of tenants of whom everybody is under a legal hold."""
        ...


class RollupStore(Protocol):
    """Makes rollups good where an older release took requests in. None as a resolution: those of versions."""

    def complete_since(self, resolution_s: int | None) -> int:
        """From which start on they hold all requests; 0: they always did."""
        ...

    def mark_complete(self, resolution_s: int | None, since: int) -> None:
        """From `since` on they do now."""
        ...

    def find_differences(self, resolution_s: int, since: int, until: int) -> dict[int, int]:
        """Starts in [since, until) at which rollups do not hold what series do, each with its number of rows."""
        ...

    def rebuild(self, resolution_s: int, starts: Sequence[int]) -> None:
        """Make those of everything and of projects anew, from the series at these starts."""
        ...

    def rebuild_versions(self, hour: int, with_minutes: bool) -> None:
        """Make the hour of versions that begins here anew, and its minutes, from the requests that ended in it."""
        ...

    def rebuild_version_day(self, day: int) -> None:
        """Make the day of versions anew, from its hours."""
        ...


class FeatureStore(Protocol):
    """What sampled requests were like, and what they are compared with."""

    def read(self, since: float, until: float, *, tenant: str | None) -> list[FeatureRow]:
        """Features of requests that settled in [since, until), oldest first."""
        ...

    def read_outcomes(
        self, since: float, until: float, *, tenant: str | None, newest: int | None = None
    ) -> list[FeatureOutcome]:
        """How requests whose features are kept ended, and what people said of them; oldest first. With `newest`, no
        more than so many, the newest ones."""
        ...

    def delete_before(self, at: float) -> SweptRows:
        """Delete features of requests that settled before `at` and are under no legal hold."""
        ...

    def add_baseline(self, baseline: DriftBaseline) -> None:
        """Keep a baseline; the newest is the one in force."""
        ...

    def newest_baseline(self) -> DriftBaseline | None:
        """The one in force; None: none was frozen yet."""
        ...


class GaugeStore(Protocol):
    """What engines, GPUs and processes measured; the operator's, not a tenant's."""

    def add(self, samples: Iterable[GaugeSample], states: Iterable[EngineState] = ()) -> None:
        """Merge samples into their minutes, hours and days, and keep what engines told last, in one transaction."""
        ...

    def read(self, resolution_s: int, since: int, until: int, metric: str) -> list[GaugeRow]:
        """Rows of one metric that begin in [since, until), oldest first."""
        ...

    def first(self, resolution_s: int) -> int | None:
        """Where the oldest row of a resolution begins."""
        ...

    def read_states(self) -> list[EngineState]:
        """What each engine told last, by model."""
        ...

    def keep_states(self, models: Iterable[str]) -> None:
        """Forget the states of all other models."""
        ...

    def delete_before(self, resolution_s: int, start: int) -> int:
        """Delete the rows of a resolution that begin before `start`; returns how many."""
        ...


class TraceStore(Protocol):
    """Timelines of settled requests."""

    def find(self, request_id: str, *, tenant: str | None, project: str | None = None) -> Trace | None:
        """Of any settled request, kept as a trace or not; None: there is none, or it has not settled."""
        ...

    def list_traces(
        self, since: float, until: float, limit: int, *, tenant: str | None, project: str | None = None
    ) -> list[Trace]:
        """Kept traces of requests that arrived in [since, until), newest first."""
        ...

    def list_unexported(self, limit: int) -> list[Trace]:
        """Kept traces that no other system has been told of, oldest first."""
        ...

    def mark_exported(self, request_ids: Sequence[str], at: float) -> None:
        """They need not be told again."""
        ...

    def delete_before(self, at: float) -> SweptRows:
        """Forget that earlier requests were kept as traces, but for those under a legal hold."""
        ...


class AlertStore(Protocol):
    """What is wrong, who was told of it, and what is not to be told. Of the operator: no tenant reads it."""

    def put(self, alert: Alert) -> None:
        """Keep a new alert, or what has changed of one; who acknowledged it stays."""
        ...

    def list_alerts(
        self, limit: int | None = None, open_only: bool = False, outside: bool | None = None
    ) -> list[Alert]:
        """Newest first. `outside`: only those that other systems reported, or only our own. Without `limit` all of
        them, which are few where they are open: one a rule, and `workflows.outside_alerts.MOST_OPEN` of others."""
        ...

    def find_alert(self, alert_id: str) -> Alert | None: ...

    def hear(self, alert: Alert, at: float) -> None:
        """Keep what another system reported, and when it did so last."""
        ...

    def end_unheard(self, before: float, at: float) -> int:
        """End alerts of other systems that were last heard of earlier than `before`; returns how many."""
        ...

    def acknowledge(self, alert_id: str, by: str, at: float) -> Alert | None:
        """Somebody looks after an open alert; None: there is none with this id."""
        ...

    def read_watched(self) -> int | None:
        """The first minute that rules have not judged; None: they have judged none."""
        ...

    def write_watched(self, minute: int) -> None: ...

    def add_silence(self, silence: Silence) -> None: ...

    def list_silences(self, now: float) -> list[Silence]:
        """Those that have not ended, the next to end first."""
        ...

    def end_silence(self, silence_id: str, at: float) -> bool:
        """False: it had ended, or never was."""
        ...

    def add_notices(self, new_notices: list[Notice]) -> None:
        """Those whose id exists are left as they are."""
        ...

    def list_notices(self, alert_id: str) -> list[Notice]:
        """Of one alert, oldest first."""
        ...

    def due_notices(self, now: float) -> list[Notice]:
        """Not delivered, not given up, and due, oldest first."""
        ...

    def put_notice(self, notice: Notice) -> None:
        """Keep what became of a try."""
        ...

    def read_channel_states(self) -> list[ChannelState]:
        """Of every channel that was ever told something, by name."""
        ...

    def put_rule_states(self, states: list[RuleState], rules: Collection[str]) -> None:
        """Keep what rules said last, and forget those that are not among `rules`."""
        ...

    def list_rule_states(self) -> list[RuleState]:
        """By name; a rule that has not looked yet is not among them."""
        ...

    def delete_before(self, at: float) -> int:
        """Forget alerts and silences that ended earlier; returns how many alerts."""
        ...


class KeyStore(Protocol):
    """Gateway keys: the truth, of which each machine keeps a copy for its workers."""

    def add(self, records: list[KeyRecord]) -> None:
        """Keep new keys; one whose id exists is left as it is."""
        ...

    def revoke(self, key_id: str, at: float, actor: str) -> KeyRecord | None:
        """Revoke a key that is in force and return it; None if there is none with this id."""
        ...

    def replace(self, key_id: str, record: KeyRecord, expires_at: float) -> KeyRecord | None:
        """Add `record` in the place of a key in force, which then ends at `expires_at`, and return that one.

        None if there is no such key, or if it has been replaced already; then nothing is added.
        """
        ...

    def last_uses(self, *, tenant: str | None) -> dict[str, float]:
        """When each key last sent a request that was admitted, or feedback, by its id."""
        ...

    def list_keys(self, *, tenant: str | None) -> list[KeyRecord]:
        """Revoked ones too, oldest first."""
        ...

    def list_revoked(self, *, tenant: str | None) -> list[str]:
        """The ids of those that were revoked."""
        ...

    def version(self) -> int:
        """A number that every change of a key raises."""
        ...


class AccessStore(Protocol):
    """People, roles and grants. Each change raises the version of the keys."""

    def add_person(self, person: Person) -> bool:
        """False where somebody has this id already; nothing is changed then."""
        ...

    def change_person(self, person: Person) -> None:
        """Replace what is kept of a person."""
        ...

    def list_people(self, *, tenant: str | None) -> list[Person]:
        """Disabled ones too, by id."""
        ...

    def add_grant(self, grant: Grant) -> None:
        """Keep a grant; one whose id exists is left as it is."""
        ...

    def remove_grant(self, grant_id: str) -> bool:
        """False if there is none with this id."""
        ...

    def list_grants(self, *, tenant: str | None) -> list[Grant]:
        """Oldest first."""
        ...

    def put_role(self, role: Role) -> None:
        """Keep a role of the deployment's own, in the place of one with this name."""
        ...

    def list_roles(self) -> list[Role]:
        """Those of the deployment's own."""
        ...


class SessionStore(Protocol):
    """Sessions of people, by the digests of their tokens. Other processes see a change at once."""

    def add(self, session: PersonSession) -> None: ...

    def find(self, session_id: str) -> PersonSession | None:
        """Expired ones too, until they are deleted."""
        ...

    def prolong(self, session_id: str, expires_at: float) -> None:
        """It expires then, and no sooner than it did; one that was ended meanwhile stays so."""
        ...

    def list_sessions(self, now: float, *, tenant: str | None) -> list[PersonSession]:
        """Those that have not expired, newest first."""
        ...

    def end(self, session_id: str) -> None: ...

    def end_of(self, subject: str) -> int:
        """All of one person; returns their number."""
        ...

    def delete_expired(self, now: float) -> int: ...


class WrappedSecret(msgspec.Struct, frozen=True):
    """A secret that opens only with the root key."""

    kind: str
    tenant: str  # empty if all tenants share it
    version: int
    wrapped: bytes


class SecretStore(Protocol):
    """Secrets that several machines share. Those that exist are never replaced, only wrapped anew."""

    def ensure_root(self, fingerprint: str, at: float) -> str:
        """Keep the root key's fingerprint if there is none yet; returns the one that is kept."""
        ...

    def ensure(self, secret: WrappedSecret, at: float, root: str | None = None) -> WrappedSecret:
        """Keep the secret if there is none of its kind, tenant and version; returns the one that is kept.

        `root`: the fingerprint of what wraps it. :raises Unavailable: the store is bound to another one now
        """
        ...

    def find_root(self) -> str | None:
        """The fingerprint of the root key that the store is bound to; None: it is bound to none yet."""
        ...

    def rebind(self, old: str, new: str, wrap: Callable[[WrappedSecret], WrappedSecret]) -> int | None:
        """Wrap every secret anew and bind the store to another root key, all in one transaction, which raises the
        version of the keys too; returns how many secrets. None: it is not bound to `old`; nothing is changed."""
        ...

    def add(self, secret: WrappedSecret, at: float, root: str) -> bool:
        """Keep a further version. False: it is there. :raises Unavailable: as `ensure`"""
        ...

    def delete(self, secret: WrappedSecret) -> bool:
        """Delete one version. False: there is none."""
        ...

    def list_secrets(self, kind: str) -> list[WrappedSecret]:
        """All of one kind, by tenant and version."""
        ...


class SubjectKeyStore(Protocol):
    """Keys of subjects, each wrapped by its tenant's key, and the journal of erasures."""

    def ensure(self, candidates: Sequence[SubjectKey]) -> list[SubjectKey | None]:
        """Keep each key whose subject has none yet; returns the keys that are kept, in the same order.

        `created_at` is the time of the record that a key is for. None: the subject was erased then or later, so that
        nothing may be sealed for it any more.
        """
        ...

    def find(self, ids: Sequence[str], *, tenant: str | None) -> dict[str, SubjectKey]:
        """Those that exist, by id."""
        ...

    def find_subject(self, subject: str, *, tenant: str) -> SubjectKey | None:
        """None: the subject has no key."""
        ...

    def list_keys(self, limit: int, after: str = "", *, tenant: str | None) -> list[SubjectKey]:
        """By id, those behind `after`."""
        ...

    def rewrap(self, keys: Sequence[SubjectKey]) -> int:
        """Replace how keys are wrapped; returns how many still existed. Raises the generation."""
        ...

    def destroy(self, erasures: Sequence[ShreddedKey]) -> list[ShreddedKey]:
        """Delete the subjects' keys and add to the journal, in one transaction. Returns the entries with the id of each
        key that is gone; an entry that the journal has is left and returned."""
        ...

    def replay(self, entries: Sequence[ShreddedKey]) -> int:
        """Do again, in a store of before, what its journal does not have; returns how many entries were new.

        A key that was made for a record of after its erasure stays.
        """
        ...

    def list_erasures(self, since: float = 0.0, *, tenant: str | None) -> list[ShreddedKey]:
        """The journal from `since` on, oldest first."""
        ...

    def count_keys(self, *, tenant: str | None) -> dict[tuple[str, int], int]:
        """How many keys each version of a tenant's key wraps."""
        ...

    def generation(self) -> int:
        """A number that every erasure and rotation raises: what was unwrapped before it is not to be used any more."""
        ...


class ReleaseStore(Protocol):
    """Releases: a route has one open release at a time."""

    def start(self, record: ReleaseRecord) -> bool:
        """Keep a new release; False where its route has an open one, and then nothing is kept.

        :raises UnknownName: the registry has not, or no longer, the version that is its candidate
        """
        ...

    def change(self, record: ReleaseRecord) -> bool:
        """Keep what has become of a release; False where somebody changed it since: its revision is not one higher."""
        ...

    def list_releases(self, limit: int, *, tenant: str | None) -> list[ReleaseRecord]:
        """Newest first."""
        ...

    def list_in_effect(self) -> list[ReleaseRecord]:
        """What serves now: of each route the open release, else the newest that was promoted. By route."""
        ...

    def find(self, release_id: str, *, tenant: str | None) -> ReleaseRecord | None: ...

    def read_rows(self, release_id: str, since: float, until: float) -> list[ReleaseRow]:
        """Requests, trials and comparisons that settled in [since, until), in that order."""
        ...

    def read_ratings(self, release_id: str, since: float, until: float) -> list[ReleaseRating]:
        """What people said in [since, until) of the release's requests, where it counts, oldest first."""
        ...

    def list_admissions(self, release_id: str) -> list[float]:
        """When requests were admitted that were drawn for the candidate."""
        ...

    def read_durations(self, route: str, since: float, limit: int) -> list[float]:
        """Seconds that the newest good answers of a route took since `since`."""
        ...


class RegistryStore(Protocol):
    """Versions of models, and the journal of their aliases."""

    def add_version(self, version: ModelVersion) -> bool:
        """Keep a version; False where it is there already, and it is left as it is."""
        ...

    def list_versions(self, name: str | None = None, *, tenant: str | None) -> list[ModelVersion]:
        """Of one model or of all, newest first."""
        ...

    def find_by_file(self, sha256: str, *, tenant: str | None) -> list[ModelVersion]:
        """Versions that hold a file with this digest (hex), newest first."""
        ...

    def mark_version(self, name: str, digest: str, *, tainted: str | None, held: str | None, tenant: str) -> bool:
        """Set why a version must not be released or deleted; None leaves it. False: there is no such version."""
        ...

    def delete_version(self, name: str, digest: str, *, tenant: str) -> bool:
        """False, and nothing is deleted: there is none, it is held, an alias names it, or a release serves it."""
        ...

    def move_alias(self, move: AliasMove) -> bool:
        """Add an entry to the journal; False where its number is taken: somebody moved the alias first."""
        ...

    def list_moves(self, name: str | None = None, *, tenant: str | None) -> list[AliasMove]:
        """The journal, oldest first."""
        ...


class ImprovementStore(Protocol):
    """Runs of the improvement circle, of which one is open at a time."""

    def start(self, record: ImprovementRun) -> bool:
        """Keep a new run; False where one is open, and then nothing is kept."""
        ...

    def change(self, record: ImprovementRun) -> bool:
        """False where somebody changed it since."""
        ...

    def list_runs(self, limit: int, *, tenant: str | None) -> list[ImprovementRun]:
        """Newest first."""
        ...


class EvidenceStore(Protocol):
    """Proofs: added, never changed."""

    def add(self, record: Evidence, *, tenant: str) -> None:
        """Keep a record; one whose id exists is left as it is."""
        ...

    def add_all(self, records: Iterable[Evidence], *, tenant: str) -> None:
        """As `add`, all of them in one transaction."""
        ...

    def find(self, evidence_id: str, *, tenant: str | None) -> Evidence | None:
        """None: there is none with this id."""
        ...

    def list_evidence(self, limit: int, check: str | None = None, *, tenant: str | None) -> list[Evidence]:
        """The newest `limit`, newest first; with `check`, of that kind."""
        ...

    def list_newest(self, check: str, *, tenant: str | None) -> list[Evidence]:
        """The newest of each subject, by subject."""
        ...


class AuditHeadStore(Protocol):
    """The newest signed head of each home's audit log, by the log's name."""

    def read(self, origin: str) -> str | None:
        """The note; None: none is kept."""
        ...

    def put(self, origin: str, size: int, note: str, at: float) -> None:
        """Keep a note, unless one of more entries is kept."""
        ...

    def list_heads(self) -> list[tuple[str, str]]:
        """(name, note) of every log, by name."""
        ...


class ApprovalStore(Protocol):
    """Changes that wait for approval, and decisions about them: added, never changed."""

    def add_request(self, request: ApprovalRequest) -> None:
        """Keep a request; one whose id exists is left as it is."""
        ...

    def list_requests(self, limit: int, *, tenant: str | None) -> list[ApprovalRequest]:
        """Newest first."""
        ...

    def find_request(self, request_id: str, *, tenant: str | None) -> ApprovalRequest | None:
        """None: there is none with this id."""
        ...

    def find_newest(self, subject: str, digest: str, *, tenant: str) -> ApprovalRequest | None:
        """The newest request for this content; None: nobody asked."""
        ...

    def add_decision(self, decision: ApprovalDecision) -> None: ...

    def list_decisions(self, request_id: str) -> list[ApprovalDecision]:
        """Oldest first."""
        ...


class JobStore(Protocol):
    """Leases on periodic jobs, by the database's clock."""

    def claim(self, name: str, holder: str, lease_s: float, period_s: float | None = None) -> bool:
        """Take a job that is due and that nobody runs; it is free again after `lease_s` seconds, or when finished.

        Nobody waits for longer than the lease and `period_s`, where that is given, though the clock be set back.
        """
        ...

    def finish(self, name: str, holder: str, next_in_s: float) -> bool:
        """Free a job that `holder` runs; it is due again in `next_in_s` seconds. False if the lease had expired."""
        ...

    def list_due(self) -> dict[str, float]:
        """By name, when each job that has ended is due again, in seconds since the epoch: its period after it ended."""
        ...
