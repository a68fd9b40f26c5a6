"""The gateway's sections of steward.yaml: `gateway`, `models`, `routes`, `prompts`, `limits`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from steward.configuration.section import NetworkText, SecretReference, Section, Url
from steward.configuration.tls import TlsConfig
from steward.core.appeals import APPEAL_DAYS
from steward.core.errors import UnknownName
from steward.core.records import LimitSpec
from steward.core.timeouts import ClientTimeouts, Timeouts
from steward.gateway.batch import BatchPlan
from steward.gateway.cors import CorsPolicy, normalise_origin
from steward.gateway.first_event import HEARTBEAT_S
from steward.gateway.health_plan import HealthPlan
from steward.gateway.limit_table import LimitTable
from steward.gateway.pricing.prices import ImagePrice, Prices, Tier
from steward.gateway.queue_records import QueuePlan
from steward.gateway.route_records import ErrorFallbacks, Route, Shadow, Target, Unreadable
from steward.gateway.stored_responses import ResponseStorePlan

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")]
PromptName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
RESERVED_HEADERS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "upgrade", "te"}
)

HEALTH: Final = HealthPlan()  # the records own their defaults
UPSTREAM: Final = Timeouts()
CLIENT: Final = ClientTimeouts()
QUEUE: Final = QueuePlan()
CORS: Final = CorsPolicy()
TARGET: Final = Target("")
TOTAL_S: Final = 1200.0  # two tries of a whole answer at its longest
ROUTE: Final = Route("", ())
PRICES: Final = Prices(input=0, output=0)
BATCHES: Final = BatchPlan()
LIMIT_TABLE: Final = LimitTable()
RESPONSES_STORE: Final = ResponseStorePlan()


class HealthConfig(Section):
    """When a model is left alone; each worker decides for itself."""

    consecutive_failures: int = Field(
        HEALTH.consecutive_failures, ge=1, description="in a row that open a model's breaker"
    )
    error_rate: float = Field(HEALTH.error_rate, gt=0, le=1, description="in the window that opens it too")
    minimum_requests: int = Field(HEALTH.minimum_requests, ge=1, description="in the window before rates mean anything")
    window_s: float = Field(HEALTH.window_s, gt=0, description="how far back a model's requests count")
    open_s: float = Field(HEALTH.open_s, gt=0, description="before one request probes; doubles up to 8 times this")
    ejected_share: float = Field(
        HEALTH.ejected_share, ge=0, le=1, description="of a route's targets that may be ejected as outliers"
    )
    retry_ratio: float = Field(
        HEALTH.retry_ratio, ge=0, le=1, description="retries of a model as a share of its requests"
    )

    def plan(self) -> HealthPlan:
        return HealthPlan(**self.model_dump())


class CorsConfig(Section):
    """Which web pages may call the gateway from a browser; none by default."""

    origins: list[str] = Field(
        default=[],
        description="such as https://app.example.com; https://*.example.com for any subdomain, http://localhost:* for "
        "any port, null for pages without an origin, * for every page",
    )
    credentials: bool = Field(
        CORS.credentials,
        description="whether browsers may send cookies along; not with * or null, and keys need it not",
    )
    max_age_s: int = Field(CORS.max_age_s, ge=0, description="how long a browser may remember what it was told")

    @field_validator("origins")
    @classmethod
    def _normalised(cls, origins: list[str]) -> list[str]:
        return [normalise_origin(origin) for origin in origins]

    @model_validator(mode="after")
    def _cautious(self) -> CorsConfig:
        anybody = [origin for origin in self.origins if origin in ("*", "null")]
        if self.credentials and anybody:
            raise ValueError(f"credentials: true would let any page act as the user; name origins, not {anybody[0]!r}")
        return self

    def policy(self) -> CorsPolicy:
        return CorsPolicy(tuple(self.origins), self.credentials, self.max_age_s)


class ResponsesStoreConfig(Section):
    """Answers of /v1/responses that later requests may refer to, sealed under the root key."""

    keep_s: float = Field(
        RESPONSES_STORE.keep_s, ge=0, le=30 * 86400, description="how long each is kept; 0 keeps none and deletes all"
    )
    max_bytes: int = Field(
        RESPONSES_STORE.max_bytes, ge=1024 * 1024, description="of all together; the oldest are deleted first"
    )

    def plan(self) -> ResponseStorePlan:
        return ResponseStorePlan(keep_s=self.keep_s, max_bytes=self.max_bytes)


class GatewayConfig(Section):
    """The listening port and the limits of one request."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 serves other machines")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    tls: TlsConfig | None = Field(
        None, description="`auto`, or certificate and key; needed where host is open to other machines"
    )
    workers: int | None = Field(None, ge=1, le=256, description="processes; one per core by default")
    max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024, description="a longer request is refused with 413")
    trusted_proxies: list[NetworkText] = Field(
        default=[],
        description="networks of proxies in front, whose X-Forwarded-For is believed where a key names networks",
    )
    drain_s: float = Field(30.0, ge=0, description="how long open streams may finish after SIGTERM")
    connect_timeout_s: float = Field(
        UPSTREAM.connect_s, gt=0, description="how long connecting to an upstream may take"
    )
    first_byte_timeout_s: float = Field(
        UPSTREAM.first_byte_s, gt=0, description="how long an upstream may take to begin a stream"
    )
    idle_timeout_s: float = Field(UPSTREAM.idle_s, gt=0, description="how long an upstream's stream may pause")
    whole_timeout_s: float = Field(
        UPSTREAM.whole_s,
        gt=0,
        description="how long an answer that is not streamed may take; streams have no limit",
    )
    total_timeout_s: float = Field(
        TOTAL_S, gt=0, description="how long all tries of a request may take until its answer begins"
    )
    heartbeat_s: float = Field(
        HEARTBEAT_S,
        gt=0,
        description="a stream that has no event by then gets its headers, status 200, and a comment every so often",
    )
    receive_timeout_s: float = Field(
        CLIENT.receive_s,
        gt=0,
        description="how long a request may take to arrive; a second longer for every 500 bytes of it, at most six "
        "times as long",
    )
    send_timeout_s: float = Field(CLIENT.send_s, gt=0, description="how long a client may take no byte of its answer")
    keep_alive_timeout_s: int = Field(
        CLIENT.keep_alive_s,
        ge=1,
        le=3600,
        description="how long a connection may lie idle between two requests; longer than a load balancer in front "
        "keeps its own, or that one sends requests into connections that have just been closed",
    )
    concurrency: int = Field(
        QUEUE.concurrency, ge=1, description="requests of one route at the same time, over all workers"
    )
    queue: int = Field(QUEUE.queue, ge=0, description="requests of one route that may wait")
    queue_wait_s: float = Field(QUEUE.wait_s, ge=0, description="longest wait; who would wait longer gets 503 at once")
    health: HealthConfig = Field(HealthConfig.defaults(), description="when a model counts as ill")
    cors: CorsConfig = Field(CorsConfig.defaults(), description="which web pages may call from a browser")
    appeal_days: int = Field(
        APPEAL_DAYS, ge=1, le=365, description="until a person has decided on an appeal (GDPR, Article 12(3): a month)"
    )
    disclose: bool = Field(True, description="x-ai-generated: true on what a model has made (EU AI Act, Article 50)")
    responses_store: ResponsesStoreConfig = Field(
        ResponsesStoreConfig.defaults(), description="answers of /v1/responses that later requests may refer to"
    )

    def timeouts(self) -> Timeouts:
        return Timeouts(self.connect_timeout_s, self.first_byte_timeout_s, self.idle_timeout_s, self.whole_timeout_s)

    def client_timeouts(self) -> ClientTimeouts:
        return ClientTimeouts(self.receive_timeout_s, self.send_timeout_s, self.keep_alive_timeout_s)

    def queue_plan(self) -> QueuePlan:
        return QueuePlan(self.concurrency, self.queue, self.queue_wait_s)


class PriceTierConfig(Section):
    """Prices of the whole request once its input is long; US dollars per million tokens."""

    above_tokens: int = Field(ge=1, description="input tokens from which on these prices hold")
    input: float = Field(ge=0, description="input tokens")
    output: float = Field(ge=0, description="output tokens")
    cached_input: float | None = Field(None, ge=0, description="read from the provider's cache; as below the tier")
    cache_write: float | None = Field(None, ge=0, description="written to the provider's cache; as below the tier")
    cache_write_1h: float | None = Field(None, ge=0, description="written to it for an hour; as cache_write")


class ImagePriceConfig(Section):
    """US dollars for one generated picture of this size and quality."""

    size: str = Field("", max_length=32, description="such as 1024x1024; any size where it is left out")
    quality: str = Field("", max_length=32, description="such as hd; any quality where it is left out")
    usd: float = Field(ge=0, description="US dollars for one picture")


class PriceConfig(Section):
    """US dollars per million tokens; a kind of token without a price of its own costs what its whole costs."""

    input: float = Field(ge=0, description="US dollars per million input tokens")
    output: float = Field(ge=0, description="US dollars per million output tokens")
    cached_input: float | None = Field(None, ge=0, description="input that was read from the provider's cache")
    cache_write: float | None = Field(None, ge=0, description="input that was written to the provider's cache")
    cache_write_1h: float | None = Field(None, ge=0, description="written to it for an hour; as cache_write otherwise")
    reasoning: float | None = Field(None, ge=0, description="output that was thought and not said")
    audio_input: float | None = Field(None, ge=0, description="input tokens of sounds")
    audio_output: float | None = Field(None, ge=0, description="output tokens of sounds")
    image_input: float | None = Field(None, ge=0, description="input tokens of pictures for /v1/images/edits")
    per_request_usd: float = Field(PRICES.per_request_usd, ge=0, description="US dollars for each request")
    per_image_usd: float | None = Field(None, ge=0, description="US dollars for each picture that is generated")
    image_prices: list[ImagePriceConfig] = Field(default=[], description="of pictures by size and quality")
    per_audio_second_usd: float | None = Field(None, ge=0, description="US dollars for each second of sound heard")
    per_million_characters_usd: float | None = Field(None, ge=0, description="US dollars for a million spoken letters")
    per_search_usd: float | None = Field(None, ge=0, description="US dollars for each search of /v1/rerank")
    batch_factor: float = Field(
        PRICES.batch_factor, ge=0, le=1, description="what requests of a batch cost, relative to these prices"
    )
    flex_factor: float = Field(
        PRICES.flex_factor, ge=0, description="what tokens of the service tier flex cost, relative to these prices"
    )
    priority_factor: float = Field(
        PRICES.priority_factor, ge=0, description="what tokens of the service tier priority cost, relative to these"
    )
    tiers: list[PriceTierConfig] = Field(default=[], description="prices of long requests, by rising above_tokens")

    @model_validator(mode="after")
    def _check_tiers(self) -> PriceConfig:
        lengths = [tier.above_tokens for tier in self.tiers]
        if lengths != sorted(set(lengths)):
            raise ValueError("tiers must have rising above_tokens, each once")
        return self

    def prices(self) -> Prices:
        values = self.model_dump(exclude={"tiers", "image_prices"})
        return Prices(
            **values,
            tiers=tuple(Tier(**tier.model_dump()) for tier in self.tiers),
            image_prices=tuple(ImagePrice(**item.model_dump()) for item in self.image_prices),
        )


class UpstreamTlsConfig(Section):
    """How a model's server is checked, and what it is shown."""

    ca: str | None = Field(None, description="PEM file: authorities to trust instead of the system's")
    certificate: str | None = Field(None, description="PEM file: the client certificate, for servers that ask for one")
    key: str | None = Field(None, description="PEM file: the client certificate's private key, without a passphrase")

    @model_validator(mode="after")
    def _check_complete(self) -> UpstreamTlsConfig:
        if (self.certificate is None) != (self.key is None):
            raise ValueError(f"{'certificate' if self.key else 'key'} is missing; a certificate needs its key")
        return self


TAKES: Final = {  # what only some back ends take
    "embedded": frozenset({"path", "context", "slots", "threads", "embeddings"}),
    "openai": frozenset({"url", "key", "headers", "tls", "upstream_model", "speaks", "metrics_url"}),
    "anthropic": frozenset({"url", "key", "headers", "tls", "upstream_model"}),
}


class ModelConfig(Section):
    """One model: embedded (a GGUF file), or at any URL that speaks OpenAI's or Anthropic's dialect."""

    name: Name = Field(description="what clients ask for as `model`")
    backend: Literal["embedded", "openai", "anthropic"] = Field(
        description="a GGUF file served here, or a server's URL"
    )
    path: str | None = Field(None, description="embedded: the GGUF file; the starter model by default")
    url: Url | None = Field(
        None,
        description="openai: the server's base URL, as OpenAI's SDK takes it; anthropic: Anthropic's own by default",
    )
    key: SecretReference | None = Field(None, description="openai, anthropic: env:NAME or file:PATH")
    headers: dict[HeaderName, str] = Field(
        default={},
        description="openai, anthropic: sent with every request; a value may be env:NAME or file:PATH",
    )
    tls: UpstreamTlsConfig | None = Field(None, description="openai, anthropic: of a url that begins with https")
    upstream_model: str | None = Field(None, description="openai, anthropic: the model's name there")
    speaks: list[Literal["responses", "messages"]] = Field(
        default=[],
        description="openai: what the server answers itself beside chat completions; the rest is translated",
    )
    metrics_url: Url | None = Field(
        None,
        description="openai: where vLLM, SGLang, TGI, llama.cpp or Triton tells its metrics, such as http://HOST:8000/metrics",
    )
    price: PriceConfig | None = Field(
        None, description="what its tokens cost; the shipped list price of a known provider by default, else none"
    )
    direct: bool | None = Field(
        None,
        description="whether clients may ask for it by name; by default unless a route with a prompt uses it",
    )
    unreadable: Unreadable = Field(
        ROUTE.unreadable,
        description="sounds and pictures that a guard cannot read: refuse them, or let them pass",
    )
    context: int = Field(2048, ge=64, description="embedded: tokens per slot")
    slots: int = Field(8, ge=1, le=256, description="embedded: requests at the same time")
    threads: int | None = Field(None, ge=1, description="embedded: all cores but one by default")
    embeddings: Literal["mean", "cls", "last", "model"] | None = Field(
        None,
        description="embedded: answer /v1/embeddings too, pooling tokens so; `model` as the file says; off by default",
    )

    @model_validator(mode="after")
    def _check_complete(self) -> ModelConfig:
        if self.backend == "openai" and not self.url:
            raise ValueError("a model with backend: openai needs a url")
        if self.tls is not None and str(self.url or "https:").startswith("http:"):
            raise ValueError("tls is for a url that begins with https://; this one begins with http://")
        for name in sorted(self.model_fields_set):
            backends = [backend for backend, names in TAKES.items() if name in names]
            if backends and self.backend not in backends:
                fitting = " or ".join(backends)
                raise ValueError(
                    f"{name} is for backend: {fitting}; a model with backend: {self.backend} does not take it"
                )
        for name, value in self.headers.items():
            if name.lower() in RESERVED_HEADERS:
                raise ValueError(f"headers: {name} is set by the gateway; leave it out")
            if not value.isprintable():
                raise ValueError(f"headers: the value of {name} has a line end or another control character")
        if len({name.lower() for name in self.headers}) < len(self.headers):
            raise ValueError("headers: two names differ only in capitals, which mean nothing in a header; keep one")
        return self


class TargetConfig(Section):
    """One model of a route and its share."""

    model: Name = Field(description="a name under models")
    weight: float = Field(TARGET.weight, gt=0, description="its share of the requests, relative to the other targets'")


class ShadowConfig(Section):
    """A model that sees a share of the requests, without tools, and whose answers nobody gets."""

    model: Name = Field(description="a name under models")
    sample: float = Field(1.0, ge=0, le=1, description="share of the requests")


class ExampleConfig(Section):
    """One question and the answer that the model should give to it."""

    user: str = Field(min_length=1, description="what a user might say")
    assistant: str = Field(min_length=1, description="how the model should answer")


class PromptConfig(Section):
    """A prompt that routes name."""

    name: PromptName = Field(description="what routes call it")
    system: str | None = Field(None, min_length=1, description="the system message")
    examples: list[ExampleConfig] = Field(default=[], description="few-shot examples, before the client's messages")

    @model_validator(mode="after")
    def _check_complete(self) -> PromptConfig:
        if self.system is None and not self.examples:
            raise ValueError("a prompt needs a system message, examples, or both")
        return self


class RoutePromptConfig(Section):
    """The prompt of a route: a name (and version), or written out here."""

    name: PromptName | None = Field(None, description="of `prompts`, or of one kept by `steward prompts`")
    version: str | None = Field(None, description="with name: this version; the one in use by default")
    system: str | None = Field(None, min_length=1, description="the system message, without name")
    examples: list[ExampleConfig] = Field(default=[], description="few-shot examples, without name")
    mode: Literal["prepend", "replace", "default"] = Field(
        "prepend", description="where the client sends a system message too: ours first, ours only, or theirs only"
    )

    @model_validator(mode="after")
    def _check_complete(self) -> RoutePromptConfig:
        written = self.system is not None or bool(self.examples)
        if (self.name is not None) == written:
            raise ValueError("a route's prompt takes either name, or system and examples")
        if self.version is not None and self.name is None:
            raise ValueError("version goes with name")
        return self


FallbackRule = bool | list[Name]


class FallbackOnConfig(Section):
    """Who is asked after an error that another model might not give. `true`: the other models of the route; a list:
    these models instead; `false`: nobody, the client gets the error.
    """

    context: FallbackRule = Field(True, description="the request is too long for the model")
    content_filter: FallbackRule = Field(True, description="the provider's content filter refused the request")
    quota: FallbackRule = Field(True, description="the account has no credit or quota left")
    auth: FallbackRule = Field(True, description="the provider rejects the key, or it lacks a right")
    model: FallbackRule = Field(True, description="the provider does not know the model")
    unsupported: FallbackRule = Field(True, description="the model cannot take a field, a picture, or tools")

    def places(self) -> list[tuple[str, str]]:
        """Where a model is named, and which."""
        rules = ((field, getattr(self, field)) for field in type(self).model_fields)
        named = ((field, rule) for field, rule in rules if not isinstance(rule, bool))
        return [(f"fallback_on.{field}.{index}", name) for field, rule in named for index, name in enumerate(rule)]

    def fallbacks(self) -> ErrorFallbacks:
        rules = {field: rule if isinstance(rule, bool) else tuple(rule) for field, rule in self}
        return ErrorFallbacks(**rules)


class RouteConfig(Section):
    """What clients ask for as `model`, and the models behind it."""

    name: Name = Field(description="what clients ask for as `model`")
    targets: list[TargetConfig] = Field(min_length=1, description="the models that share its requests")
    fallback: list[Name] = Field(default=[], description="tried in this order when no target answers")
    fallback_on: FallbackOnConfig = Field(
        FallbackOnConfig.defaults(), description="errors after which others are asked too"
    )
    choice: Literal["weighted", "least_loaded", "lowest_latency"] = Field(ROUTE.choice, description="among the targets")
    sticky: Literal["none", "subject", "conversation"] = Field(ROUTE.sticky, description="same target for the same one")
    retries: int = Field(ROUTE.retries, ge=0, le=5, description="further tries after every model has failed")
    shadow: ShadowConfig | None = Field(None, description="a model that sees copies")
    concurrency: int | None = Field(None, ge=1, description="instead of gateway.concurrency")
    queue: int | None = Field(None, ge=0, description="instead of gateway.queue")
    unreadable: Unreadable = Field(
        ROUTE.unreadable,
        description="sounds and pictures that a guard cannot read: refuse them, or let them pass",
    )
    prompt: RoutePromptConfig | None = Field(None, description="what the gateway puts before the client's messages")

    @model_validator(mode="after")
    def _check_targets(self) -> RouteConfig:
        names = [target.model for target in self.targets]
        if len(set(names)) < len(names):
            raise ValueError("two targets are the same model; keep one, with the sum of the weights")
        return self

    def route(self) -> Route:
        """As it is served, but for its prompt."""
        return Route(
            name=self.name,
            targets=tuple(Target(target.model, target.weight) for target in self.targets),
            fallback=tuple(self.fallback),
            choice=self.choice,
            sticky=self.sticky,
            retries=self.retries,
            shadow=Shadow(self.shadow.model, self.shadow.sample) if self.shadow else None,
            concurrency=self.concurrency,
            queue=self.queue,
            error_fallbacks=self.fallback_on.fallbacks(),
            unreadable=self.unreadable,
        )


class LimitConfig(Section):
    """What may be used; days and months are UTC's."""

    requests_per_minute: int | None = Field(None, ge=1, description="in any 60 seconds")
    tokens_per_minute: int | None = Field(None, ge=1, description="input and output together")
    concurrent: int | None = Field(None, ge=1, description="requests at the same time")
    usd_per_day: float | None = Field(None, ge=0, description="needs a price on every model that can be reached")
    usd_per_month: float | None = Field(None, ge=0, description="needs a price on every model that can be reached")

    def spec(self) -> LimitSpec:
        return LimitSpec(**self.model_dump())


class LimitsConfig(Section):
    """What keys, teams and routes may use; a request must fit into all that apply to it."""

    default: LimitConfig = Field(LimitConfig.defaults(), description="of each key, where it has none of its own")
    teams: dict[str, LimitConfig] = Field(default={}, description="by the team of the key: all its keys together")
    models: dict[str, LimitConfig] = Field(default={}, description="by model or route, all keys together")
    max_output_tokens: int = Field(
        LIMIT_TABLE.max_output_tokens,
        ge=1,
        description="of an answer that is not streamed and names no maximum, where tokens or money are limited",
    )
    valkey: SecretReference | None = Field(
        None, description="env:NAME or file:PATH of a redis:// URL, to share the counts between machines"
    )

    def table(self, served: Sequence[str], skip_others: bool = False) -> LimitTable:
        """`served`: the names of models and routes; with `skip_others`, limits of others are left out.

        :raises UnknownName: limits of another one
        """
        for name in self.models:
            if name not in served and not skip_others:
                raise UnknownName("model or route (in limits.models)", name, served)
        return LimitTable(
            default=self.default.spec(),
            teams={name: item.spec() for name, item in self.teams.items()},
            models={name: item.spec() for name, item in self.models.items() if name in served},
            max_output_tokens=self.max_output_tokens,
        )


class BatchesConfig(Section):
    """`/v1/batches`: requests that are answered when there is time; what they cost is `price.batch_factor`."""

    concurrency: int = Field(BATCHES.concurrency, ge=1, le=1024, description="requests of batches at the same time")
    max_requests: int = Field(BATCHES.max_requests, ge=1, description="requests of one batch")
    max_tenant_bytes: int = Field(
        BATCHES.max_tenant_bytes, ge=1024, description="that the files of one tenant may take, answers included"
    )
    keep_days: float = Field(BATCHES.keep_days, gt=0, description="before files and ended batches are deleted")

    def plan(self) -> BatchPlan:
        return BatchPlan(**self.model_dump())
