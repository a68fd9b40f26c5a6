"""What a change must meet before it is made, decided one requirement at a time, each with the reason and the next step.

Pure: evidence, decisions and the time are handed over. A requirement that cannot be judged is not met.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from steward.core.approvals import ApprovalDecision, ChangeKind
from steward.core.evidence import Evidence
from steward.governance.readiness import CLOCK_SKEW_S

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GATE_CHECK: Final = "evaluation.gate"
AUDIT_CHECK: Final = "audit.verify"


class ApprovalsRequirement(msgspec.Struct, frozen=True, kw_only=True, tag="approvals", tag_field="kind"):
    """So many people who are not its authors approved it in the last `valid_s` seconds, and nobody rejected it."""

    count: int = 1
    valid_s: float = 7 * 86400.0


class EvidenceRequirement(msgspec.Struct, frozen=True, kw_only=True, tag="evidence", tag_field="kind"):
    """The newest proof of a kind passed, not longer ago than `within_s`."""

    check: str
    within_s: float
    subject: str = ""  # words that the proof's subject must contain: "starter" is not in "model starter-2"


class WindowRequirement(msgspec.Struct, frozen=True, kw_only=True, tag="window", tag_field="kind"):
    """It is one of these days, between two times of day."""

    days: tuple[Day, ...] = DAYS
    start_minute: int = 0  # of the day
    end_minute: int = 24 * 60
    timezone: str = "UTC"


Requirement = ApprovalsRequirement | EvidenceRequirement | WindowRequirement


class ApprovalPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The requirements of each kind of change; none: the change is free."""

    settings: tuple[Requirement, ...] = ()
    prompts: tuple[Requirement, ...] = ()
    releases: tuple[Requirement, ...] = ()
    waivers: tuple[Requirement, ...] = ()
    cards: tuple[Requirement, ...] = ()
    people: dict[str, tuple[str, ...]] = {}  # whose accounts are one person's: "anna": ("person:corp/8f3a",)

    def requirements(self, kind: ChangeKind) -> tuple[Requirement, ...]:
        return {
            "settings": self.settings,
            "prompt": self.prompts,
            "release": self.releases,
            "waiver": self.waivers,
            "card": self.cards,
        }[kind]


class ChangeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides about one change."""

    request_id: str
    digest: str
    authors: frozenset[str]
    decisions: tuple[ApprovalDecision, ...]
    evidence: tuple[Evidence, ...]  # newest first
    now: float
    revoked: frozenset[str] = frozenset()  # actors whose keys were revoked: what they signed proves nothing
    candidates: frozenset[str] | None = None  # names and digests of what a release would serve; None: no release, or
    # not known yet. A gate that names no subject must have judged one of them.


class RequirementResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one requirement came out, and what to do where it is not met."""

    requirement: str
    met: bool
    because: str
    next: str = ""


def identify_person(account: str, people: Mapping[str, Sequence[str]]) -> str:
    """The person behind an account: as the policy says, else the same subject at whatever place it signs in.

    >>> identify_person("operator:1000", {"anna": ("operator:1000",)}), identify_person("person:corp/bob", {})
    ('person:anna', 'person:bob')
    """
    for name, accounts in people.items():
        if account in accounts:
            return f"person:{name}"
    kind, _, subject = account.partition(":")
    provider, _, at_provider = subject.partition("/")
    return f"{kind}:{at_provider or provider}" if kind == "person" else account


def judge_change(requirements: Iterable[Requirement], facts: ChangeFacts) -> tuple[RequirementResult, ...]:
    """Each requirement, in the order of the policy."""
    return tuple(_judge(requirement, facts) for requirement in requirements)


def _judge(requirement: Requirement, facts: ChangeFacts) -> RequirementResult:
    if isinstance(requirement, ApprovalsRequirement):
        return _judge_approvals(requirement, facts)
    if isinstance(requirement, EvidenceRequirement):
        return _judge_evidence(requirement, facts)
    return _judge_window(requirement, facts.now)


def _judge_approvals(requirement: ApprovalsRequirement, facts: ChangeFacts) -> RequirementResult:
    latest = latest_decisions(facts.decisions, facts.digest)
    valid = [item for item in latest if facts.now - item.at <= requirement.valid_s and item.person not in facts.authors]
    rejected = sorted(item.person for item in latest if item.verdict == "reject")
    approved = sorted(item.person for item in valid if item.verdict == "approve")
    expired = sum(item.verdict == "approve" and facts.now - item.at > requirement.valid_s for item in latest)
    people = "person" if requirement.count == 1 else "people"
    words = f"approved by {requirement.count} {people} other than {', '.join(sorted(facts.authors)) or 'the author'}"
    if rejected:
        return RequirementResult(
            requirement=words, met=False, because=f"rejected by {', '.join(rejected)}", next="change it and ask again"
        )
    because = f"approved by {', '.join(approved) or 'nobody'}" + (f"; {expired} expired" if expired else "")
    if len(approved) >= requirement.count:
        return RequirementResult(requirement=words, met=True, because=because)
    return RequirementResult(
        requirement=words, met=False, because=because, next=f"others run: steward approve {facts.request_id}"
    )


def latest_decisions(decisions: Iterable[ApprovalDecision], digest: str) -> list[ApprovalDecision]:
    """The latest decision of each person about this digest, by person."""
    latest: dict[str, ApprovalDecision] = {}
    for item in sorted(decisions, key=lambda item: item.at):
        if item.digest == digest:
            latest[item.person] = item
    return [latest[person] for person in sorted(latest)]


def _judge_evidence(requirement: EvidenceRequirement, facts: ChangeFacts) -> RequirementResult:
    days = requirement.within_s / 86400
    candidates = _find_candidates(requirement, facts)
    subject = requirement.subject or _name_candidates(candidates or frozenset())
    about = f" of {subject}" if subject else ""
    words = f"{requirement.check}{about} passed within {days:g} days"
    newest = _find_newest(facts.evidence, requirement, candidates)
    how = "steward audit verify" if requirement.check == AUDIT_CHECK else "steward eval gate"
    if newest is None and candidates is not None:
        return _refuse_foreign_gate(requirement, facts.evidence, candidates, words)
    if newest is None:
        return RequirementResult(requirement=words, met=False, because="there is no such proof", next=f"run: {how}")
    age = facts.now - newest.produced_at
    ended = newest.valid_until is not None and newest.valid_until < facts.now
    if newest.verdict != "pass":
        because = f"the newest proof says: {newest.verdict} ({newest.value})"
    elif newest.signer in facts.revoked:
        because = f"the newest proof was signed by {newest.signer}, which was revoked"
    elif age < -CLOCK_SKEW_S:
        because = "the newest proof is dated in the future"
    elif age > requirement.within_s or ended:
        because = f"the newest proof is {age / 86400:.1f} days old" + (" and has expired" if ended else "")
    else:
        judged = f"{_name_judged(newest)}: " if newest.check == GATE_CHECK else ""
        because = f"{judged}{newest.value}, {age / 86400:.1f} days ago"
        return RequirementResult(requirement=words, met=True, because=because)
    return RequirementResult(requirement=words, met=False, because=because, next=f"run again: {newest.command or how}")


def _find_candidates(requirement: EvidenceRequirement, facts: ChangeFacts) -> frozenset[str] | None:
    """What a gate must have judged; None: whatever the policy's `subject` says, or anything."""
    return None if requirement.check != GATE_CHECK or requirement.subject else facts.candidates


def _find_newest(
    evidence: Sequence[Evidence], requirement: EvidenceRequirement, candidates: frozenset[str] | None = None
) -> Evidence | None:
    words = re.compile(rf"(?<![\w.-]){re.escape(requirement.subject)}(?![\w.-])" if requirement.subject else "")
    fitting = [
        one
        for one in evidence
        if one.check == requirement.check
        and words.search(_name_judged(one))
        and (candidates is None or not candidates.isdisjoint({_name_judged(one), one.subject_digest}))
    ]
    return max(fitting, key=lambda one: one.produced_at, default=None)


def _name_judged(proof: Evidence) -> str:
    """What a proof is of: of a gate's two models, the candidate alone."""
    return proof.subject.partition(" in place of ")[0] if proof.check == GATE_CHECK else proof.subject


def _name_candidates(candidates: frozenset[str]) -> str:
    """By their names; by a digest only what has no name."""
    names = sorted(one for one in candidates if not one.startswith("sha256:"))
    return " or ".join(names or sorted(candidates))


def _refuse_foreign_gate(
    requirement: EvidenceRequirement, evidence: Sequence[Evidence], candidates: frozenset[str], words: str
) -> RequirementResult:
    """No gate has judged what would be released."""
    if not candidates:
        because, further = "the request does not say what would be released", "ask again with steward release start"
    else:
        newest = _find_newest(evidence, requirement)
        other = "" if newest is None else f"; the newest one is of {_name_judged(newest)}"
        because = f"no gate has judged {_name_candidates(candidates)}{other}"
        further = "run: steward eval gate, with a run of it as --candidate; or name another `subject` in the policy"
    return RequirementResult(requirement=words, met=False, because=because, next=further)


def _judge_window(requirement: WindowRequirement, now: float) -> RequirementResult:
    local = datetime.fromtimestamp(now, ZoneInfo(requirement.timezone))
    day, minute = DAYS[local.weekday()], local.hour * 60 + local.minute
    words = (
        f"on {', '.join(requirement.days)} from {format_minute(requirement.start_minute)} "
        f"to {format_minute(requirement.end_minute)} ({requirement.timezone})"
    )
    inside = day in requirement.days and requirement.start_minute <= minute < requirement.end_minute
    return RequirementResult(
        requirement=words,
        met=inside,
        because=f"it is {day} {format_minute(minute)}",
        next="" if inside else "wait until then",
    )


def format_minute(minute: int) -> str:
    """
    >>> format_minute(545), format_minute(1440)
    ('09:05', '24:00')
    """
    return f"{minute // 60:02d}:{minute % 60:02d}"
