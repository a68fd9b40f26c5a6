"""Whether a deployment is ready: one verdict a check, and the worst required one decides.

Pure: facts, proofs and the time are handed over. A check passes on what was seen or proved; what is missing, stale, of
another subject or from the future is "cannot tell", never a pass. There is no percentage: nobody can say what ninety
percent ready means.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.core.evidence import Evidence

SubjectKind = Literal[
    "model", "settings", "channels", "data", "plan", "store", "access"
]  # what a proof may be bound to
Level = Literal["prototype", "internal", "production", "regulated"]
Pitfall = Literal["infrastructure", "data", "evaluation", "monitoring", "security and privacy", "ethics"]
CheckVerdict = Literal["pass", "fail", "cannot tell", "waived", "not applicable"]
Verdict = Literal["go", "no-go", "cannot tell"]

LEVELS: Final[tuple[Level, ...]] = ("prototype", "internal", "production", "regulated")
PITFALLS: Final[tuple[Pitfall, ...]] = (
    "infrastructure", "data", "evaluation", "monitoring", "security and privacy", "ethics",
)  # fmt: skip
DAY_S: Final = 86400.0
LONGEST_WAIVER_S: Final = 90 * DAY_S
CLOCK_SKEW_S: Final = 300.0  # by which another machine's clock may be ahead


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What checks must know of a key in force."""

    id: str
    name: str
    created_at: float
    expires_at: float | None = None
    last_used: float | None = None
    limited: bool = True  # by its own limits or by those of all


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What checks must know of a served model."""

    name: str
    hosted: bool  # somebody else's, by URL
    priced: bool


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen of a deployment without asking anybody to prove anything. None: it could not be seen."""

    answers: bool | None = None  # a request would be answered now
    problem: str = ""  # why not
    loopback: bool = True  # the gateway listens on this machine alone
    encrypted: bool = False  # by its own TLS
    proxy_declared: bool = False  # insecure_http: a proxy in front does it
    models: tuple[ModelFacts, ...] = ()
    lone_routes: tuple[str, ...] = ()  # routes of one model without a fallback
    keys: tuple[KeyFacts, ...] | None = None
    first_key: bool = False  # the file with the first key's text is still there
    home_private: bool | None = None  # nobody else may read the home
    free_disk: float | None = None  # share
    audit_error: str | None = None  # what is wrong with the log; None: nothing, or not looked at
    audit_entries: int | None = None
    witness: bool = False  # heads of the log are kept elsewhere
    guard: bool = False  # a privacy profile is on
    discloses: bool = False  # answers say that a model has made them
    told_routes: tuple[str, ...] = ()  # whose answers end with a text that says so
    channels: tuple[str, ...] = ()  # that pages are sent to
    heartbeat: bool = False
    firing: tuple[str, ...] | None = None  # rules that page now
    ledger_lag_s: float | None = None
    requests: int | None = None  # of the last 30 days
    ratings: int | None = None
    late_appeals: tuple[str, ...] | None = None  # that nobody has decided in time
    overdue: tuple[str, ...] | None = None  # follow-ups of incidents, and reports of them
    approvals: bool = False  # changes need another person's approval
    root_key_in_home: bool = True


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """A person answers for one check for a while."""

    check: str
    reason: str
    owner: str  # an actor
    made_at: float
    until: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found."""

    verdict: CheckVerdict
    value: str
    expected: str = ""
    evidence: tuple[str, ...] = ()
    produced_at: float | None = None
    valid_until: float | None = None


class ReadinessLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `steward check`."""

    id: str
    pitfall: Pitfall
    question: str
    verdict: CheckVerdict
    value: str
    expected: str
    evidence: tuple[str, ...]
    produced_at: float | None
    valid_until: float | None
    fix: str


class ReadinessReport(msgspec.Struct, frozen=True, kw_only=True):
    """`steward check --json`."""

    verdict: Verdict
    level: Level
    checks: tuple[ReadinessLine, ...]
    waivers: tuple[Waiver, ...]


class LiveSubjects(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of what serves now. A proof of another digest is stale, however young. None: it cannot be told."""

    models: dict[str, str] = {}  # of models and routes, by name
    settings: str | None = None
    channels: str | None = None
    channel_names: tuple[str, ...] = ()
    data: frozenset[str] | None = None  # of the sets that served versions were trained on
    plan: str | None = None  # the plan in force, for the models that serve
    store: str | None = None  # what a backup copies
    access: str | None = None  # people, roles and grants
    gateway_port: int = 0

    def digests(self, of: SubjectKind) -> frozenset[str] | None:
        if of == "model":
            return frozenset(self.models.values()) or None
        if of == "data":
            return self.data
        digest = {
            "settings": self.settings,
            "channels": self.channels,
            "plan": self.plan,
            "store": self.store,
            "access": self.access,
        }[of]
        return None if digest is None else frozenset({digest})


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All that a check may look at."""

    facts: Facts
    evidence: tuple[Evidence, ...]  # in any order
    now: float
    subjects: LiveSubjects | None = None  # None: nothing serves, so that age alone decides
    changes: dict[str, str] = {}  # by the id of a proof: which of its files has changed since
    revoked: frozenset[str] = frozenset()  # actors whose keys were revoked: what they signed proves nothing


Decide = Callable[[Situation], Outcome]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A question, from which level on it must be answered, and how it is decided."""

    id: str
    pitfall: Pitfall
    level: Level
    question: str
    why: str  # it matters; for the page of the check
    decide: Decide
    fix: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of proofs that decide it."""
        return (self.decide.kind,) if isinstance(self.decide, EvidenceRule) else ()


def required_at(level: Level, checks: Sequence[Check]) -> list[Check]:
    """The checks that a level asks for."""
    return [check for check in checks if LEVELS.index(check.level) <= LEVELS.index(level)]


def assess(
    situation: Situation,
    level: Level,
    checks: Sequence[Check],
    waivers: Sequence[Waiver] = (),
    pitfall: Pitfall | None = None,
) -> ReadinessReport:
    """Every required check with its verdict; a failed one decides before one that nobody can tell."""
    chosen = [check for check in required_at(level, checks) if pitfall is None or check.pitfall == pitfall]
    by_check = {waiver.check: waiver for waiver in sorted(waivers, key=lambda waiver: waiver.made_at)}
    reports = tuple(_report(check, situation, by_check.get(check.id)) for check in chosen)
    verdicts = {report.verdict for report in reports}
    verdict: Verdict = "no-go" if "fail" in verdicts else "cannot tell" if "cannot tell" in verdicts else "go"
    if verdict == "go" and "pass" not in verdicts and ("waived" in verdicts or not reports):
        verdict = "cannot tell"  # waivers alone say nothing of the deployment
    used = tuple(by_check[report.id] for report in reports if report.id in by_check)
    return ReadinessReport(verdict=verdict, level=level, checks=reports, waivers=used)


def _report(check: Check, situation: Situation, waiver: Waiver | None) -> ReadinessLine:
    found = check.decide(situation)
    if waiver is not None and found.verdict in ("fail", "cannot tell"):
        found = _apply_waiver(found, waiver, situation.now)
    return ReadinessLine(
        id=check.id,
        pitfall=check.pitfall,
        question=check.question,
        verdict=found.verdict,
        value=found.value,
        expected=found.expected,
        evidence=found.evidence,
        produced_at=found.produced_at,
        valid_until=found.valid_until,
        fix="" if found.verdict in ("pass", "not applicable") else check.fix,
    )


def _apply_waiver(found: Outcome, waiver: Waiver, now: float) -> Outcome:
    """Waived while it lasts; after that the check has failed: somebody promised to look again by then. So has it where
    the waiver lasts longer than `make_waiver` allows."""
    if waiver.until > min(waiver.made_at, now + CLOCK_SKEW_S) + LONGEST_WAIVER_S:  # a file that somebody wrote
        value = f"the waiver of {waiver.owner} lasts longer than {LONGEST_WAIVER_S / DAY_S:.0f} days; {found.value}"
        return msgspec.structs.replace(found, verdict="fail", value=value)
    if now >= waiver.until:
        value = f"the waiver of {waiver.owner} has expired; {found.value}"
        return msgspec.structs.replace(found, verdict="fail", value=value)
    value = f"waived by {waiver.owner}: {waiver.reason}; {found.value}"
    return msgspec.structs.replace(found, verdict="waived", value=value, valid_until=waiver.until)


def make_waiver(check: str, reason: str, owner: str, until: float, now: float, checks: Sequence[Check]) -> Waiver:
    """:raises UnknownName: no such check :raises InputError: no reason, or an end that has passed or is too far"""
    known = [item.id for item in checks]
    if check not in known:
        raise UnknownName("check", check, known)
    if len(reason.strip()) < 10:
        raise InputError(f"reason {reason!r}: expected a sentence that explains why the check can wait")
    if not now < until <= now + LONGEST_WAIVER_S:
        raise InputError(
            f"until: {(until - now) / DAY_S:.1f} days from now; expected a time within the next "
            f"{LONGEST_WAIVER_S / DAY_S:.0f} days, such as 30d"
        )
    return Waiver(check=check, reason=reason.strip(), owner=owner, made_at=now, until=until)


def refuse_full_waiver(waived: Collection[str], checks: Sequence[Check]) -> None:
    """:raises InputError: nothing would be left to look at, one waiver at a time, of some level"""
    for level in LEVELS:
        if all(check.id in waived for check in required_at(level, checks)):
            raise InputError(
                f"with this one every check of level {level} would be waived; expected one at least that is looked "
                "at: steward check end-waiver CHECK"
            )


# -- deciding by proofs ------------------------------------------------------------------------------


class EvidenceRule(msgspec.Struct, frozen=True, kw_only=True):
    """By the newest proof of a kind: passed, not too old, not expired, not from the future, and of what serves now."""

    kind: str
    max_age_days: float
    expected: str
    of: SubjectKind | None = None  # None: it is of nothing that can change here

    def __call__(self, situation: Situation) -> Outcome:
        proofs = [proof for proof in situation.evidence if proof.check == self.kind]
        live = None if situation.subjects is None or self.of is None else situation.subjects.digests(self.of)
        if live is not None and not live:
            return Outcome(verdict="not applicable", value="no served version names a training set")
        if not proofs:
            return Outcome(verdict="cannot tell", value="never done here", expected=self.expected)
        current = [proof for proof in proofs if live is None or proof.subject_digest in live]
        newest = max(current or proofs, key=lambda proof: proof.produced_at)
        ends = newest.produced_at + self.max_age_days * DAY_S
        valid_until = ends if newest.valid_until is None else min(ends, newest.valid_until)
        verdict, value = _judge_proof(newest, valid_until, situation.now)
        if self.of == "data" and live is not None and live - {proof.subject_digest for proof in current}:
            verdict, value = "cannot tell", f"not every one of {len(live)} sets; {newest.subject}: {newest.value}"
        if newest.id in situation.changes:
            verdict, value = "cannot tell", f"{newest.subject}: {situation.changes[newest.id]}; {newest.value}"
        if newest.signer in situation.revoked:
            verdict, value = "cannot tell", f"signed by {newest.signer}, which was revoked; {newest.value}"
        if not current:
            verdict, value = "cannot tell", f"{newest.subject}: not what serves now, or changed since; {newest.value}"
        return Outcome(
            verdict=verdict,
            value=value,
            expected=newest.expected or self.expected,
            evidence=(newest.id,),
            produced_at=newest.produced_at,
            valid_until=valid_until,
        )


def by_evidence(kind: str, max_age_days: float, expected: str = "", of: SubjectKind | None = None) -> EvidenceRule:
    """`of`: proofs of this are stale when it changes."""
    wanted = expected or f"passed within {max_age_days:g} days"
    return EvidenceRule(kind=kind, max_age_days=max_age_days, expected=wanted, of=of)


def list_evidence_kinds(checks: Sequence[Check]) -> tuple[str, ...]:
    """The kinds of proofs that decide about any of the checks."""
    return tuple(dict.fromkeys(kind for check in checks for kind in check.kinds))


def _judge_proof(proof: Evidence, valid_until: float, now: float) -> tuple[CheckVerdict, str]:
    if proof.produced_at > now + CLOCK_SKEW_S:
        return "cannot tell", f"dated in the future; {proof.value}"
    if now > valid_until:
        return "cannot tell", f"{(now - proof.produced_at) / DAY_S:.0f} days old; {proof.value}"
    return proof.verdict, f"{proof.subject}: {proof.value}"
