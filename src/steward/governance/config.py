"""The sections `approval_policy` and `fairness` of steward.yaml."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, field_validator, model_validator

from steward.configuration.section import Section
from steward.core.durations import parse_span_s
from steward.core.errors import InputError
from steward.core.excerpts import cut_text
from steward.governance.approval_policy import (
    AUDIT_CHECK,
    DAYS,
    GATE_CHECK,
    ApprovalPolicy,
    ApprovalsRequirement,
    Day,
    EvidenceRequirement,
    Requirement,
    WindowRequirement,
)
from steward.governance.fairness_schedule import FairnessAudit
from steward.text.swaps import swap_kinds


def _check_span(text: str) -> str:
    try:
        parse_span_s(text)
    except InputError as error:
        raise ValueError(str(error)) from None
    return text


def _check_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone {cut_text(name)!r}; expected a name such as UTC or Europe/Zurich") from None
    return name


SpanText = Annotated[str, AfterValidator(_check_span)]
ClockText = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]
PersonName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._@+-]{0,63}$")]
AccountText = Annotated[str, Field(pattern=r"^(operator:[0-9]+|(person:)?[A-Za-z0-9][^\s:]*)$", max_length=128)]
_FIELDS: Final = {
    "approvals": {"count", "valid"},
    "gate": {"within", "subject"},
    "audit": {"within"},
    "window": {"days", "start", "end", "timezone"},
}


class RequirementConfig(Section):
    """One thing that a change must meet."""

    kind: Literal["approvals", "gate", "audit", "window"] = Field(
        description="approvals: by people; gate: a passed evaluation; audit: a verified log; window: a time"
    )
    count: int = Field(1, ge=1, le=10, description="approvals: how many people other than the author")
    valid: SpanText = Field("7d", description="approvals: how long one counts")
    within: SpanText = Field("30d", description="gate, audit: how old the proof may be")
    subject: str = Field(
        "",
        description="gate: words that the name of what it judged must contain; of a release, its candidate by default",
    )
    days: list[Day] = Field(default=list(DAYS), min_length=1, description="window: days, such as mon")
    start: ClockText = Field("00:00", description="window: first minute, HH:MM")
    end: ClockText = Field("24:00", description="window: first minute after it, HH:MM")
    timezone: Annotated[str, AfterValidator(_check_timezone)] = Field("UTC", description="window: of its times")

    @model_validator(mode="after")
    def _check_fields(self) -> RequirementConfig:
        foreign = self.model_fields_set - {"kind"} - _FIELDS[self.kind]
        if foreign:
            takes = ", ".join(sorted(_FIELDS[self.kind]))
            raise ValueError(f"kind: {self.kind} takes no {', '.join(sorted(foreign))}; it takes {takes}")
        if _minute(self.start) >= _minute(self.end):
            raise ValueError(f"the window ends at {self.end}, before it starts at {self.start}; give two windows' days")
        return self

    def requirement(self) -> Requirement:
        if self.kind == "approvals":
            return ApprovalsRequirement(count=self.count, valid_s=parse_span_s(self.valid))
        if self.kind == "window":
            return WindowRequirement(
                days=tuple(self.days),
                start_minute=_minute(self.start),
                end_minute=_minute(self.end),
                timezone=self.timezone,
            )
        check = GATE_CHECK if self.kind == "gate" else AUDIT_CHECK
        return EvidenceRequirement(check=check, within_s=parse_span_s(self.within), subject=self.subject)


class FairnessAuditConfig(Section):
    """A counterfactual audit that the keeper repeats: the same questions, of one person and of another."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = Field(description="what it is called")
    suite: str = Field(
        min_length=1, description="built-in suite, or file; a relative one from the folder that home stands in"
    )
    model: str = Field(min_length=1, description="model or route that is asked, through the gateway and its guards")
    every: SpanText = Field("7d", description="how often, such as 7d")
    margin: float = Field(0.1, gt=0, le=1, description="how much answers may change with the person")
    swaps: list[str] = Field(default=[], description="gender, origin:GROUP or dialect:GROUP; all by default")

    @field_validator("swaps")
    @classmethod
    def _check_swaps(cls, swaps: list[str]) -> list[str]:
        for swap in swaps:
            if swap not in swap_kinds():
                raise ValueError(f"no swap {cut_text(swap)!r}; expected one of {', '.join(swap_kinds())}")
        return swaps

    def audit(self) -> FairnessAudit:
        return FairnessAudit(
            name=self.name,
            suite=self.suite,
            model=self.model,
            every_s=parse_span_s(self.every),
            margin=self.margin,
            swaps=tuple(self.swaps),
        )


class FairnessConfig(Section):
    """Whether answers change with the person who asks, again and again."""

    audits: list[FairnessAuditConfig] = Field(default=[], description="audits that the keeper repeats")

    @field_validator("audits")
    @classmethod
    def _check_names(cls, audits: list[FairnessAuditConfig]) -> list[FairnessAuditConfig]:
        names = [audit.name for audit in audits]
        if len(set(names)) < len(names):
            raise ValueError(f"two audits have the same name among {', '.join(names)}")
        return audits

    def plan(self) -> tuple[FairnessAudit, ...]:
        return tuple(item.audit() for item in self.audits)


class ApprovalPolicyConfig(Section):
    """What changes must meet before they serve; judged by the policy that serves, not by the one that is new."""

    settings: list[RequirementConfig] = Field(default=[], description="what a changed steward.yaml must meet")
    prompts: list[RequirementConfig] = Field(default=[], description="what a prompt must meet to be added or used")
    releases: list[RequirementConfig] = Field(
        default=[], description="what a candidate must meet before a release of it begins"
    )
    waivers: list[RequirementConfig] = Field(default=[], description="what a waiver of a check must meet")
    cards: list[RequirementConfig] = Field(default=[], description="what people's words on a card must meet")
    people: dict[PersonName, list[AccountText]] = Field(
        default={}, description="accounts of one person, who counts once: `anna: [operator:1000, corp/8f3a]`"
    )

    @field_validator("people")
    @classmethod
    def _check_people(cls, people: dict[str, list[str]]) -> dict[str, list[str]]:
        accounts = [account.removeprefix("person:") for listed in people.values() for account in listed]
        twice = sorted({account for account in accounts if accounts.count(account) > 1 or account in people})
        if twice:
            raise ValueError(f"{', '.join(twice)}: named twice; expected each account under one person")
        return people

    def policy(self) -> ApprovalPolicy:
        return ApprovalPolicy(
            settings=tuple(item.requirement() for item in self.settings),
            prompts=tuple(item.requirement() for item in self.prompts),
            releases=tuple(item.requirement() for item in self.releases),
            waivers=tuple(item.requirement() for item in self.waivers),
            cards=tuple(item.requirement() for item in self.cards),
            people={name: tuple(map(_name_account, accounts)) for name, accounts in self.people.items()},
        )


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _name_account(text: str) -> str:
    return text if text.startswith(("operator:", "person:")) else f"person:{text}"
