"""The gateway's sections of steward.yaml: `gateway`, `models`, `routes`, `limits`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")]
SecretReference = Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]


class Section(BaseModel):
    """Frozen; unknown keys are errors; a value that is refused is not repeated (it may be a secret)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class GatewayConfig(Section):
    """The listening port and the limits of one request."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    workers: int | None = Field(None, ge=1, le=256, description="processes; one per core by default")
    max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    drain_s: float = Field(30.0, ge=0, description="how long open streams may finish after SIGTERM")
    connect_timeout_s: float = Field(5.0, gt=0)
    first_byte_timeout_s: float = Field(120.0, gt=0)
    idle_timeout_s: float = Field(60.0, gt=0)
    total_timeout_s: float = Field(600.0, gt=0, description="of one upstream call, the SDKs' default")


class PriceConfig(Section):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class ModelConfig(Section):
    """One model: embedded (a GGUF file), or at any URL that speaks OpenAI's or Anthropic's dialect."""

    name: Name
    backend: Literal["embedded", "openai", "anthropic"]
    path: str | None = Field(None, description="embedded: the GGUF file; the starter model by default")
    url: str | None = Field(
        None, pattern=r"^https?://", description="openai: the server's base URL; anthropic: Anthropic's own by default"
    )
    key: SecretReference | None = Field(None, description="openai, anthropic: env:NAME or file:PATH")
    upstream_model: str | None = Field(None, description="openai, anthropic: the model's name there")
    speaks: list[Literal["responses", "messages"]] = Field(
        default=[],
        description="openai: what the server answers itself beside chat completions; the rest is translated",
    )
    price: PriceConfig | None = None
    context: int = Field(2048, ge=64, description="embedded: tokens per slot")
    slots: int = Field(8, ge=1, le=256, description="embedded: requests at the same time")
    threads: int | None = Field(None, ge=1, description="embedded: all cores but one by default")

    @model_validator(mode="after")
    def _whole(self) -> ModelConfig:
        if self.backend == "openai" and not self.url:
            raise ValueError("a model with backend: openai needs a url")
        if self.backend == "embedded" and (self.url or self.key):
            raise ValueError("a model with backend: embedded takes path, not url or key")
        if self.backend != "openai" and self.speaks:
            raise ValueError("speaks is for backend: openai; the others speak one dialect")
        return self


class TargetConfig(Section):
    model: Name
    weight: float = Field(1.0, gt=0)


class RouteConfig(Section):
    """What clients ask for as `model`, and the models behind it."""

    name: Name
    targets: list[TargetConfig] = Field(min_length=1)
    fallback: list[Name] = Field(default=[])


class LimitConfig(Section):
    requests_per_minute: int | None = Field(None, ge=1)


class LimitsConfig(Section):
    """Limits of keys that have none of their own."""

    default: LimitConfig = LimitConfig()
