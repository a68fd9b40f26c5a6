"""What goes to an upstream: the client's bytes where it speaks the client's dialect, a translation otherwise.

Also decides which fields the gateway puts in that the client did not send, and what stands in the place of those that
an upstream does not take (`refused_fields.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from steward.core.errors import Refused
from steward.gateway import dialects, numbers, shapes
from steward.gateway.dialects import CHAT, MESSAGES, RESPONSES, Translation, embedded_completions
from steward.gateway.exchange import Exchange
from steward.gateway.models import OPENAI_ENDPOINTS, ModelEntry
from steward.gateway.numbers import check_numbers, find_whole_numbers
from steward.gateway.passthrough import PASSTHROUGH
from steward.gateway.refused_fields import OTHER_NAME
from steward.gateway.shapes import check_embedded, check_shapes
from steward.gateway.stored_responses import KeptAnswer
from steward.gateway.text_fields import Json
from steward.gateway.wire import MAXIMA, bad_request, rename_field, request_usage, rewrite

EMBEDDINGS: Final = "/v1/embeddings"
NOTHING_AVOIDED: Final[frozenset[str]] = frozenset()
_OPTIONAL: Final = ("stream_options", "reasoning_effort")  # that a translation puts in and an answer does not depend on

_CHECKED: Final = {  # of a request to an embedded model
    endpoint: numbers.CHECKED.get(endpoint, NOTHING_AVOIDED) | names for endpoint, names in shapes.CHECKED.items()
} | {EMBEDDINGS: numbers.CHECKED[EMBEDDINGS]}
_raw_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class UpstreamModel(Protocol):
    """What a request to a model depends on; see `models.ModelEntry`."""

    @property
    def name(self) -> str: ...

    @property
    def upstream_model(self) -> str: ...

    @property
    def endpoints(self) -> frozenset[str]: ...

    @property
    def embedded(self) -> bool: ...


class Outgoing:
    """What goes to an engine, and how its answer comes back."""

    __slots__ = ("added", "asked", "body", "dropped", "embedded", "endpoint", "maximum", "translation")

    def __init__(self, endpoint: str, body: bytes, translation: Translation | None = None, asked: Any = None) -> None:
        self.endpoint, self.body, self.translation = endpoint, body, translation
        self.asked: Json = asked or {}
        self.dropped: list[str] = []  # paths of what the translation left out
        self.maximum: int | None = None  # tokens of the answer, which the translation had to set
        self.embedded = False  # to an engine of our own, whose answers lack fields
        self.added: tuple[
            str, ...
        ] = ()  # fields that only the gateway has put in, and could leave out or call otherwise


def build_outgoing(exchange: Exchange, entry: UpstreamModel, avoided: frozenset[str] = NOTHING_AVOIDED) -> Outgoing:
    """`avoided`: fields that the upstream does not take, to be left out where the client did not send them.

    :raises Refused: 400 where there is no way to ask this upstream
    """
    translation = find_way(exchange.endpoint, entry)
    if translation is None and entry.embedded:
        translation = _prepare_embedded(exchange)
    if translation is None:
        outgoing = _pass_on(exchange, entry, avoided)
        outgoing.embedded = entry.embedded
        return outgoing
    try:
        asked = msgspec.json.decode(exchange.body)
        check_numbers(exchange.endpoint, asked)
        asked |= find_whole_numbers(exchange.endpoint, asked)
        check_shapes(exchange.endpoint, asked)
        if entry.embedded:
            check_embedded(exchange.endpoint, asked)
        dropped: list[str] = []
        translated = translation.translate_request(asked, dropped)
        translated["model"] = entry.upstream_model
        if exchange.endpoint == RESPONSES:
            _note_kept(asked, dropped, exchange.kept)
        added = _adapt(translated, asked, avoided) if translation.upstream == CHAT else ()
        outgoing = Outgoing(translation.upstream, msgspec.json.encode(translated), translation, asked)
        outgoing.dropped, outgoing.added, outgoing.embedded = dropped, added, entry.embedded
        if translation.upstream == MESSAGES and not any(asked.get(name) for name in MAXIMA):
            outgoing.maximum = translated["max_tokens"]
        return outgoing
    except RecursionError as error:
        raise bad_request("The request body is nested too deeply to be translated.") from error


def find_way(endpoint: str, entry: UpstreamModel) -> Translation | None:
    """How a model is reached by requests of `endpoint`; None where it answers them itself.

    :raises Refused: 400 where there is no way
    """
    if endpoint == EMBEDDINGS and CHAT in entry.endpoints and EMBEDDINGS not in entry.endpoints:
        raise bad_request(
            f"Model '{entry.name}' does not serve embeddings: set 'embeddings: mean' for it in steward.yaml, or "
            "use a model that serves them.",
            param="model",
            code="embeddings_not_enabled",
        )
    return dialects.find_translation(endpoint, entry.endpoints)


def check_endpoint(endpoint: str, entry: ModelEntry) -> None:
    """Whether a model has an endpoint depends on the request alone: what is found here holds also while it is down.

    :raises Refused: 400, the model does not have it
    """
    if endpoint not in PASSTHROUGH:
        find_way(endpoint, entry)
    elif not entry.passes_through:
        raise bad_request(
            f"Model '{entry.name}' does not support {endpoint}; it needs a model with backend: openai.",
            "model",
            "unsupported_endpoint",
        )


def has_endpoint(endpoint: str, entry: ModelEntry) -> bool:
    """Whether a model can be asked what came to `endpoint`."""
    try:
        check_endpoint(endpoint, entry)
    except Refused:
        return False
    return True


def list_serving(endpoint: str, names: Sequence[str], models: Mapping[str, ModelEntry]) -> tuple[str, ...]:
    """Those of the models `names` that have the endpoint, in their order.

    :raises Refused: 400 where none has it, with what the first says
    """
    serving, refusal = [], None
    for name in names:
        try:
            check_endpoint(endpoint, models[name])
        except Refused as error:
            refusal = refusal or error
        else:
            serving.append(name)
    if refusal is not None and not serving:
        try:
            raise refusal
        finally:  # what is raised holds this frame
            del refusal
    return tuple(serving)


def _note_kept(asked: Json, dropped: list[str], kept: KeptAnswer | None) -> None:
    """Let the answer say whether it is kept."""
    asked["store"] = kept is not None
    if kept is not None:
        asked["previous_response_id"] = kept.previous
        if "store" in dropped:
            dropped.remove("store")


def _prepare_embedded(exchange: Exchange) -> Translation | None:
    """What adapts a request that llama.cpp cannot answer as OpenAI's API does. :raises Refused: 400, a field"""
    endpoint = exchange.endpoint
    names = exchange.fields & _CHECKED.get(endpoint, NOTHING_AVOIDED)
    try:
        raw = _raw_fields.decode(exchange.body)
        fields = {name: msgspec.json.decode(raw[name]) for name in names}
    except RecursionError as error:  # from further down the stack than where the body was read
        raise bad_request("The request body is nested too deeply; the limit is about 900 levels.") from error
    check_numbers(endpoint, fields)
    check_shapes(endpoint, fields)
    check_embedded(endpoint, fields)
    if endpoint != "/v1/completions":
        return None
    needed = embedded_completions.is_needed(exchange.fields, exchange.request.max_tokens)
    return dialects.EMBEDDED_COMPLETIONS if needed else None


def _pass_on(exchange: Exchange, entry: UpstreamModel, avoided: frozenset[str]) -> Outgoing:
    """The client's bytes, changed only for another model name upstream, a maximum, or to ask for usage."""
    body = exchange.body
    added: tuple[str, ...] = ()
    if entry.upstream_model != exchange.request.model:
        body = rewrite(body, {"model": entry.upstream_model})
    if exchange.request.stream and exchange.endpoint in OPENAI_ENDPOINTS:
        options = exchange.request.stream_options
        exchange.asked_usage = bool(options and options.include_usage)
        if not exchange.asked_usage and "stream_options" not in avoided:
            body = request_usage(body)
            added = ("stream_options",)
    elif exchange.enforced_maximum is not None and exchange.endpoint == CHAT:
        name = "max_completion_tokens"
        if name in avoided and "max_tokens" not in avoided:
            body = rename_field(body, name, "max_tokens")
        elif "max_tokens" not in avoided:
            added = (name,)
    outgoing = Outgoing(exchange.endpoint, body)
    outgoing.added = added
    return outgoing


def _adapt(translated: Json, asked: Json, avoided: Collection[str]) -> tuple[str, ...]:
    """Leave out or rename what the upstream does not take. -> what is still there by our choice"""
    added: list[str] = []
    for field in _OPTIONAL:
        if field in translated and field not in asked:
            if field in avoided:
                del translated[field]
            else:
                added.append(field)
    for name, other in OTHER_NAME.items():
        if name in translated and other not in avoided:
            if name in avoided:
                translated[other] = translated.pop(name)
            else:
                added.append(name)
            break
    return tuple(added)
