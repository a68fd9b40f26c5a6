"""One typed tree, steward.yaml, composed of each capability's Config.

Precedence: defaults < file < environment (`STEWARD_GATEWAY__PORT`) < command line. Decides where each value
came from and says so in errors. Knows nothing of what the values do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml
from pydantic import Field, model_validator

from steward.configuration.section import SecretReference, Section
from steward.configuration.tls import TlsConfig
from steward.configuration.validation import validate
from steward.configuration.yaml_lines import read_mapping
from steward.core.access import SessionLimits
from steward.core.addresses import hide_url_secrets, is_address
from steward.core.errors import InputError, UnknownName
from steward.gateway.capture_config import CaptureConfig
from steward.gateway.config import (
    BatchesConfig,
    GatewayConfig,
    LimitsConfig,
    ModelConfig,
    PromptConfig,
    RouteConfig,
)
from steward.governance.config import ApprovalPolicyConfig, FairnessConfig
from steward.guardrails.config import GuardConfig
from steward.improvement.config import ImproveConfig, RegistryConfig, ReleaseConfig
from steward.monitoring.calendar_config import CalendarConfig
from steward.monitoring.config import MonitoringConfig
from steward.monitoring.slo_config import SloConfig
from steward.privacy.config import PrivacyConfig
from steward.privacy.rights_config import PersonalFilesConfig, ProcessorConfig, RetentionConfig
from steward.security.config import AuditConfig, KeysConfig, SecurityConfig, SignInConfig

FILE = "steward.yaml"
HIDDEN: Final = "hidden"  # what stands where a secret may
_APART = frozenset({"STEWARD_KEY"})  # read by the client commands, not a setting


SESSIONS: Final = SessionLimits()


class ConsoleConfig(Section):
    """The status page's port."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 serves other machines")
    port: int = Field(8081, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    tls: TlsConfig | None = Field(
        None, description="as gateway.tls, which holds here too where host is open to other machines"
    )
    sign_in: SignInConfig | None = Field(None, description="an identity provider that people sign in at")
    session_s: float = Field(
        SESSIONS.longest_s, ge=60, le=30 * 86400, description="how long somebody who has signed in stays so at most"
    )
    idle_s: float = Field(
        SESSIONS.idle_s,
        ge=60,
        le=30 * 86400,
        description="how long a session lives after the last request; what open pages ask by themselves does not count",
    )

    def sessions(self) -> SessionLimits:
        return SessionLimits(longest_s=self.session_s, idle_s=self.idle_s)


class StoreConfig(Section):
    """Where settled requests are kept."""

    kind: Literal["sqlite", "postgresql"] = Field("sqlite", description="a file in home, or a server")
    url: SecretReference | None = Field(None, description="postgresql: env:NAME or file:PATH of the connection URL")

    @model_validator(mode="after")
    def _check_complete(self) -> StoreConfig:
        if self.kind == "postgresql" and not self.url:
            raise ValueError("kind: postgresql needs a url, env:NAME or file:PATH of the connection URL")
        if self.kind == "sqlite" and self.url:
            raise ValueError("kind: sqlite takes no url, it is a file in home; did you mean kind: postgresql?")
        return self

    def reference(self) -> str | None:
        """Where the URL of a server is to be found; None: a file in home."""
        return str(self.url) if self.url else None


class Settings(Section):
    """steward.yaml, whole. Every section is optional."""

    home: str = Field(".steward", description="data folder, relative to this file")
    watch: bool = Field(True, description="serve this file when it changes; without it, after `steward reload`")
    gateway: GatewayConfig = Field(GatewayConfig.defaults(), description="the port that clients use")
    console: ConsoleConfig = Field(ConsoleConfig.defaults(), description="the port of the status page")
    models: list[ModelConfig] = Field(default=[], description="what answers; the starter where there is none")
    routes: list[RouteConfig] = Field(default=[], description="names for several models; each model is one by itself")
    prompts: list[PromptConfig] = Field(default=[], description="prompts that routes name")
    limits: LimitsConfig = Field(LimitsConfig.defaults(), description="what keys, teams and models may use")
    batches: BatchesConfig = Field(
        BatchesConfig.defaults(), description="requests that are answered when there is time"
    )
    privacy: PrivacyConfig = Field(PrivacyConfig.defaults(), description="personal data that models must not see")
    guards: list[GuardConfig] = Field(default=[], description="rules about what is asked and answered")
    capture: CaptureConfig = Field(
        CaptureConfig.defaults(), description="requests and answers that are kept with their texts"
    )
    retention: RetentionConfig = Field(RetentionConfig.defaults(), description="how long data about people are kept")
    processors: list[ProcessorConfig] = Field(default=[], description="who processes personal data for you, and where")
    personal_files: list[PersonalFilesConfig] = Field(
        default=[], description="files outside the home in which people may stand"
    )
    monitoring: MonitoringConfig = Field(MonitoringConfig.defaults(), description="what is watched, and who is told")
    slos: list[SloConfig] = Field(default=[], description="service level objectives")
    calendar: CalendarConfig = Field(CalendarConfig.defaults(), description="what must be renewed in time, and by whom")
    store: StoreConfig = Field(StoreConfig.defaults(), description="where keys and settled requests are kept")
    security: SecurityConfig = Field(SecurityConfig.defaults(), description="the key that everything sealed hangs on")
    keys: KeysConfig = Field(KeysConfig.defaults(), description="gateway keys")
    approval_policy: ApprovalPolicyConfig = Field(
        ApprovalPolicyConfig.defaults(), description="what changes of settings and prompts must meet before they serve"
    )
    fairness: FairnessConfig = Field(
        FairnessConfig.defaults(), description="audits of whether people are treated alike"
    )
    release: ReleaseConfig = Field(
        ReleaseConfig.defaults(), description="how a new version takes over, and what takes it back"
    )
    improve: ImproveConfig = Field(
        ImproveConfig.defaults(), description="when a better model is trained, and by which commands"
    )
    registry: RegistryConfig = Field(RegistryConfig.defaults(), description="versions of models")
    audit: AuditConfig = Field(AuditConfig.defaults(), description="the log of administrative acts")

    @model_validator(mode="after")
    def _objectives_are_remembered(self) -> Settings:
        for slo in self.slos:
            if slo.window_days > self.monitoring.keep_hours_for_days:
                raise ValueError(
                    f"slo {slo.name} looks back {slo.window_days} days, and series of hours are kept for "
                    f"{self.monitoring.keep_hours_for_days}; raise monitoring.keep_hours_for_days"
                )
        return self

    @model_validator(mode="after")
    def _masked_captures_are_masked(self) -> Settings:
        masked = [number for number, rule in enumerate(self.capture.rules) if rule.text == "masked"]
        if masked and self.privacy.policy() is None:
            raise ValueError(
                f"capture.rules.{masked[0]} keeps masked texts, and privacy.profile is off, so that nothing is masked; "
                "set privacy.profile: default, or keep what clients send: text: as_sent"
            )
        return self

    def effective_models(self) -> list[ModelConfig]:
        """The configured models, or the starter where there is none."""
        return self.models or [ModelConfig(name="starter", backend="embedded")]


class LoadedSettings(msgspec.Struct, frozen=True):
    """Settings, where each value came from ("gateway.port" → "steward.yaml:3"), and the file."""

    settings: Settings
    origins: dict[str, str]
    path: Path | None


def load_settings(
    path: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> LoadedSettings:
    """Read, merge and check the settings.

    `path` must exist when given; without it `steward.yaml` in `folder` is read if there is one.
    :raises InputError: with file, line, key and the next step
    """
    file = path or (folder or Path.cwd()) / FILE
    tree: dict[str, Any] = {}
    origins: dict[str, str] = {}
    words: dict[str, str] = {}  # what YAML takes for truth values, as it was written
    if path is not None or file.exists():
        tree, lines = read_mapping(file, such_as="gateway")
        words |= lines.words
        origins.update({dotted: f"{file.name}:{line}" for dotted, line in lines.items()})
    for dotted, value, origin in (*_from_environment(environ), *_from_command(overrides or {})):
        _set_value(tree, dotted, value, origin)
        origins[dotted] = origin
        if isinstance(value, bool) and origin.startswith("environment"):
            words[dotted] = environ[origin.removeprefix("environment ")]
    settings = validate(Settings, tree, lambda dotted: _find_origin(dotted, origins, file), words)
    _check_ports(settings, origins, file)
    _check_names(settings, origins, file)
    return LoadedSettings(settings, origins, file if file.exists() else None)


def resolve_home(loaded: LoadedSettings) -> Path:
    """The data folder, absolute; relative ones stand beside the file."""
    base = loaded.path.parent if loaded.path else Path.cwd()
    asked = loaded.origins.get("home", "")
    if asked == "command line" or asked.startswith("environment"):
        base = Path.cwd()
    return (base / loaded.settings.home).absolute()


def hide_secret(key: str, value: Any) -> Any:
    """The value of a dotted key as it may be shown: a header may be a secret itself, and an address may hold one."""
    if not isinstance(value, str):
        return value
    if ".headers." in f".{key}":
        return HIDDEN
    return hide_url_secrets(value) if is_address(value) else value


def list_values(settings: Settings, origins: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    """Every value, as it may be shown, with its dotted key and origin."""

    def descend(prefix: str, value: object) -> Iterator[tuple[str, object, str]]:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                yield from descend(f"{prefix}.{key}" if prefix else key, inner)
        elif isinstance(value, list) and value:
            for index, inner in enumerate(value):
                yield from descend(f"{prefix}.{index}", inner)
        else:
            yield prefix, hide_secret(prefix, value), origins.get(prefix, "default")

    yield from descend("", settings.model_dump(mode="json"))


def build_json_schema() -> dict[str, Any]:
    """JSON Schema of steward.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}


# -- reading -----------------------------------------------------------------------------------------


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    sections = Settings.model_fields
    for name, value in sorted(environ.items()):
        if not name.startswith("STEWARD_") or name in _APART:
            continue
        dotted = name.removeprefix("STEWARD_").lower().replace("__", ".")
        if dotted.partition(".")[0] not in sections and "__" not in name:
            continue  # a variable of somebody else's
        yield dotted, yaml.safe_load(value), f"environment {name}"


def _from_command(overrides: Mapping[str, object]) -> Iterator[tuple[str, object, str]]:
    for dotted, value in overrides.items():
        yield dotted, value, "command line"


def _set_value(tree: dict[str, Any], dotted: str, value: object, origin: str) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        inner = tree.get(parent)
        if inner is None:
            inner = tree[parent] = {}
        if not isinstance(inner, dict):
            raise InputError(f"{origin}: {dotted}: '{parent}' is not a section with keys")
        tree = inner
    tree[last] = value


# -- places -------------------------------------------------------------------------------------------


def _find_origin(dotted: str, origins: Mapping[str, str], file: Path) -> str:
    """The origin of the key, or of the nearest section around it."""
    while dotted:
        if dotted in origins:
            origin = origins[dotted]
            return str(file.with_name(origin)) if origin.startswith(f"{file.name}:") else origin
        dotted = dotted.rpartition(".")[0]
    return str(file)


_PORT_OPTIONS: Final = {"gateway.port": "--port", "console.port": "--console-port"}


def _check_ports(settings: Settings, origins: Mapping[str, str], file: Path) -> None:
    """:raises InputError: the gateway and the console would listen on one port, by what was written where"""
    port, hosts = settings.gateway.port, {settings.gateway.host, settings.console.host}
    if not port or port != settings.console.port or not (len(hosts) == 1 or hosts & {"0.0.0.0", "::"}):
        return
    written = []
    for dotted, option in _PORT_OPTIONS.items():
        origin = origins.get(dotted, "the default")
        place = _find_origin(dotted, origins, file) if dotted in origins else origin
        written.append(option if origin == "command line" else f"{dotted} ({place})")
    raise InputError(f"{' and '.join(written)} are both {port}; choose another port for one of them")


def _check_names(settings: Settings, origins: Mapping[str, str], file: Path) -> None:
    """Models, routes and prompts have one name each, and routes lead to models that exist."""
    names = [model.name for model in settings.effective_models()]
    routes, prompts = [route.name for route in settings.routes], [prompt.name for prompt in settings.prompts]
    objectives = [slo.name for slo in settings.slos]
    for kind, listed in (("model", names), ("route", routes), ("prompt", prompts), ("slo", objectives)):
        for index, name in enumerate(listed):
            if name in listed[:index]:
                where = _find_origin(f"{kind}s.{index}.name", origins, file)
                raise InputError(f"{where}: two {kind}s are called {name!r}; names must differ")
    for number, item in enumerate(settings.routes):
        used = [(f"targets.{index}.model", target.model) for index, target in enumerate(item.targets)]
        used += [(f"fallback.{index}", name) for index, name in enumerate(item.fallback)]
        used += [("shadow.model", item.shadow.model)] if item.shadow else []
        used += item.fallback_on.places()
        for key, name in used:
            if name not in names:
                where = _find_origin(f"routes.{number}.{key}", origins, file)
                raise UnknownName(f"model (in route {item.name!r})", name, names, where)
    if settings.release.judge is not None and settings.release.judge.model not in names:
        where = _find_origin("release.judge.model", origins, file)
        raise UnknownName("model (in release.judge)", settings.release.judge.model, names, where)
    _check_embedder(settings, names, origins, file)
    for number, slo in enumerate(settings.slos):
        for key, wanted, known in (("model", slo.model, names), ("route", slo.route, [*names, *routes])):
            if wanted is not None and wanted not in known:
                where = _find_origin(f"slos.{number}.{key}", origins, file)
                raise UnknownName(f"{key} (in slo {slo.name!r})", wanted, known, where)


def _check_embedder(settings: Settings, names: Sequence[str], origins: Mapping[str, str], file: Path) -> None:
    """:raises InputError: drift is to be found with a model that does not exist, or makes no embeddings"""
    wanted = settings.monitoring.drift.embeddings
    if wanted is None:
        return
    where = _find_origin("monitoring.drift.embeddings", origins, file)
    if wanted not in names:
        raise UnknownName("model (in monitoring.drift.embeddings)", wanted, names, where)
    model = next(one for one in settings.effective_models() if one.name == wanted)
    if model.backend == "anthropic" or (model.backend == "embedded" and model.embeddings is None):
        raise InputError(
            f"{where}: model {wanted!r} answers no /v1/embeddings; name one with backend: openai, or an embedded one "
            "with embeddings: mean"
        )
