"""The section `monitoring` of steward.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec
from pydantic import Field, model_validator

from steward.configuration.section import AnyUrl, SecretReference, Section, Url
from steward.core.alerts import Severity
from steward.core.calendar import CalendarPlan
from steward.core.reactions import PER_PERSON
from steward.monitoring.drift_config import DriftConfig, DriftPlan
from steward.monitoring.slo import SloPlan
from steward.monitoring.traces_config import TracesConfig, TracesPlan

ChannelKind = Literal["webhook", "slack", "pagerduty", "email", "apprise"]


class ChannelPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to tell. `url`, `key` and `password` may be references to secrets."""

    name: str
    kind: ChannelKind
    url: str | None = None
    key: str | None = None
    to: tuple[str, ...] = ()
    sender: str = "steward@localhost"
    user: str | None = None
    password: str | None = None
    severities: tuple[Severity, ...] = ("page", "ticket")
    fallback: str | None = None  # the channel that is told where this one does not take it


class MonitoringPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the keeper watches, and whom it tells."""

    rules: str | None = None  # a file; None: those that come with steward
    channels: tuple[ChannelPlan, ...] = ()
    repeat_s: float = 14400.0
    heartbeat: str | None = None  # a URL, or a reference to one
    page: str = ""  # address of the console, for links
    ratings_per_person: int = PER_PERSON  # that count on a UTC day
    keep_minutes_for_days: int = 8  # of series
    keep_hours_for_days: int = 100
    keep_days_for_days: int = 800
    slos: tuple[SloPlan, ...] = ()
    traces: TracesPlan = TracesPlan()
    drift: DriftPlan = DriftPlan()
    calendar: CalendarPlan = CalendarPlan()


_KEPT: Final = MonitoringPlan()
_EXAMPLES: Final = {"email": "smtp://localhost:25", "apprise": "env:APPRISE_URL"}
_SCHEMES: Final = {"email": ("smtp", "smtps", "env", "file"), "http": ("http", "https", "env", "file")}


class ChannelConfig(Section):
    """One channel that alerts are told on."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="name of the channel")
    kind: ChannelKind = Field(description="webhook (Alertmanager's JSON), slack, pagerduty, email or apprise")
    url: SecretReference | Url | AnyUrl | None = Field(
        None,
        description="address, or env:NAME or file:PATH of it; email: smtp://HOST:PORT or smtps://HOST:PORT; "
        "apprise: a URL of Apprise",
    )
    key: SecretReference | None = Field(
        None, description="pagerduty: routing key; webhook: bearer token (env:NAME or file:PATH)"
    )
    to: list[str] = Field(default=[], description="email: recipients")
    sender: str = Field("steward@localhost", description="email: address that messages come from")
    user: str | None = Field(None, description="email: user name at the server")
    password: SecretReference | None = Field(None, description="email: password at the server (env:NAME or file:PATH)")
    severities: list[Severity] = Field(
        default=["page", "ticket"], description="which alerts are told: page, ticket; []: only as another's fallback"
    )
    fallback: str | None = Field(None, description="name of the channel that is told after this one failed four times")

    @model_validator(mode="after")
    def _whole(self) -> ChannelConfig:
        example = _EXAMPLES.get(self.kind, "https://HOST/PATH, or env:NAME")
        if self.kind != "pagerduty" and not self.url:
            raise ValueError(f"kind: {self.kind} needs a url, such as {example}")
        scheme = str(self.url or "").partition(":")[0]
        wanted = _SCHEMES["email"] if self.kind == "email" else _SCHEMES["http"]
        if self.kind != "apprise" and scheme and scheme not in wanted:
            raise ValueError(f"kind: {self.kind} takes no url of {scheme}://; expected one such as {example}")
        if self.kind == "pagerduty" and not self.key:
            raise ValueError("kind: pagerduty needs a key, env:NAME or file:PATH of the routing key")
        if self.kind == "email" and not self.to:
            raise ValueError("kind: email needs recipients, such as to: [ops@example.org]")
        if self.kind != "email" and (of_mail := {"to", "sender", "user", "password"} & self.model_fields_set):
            raise ValueError(f"kind: {self.kind} takes no {', '.join(sorted(of_mail))}; only email does")
        if self.kind in ("slack", "email", "apprise") and self.key:
            raise ValueError(f"kind: {self.kind} takes no key")
        return self

    def plan(self) -> ChannelPlan:
        return ChannelPlan(
            name=self.name,
            kind=self.kind,
            url=str(self.url) if self.url else None,
            key=self.key,
            to=tuple(self.to),
            sender=self.sender,
            user=self.user,
            password=self.password,
            severities=tuple(self.severities),
            fallback=self.fallback,
        )


class MonitoringConfig(Section):
    """What is watched, and who is told."""

    rules: str | None = Field(None, description="file of alert rules, relative to this one; unset: steward's own")
    channels: list[ChannelConfig] = Field(default=[], description="whom alerts are told")
    repeat_s: float = Field(14400.0, ge=60, description="an alert that goes on is told again after this long")
    heartbeat: Url | SecretReference | None = Field(
        None, description="URL that is asked every minute, so that somebody else notices when steward is down"
    )

    ratings_per_person: int = Field(
        _KEPT.ratings_per_person, ge=1, le=1000, description="ratings of one person that count on a UTC day"
    )
    keep_minutes_for_days: int = Field(
        _KEPT.keep_minutes_for_days, ge=4, le=3660, description="days for which series of minutes are kept"
    )
    keep_hours_for_days: int = Field(
        _KEPT.keep_hours_for_days, ge=4, le=3660, description="days for which series of hours are kept"
    )
    keep_days_for_days: int = Field(
        _KEPT.keep_days_for_days, ge=4, le=3660, description="days for which series of days are kept"
    )

    traces: TracesConfig = Field(TracesConfig.defaults(), description="requests whose timelines are kept")
    drift: DriftConfig = Field(DriftConfig.defaults(), description="features of requests that drift is found in")

    @model_validator(mode="after")
    def _coarser_series_are_kept_longer(self) -> MonitoringConfig:
        if not self.keep_minutes_for_days <= self.keep_hours_for_days <= self.keep_days_for_days:
            raise ValueError(
                f"series of minutes are kept for {self.keep_minutes_for_days} days, of hours for "
                f"{self.keep_hours_for_days} and of days for {self.keep_days_for_days}; expected each at least as long "
                "as the one before it"
            )
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> MonitoringConfig:
        names = [channel.name for channel in self.channels]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two channels are named {name}; give each a name of its own")
        return self

    @model_validator(mode="after")
    def _fallbacks_lead_to_an_end(self) -> MonitoringConfig:
        following = {channel.name: channel.fallback for channel in self.channels}
        for channel in self.channels:
            if channel.fallback is not None and channel.fallback not in following:
                raise ValueError(
                    f"the fallback of channel {channel.name} is {channel.fallback!r}, which is none of the channels "
                    f"{', '.join(following)}"
                )
            if not channel.severities and channel.name not in following.values():
                raise ValueError(
                    f"channel {channel.name} is told nothing: its severities are empty and it is nobody's fallback; "
                    "remove it, or write severities: [page, ticket]"
                )
        for name in following:
            passed, after = {name}, following[name]
            while after is not None and after not in passed:
                passed.add(after)
                after = following[after]
            if after is not None:
                raise ValueError(f"the fallbacks of channel {name} lead back to {after}; leave one of them out")
        return self

    def plan(self, page: str) -> MonitoringPlan:
        """`page` is the console's address."""
        return MonitoringPlan(
            rules=str(Path(self.rules).absolute()) if self.rules else None,
            channels=tuple(channel.plan() for channel in self.channels),
            repeat_s=self.repeat_s,
            heartbeat=str(self.heartbeat) if self.heartbeat else None,
            page=page,
            ratings_per_person=self.ratings_per_person,
            keep_minutes_for_days=self.keep_minutes_for_days,
            keep_hours_for_days=self.keep_hours_for_days,
            keep_days_for_days=self.keep_days_for_days,
            traces=self.traces.plan(),
            drift=self.drift.plan(),
        )
