"""The endpoints whose bodies pass as they are: sounds, pictures, moderations, reranking. Pure.

One row of `PASSTHROUGH` for each says what it takes, what of it no guard can read, and in which units it is counted.
The units are estimated from the request, as the most that it can be, for limits and budgets; what the upstream tells in
its answer takes their place. Fields and units: OpenAI API reference, "Create speech", "Create transcription", "Create
image", "Create moderation"; Cohere API reference, "Rerank" (a search is a query with up to 100 documents), which vLLM,
Jina and llama.cpp answer too.
"""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.gateway.field_names import read_field_names
from steward.gateway.form import FORM, Form, missing_field, parse_form, text_fields
from steward.gateway.media import measure_parts
from steward.gateway.pricing.prices import Counts, MeasuredUsage, Prices, has_unit_price
from steward.gateway.wire import JSON, MAX_CHOICES, bad_request, decode_request, rewrite

JSON_TYPE: Final = JSON.decode()
Unread = Literal["", "request", "answer", "request and answer"]

TOKENS_PER_AUDIO_SECOND_IN: Final = 10  # OpenAI, "Managing costs": one for each 100 ms
TOKENS_PER_AUDIO_SECOND_OUT: Final = 20  # there: one for each 50 ms
CHARACTERS_PER_SPOKEN_SECOND: Final = 15  # 150 words a minute of 6 characters
LEAST_AUDIO_BYTES_PER_SECOND: Final = 1_000  # 8 kbit/s, below what speech is sent at; a file is never longer than this
COMMON_AUDIO_BYTES_PER_SECOND: Final = 8_000  # 64 kbit/s; used for what a transcript without a usage is billed
MOST_AUDIO_S: Final = 24 * 3600.0
MOST_IMAGE_TOKENS: Final = 6_240  # of one picture: OpenAI's table for 1024x1536 at high quality
COMMON_IMAGE_TOKENS: Final = 1_056  # there, for 1024x1024 at medium quality
DOCUMENTS_PER_SEARCH: Final = 100
BYTES_PER_TOKEN: Final = 4


class PassthroughEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What one of these endpoints takes and counts."""

    path: str
    upstream: str = ""  # the endpoint that is asked; the same where it is empty
    body: Literal["json", "form"]
    unread: Unread = ""  # what no guard can read
    required: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # of a form; the first is required
    default_model: str | None = None  # what the API takes where the request names no model
    answers: Literal["json", "text", "bytes"] = "json"  # text: JSON or a plain transcript
    estimate: Callable[[PassthroughRequest], Counts]

    @property
    def content_type(self) -> str:
        return FORM if self.body == "form" else JSON_TYPE


class PassthroughRequest:
    """One request: its fields, and what it may use at most."""

    __slots__ = (
        "answer_bytes",
        "answered",
        "content_type",
        "counts",
        "endpoint",
        "fields",
        "form",
        "model",
        "report",
        "user",
    )

    def __init__(self, endpoint: PassthroughEndpoint, fields: Mapping[str, Any], form: Form | None) -> None:
        self.endpoint, self.fields, self.form = endpoint, fields, form
        model = fields.get("model") or endpoint.default_model
        if not isinstance(model, str):
            raise missing_field("model") if model is None else bad_request("'model' must be a string.", "model")
        self.model = model
        user = fields.get("user")
        self.user = user if isinstance(user, str) else None
        self.content_type = JSON_TYPE
        self.counts = endpoint.estimate(self)  # at most
        # the call, from what the upstream sends
        self.answered = False  # an answer has begun
        self.report: AnswerReport | None = None
        self.answer_bytes = 0

    @property
    def wants_events(self) -> bool:
        """Whether the answer is to come as server-sent events."""
        return self.fields.get("stream") in (True, "true", "True", "1") or self.fields.get("stream_format") == "sse"

    def size(self, name: str) -> int:
        """Bytes of a text field, or of all texts in a list or an object."""
        return _text_bytes(self.fields.get(name))

    def count(self, name: str) -> int:
        """A field that is a number of answers, 1 where it is absent. :raises Refused: 400, out of range"""
        value = self.fields.get(name)
        if value is None:
            return 1
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = 0
        if not 1 <= number <= MAX_CHOICES or isinstance(value, bool):
            raise bad_request(f"{name} must be between 1 and {MAX_CHOICES}, not {cut_text(value)}.", name)
        return number


def read_request(endpoint: PassthroughEndpoint, body: bytes, content_type: str) -> PassthroughRequest:
    """:raises Refused: 400, naming the field that is wrong"""
    if endpoint.body == "json":
        decode_request("", _with_model(body, endpoint))
        read_field_names(body)
        fields, form = msgspec.json.decode(body), None
    else:
        form = parse_form(body, content_type)
        fields = text_fields(form)
        _check_files(endpoint, form)
    for name in endpoint.required:
        if fields.get(name) in (None, ""):
            raise missing_field(name)
    request = PassthroughRequest(endpoint, fields, form)
    request.content_type = content_type if form is not None else JSON_TYPE
    return request


def _with_model(body: bytes, endpoint: PassthroughEndpoint) -> bytes:
    """The API's default model, put in where none is named, so that everything else is checked as ever."""
    if endpoint.default_model is None or b'"model"' in body:
        return body
    try:
        return rewrite(body, {"model": endpoint.default_model})
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body  # the check says what is wrong with it


def _check_files(endpoint: PassthroughEndpoint, form: Form) -> None:
    for part in form.parts:
        if part.filename is not None and part.base not in endpoint.files:
            raise bad_request(
                f"Unknown file field '{cut_text(part.name)}'; expected {' or '.join(endpoint.files)}.", part.name
            )
        if part.filename is None and part.base in endpoint.files:
            raise bad_request(f"'{cut_text(part.name)}' must be a file.", cut_text(part.name))
    first = form.files(endpoint.files[0])
    if not first:
        raise missing_field(endpoint.files[0])
    if endpoint.answers == "text" and len(first) > 1:
        raise bad_request(f"'{endpoint.files[0]}' must be one file, not {len(first)}.", endpoint.files[0])


def rename_model(request: PassthroughRequest, body: bytes, name: str) -> tuple[bytes, str]:
    """The body for an upstream that calls the model `name`, and its content type."""
    if request.fields.get("model") == name:
        return body, request.content_type
    if request.form is None:
        return rewrite(body, {"model": name}), request.content_type
    form = Form([*request.form.parts])
    form.parts = [msgspec.structs.replace(part) for part in form.parts]
    form.set("model", name)
    return form.encode()


# -- what a request may use at most ----------------------------------------------------------------------


def _text_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list):
        return sum(_text_bytes(item) for item in value)
    if isinstance(value, dict):
        return sum(_text_bytes(item) for item in value.values())
    return 0


def _count_bytes(value: Any) -> int:
    """Of texts; a picture among them counts by its kind, as text of so many tokens, rather than by its letters."""
    if isinstance(value, str):
        return _text_bytes(value)
    media = measure_parts(value)
    return max(0, _text_bytes(value) - media.raw_bytes) + media.tokens * BYTES_PER_TOKEN


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def _estimate_transcript(request: PassthroughRequest) -> Counts:
    assert request.form is not None
    seconds = audio_seconds(request.form.files("file")[0].value, LEAST_AUDIO_BYTES_PER_SECOND)
    return transcript_counts(seconds, request.size("prompt"), 0)


def transcript_counts(seconds: float, prompt_bytes: int, answer_bytes: int) -> Counts:
    """Of a sound of so many seconds; the text of an answer that is not there yet follows from its length."""
    heard = math.ceil(seconds * TOKENS_PER_AUDIO_SECOND_IN)
    spoken = _tokens(answer_bytes or math.ceil(seconds * CHARACTERS_PER_SPOKEN_SECOND))
    return Counts(input=heard + _tokens(prompt_bytes), audio_input=heard, output=spoken, audio_seconds=seconds)


def audio_seconds(data: bytes, bytes_per_second: int) -> float:
    """How long a sound is: exact for WAV, for others by their size.

    >>> audio_seconds(bytes(16_000), 8_000)
    2.0
    """
    exact = wav_seconds(data)
    return min(MOST_AUDIO_S, len(data) / bytes_per_second) if exact is None else exact


def wav_seconds(data: bytes) -> float | None:
    """The length of an uncompressed WAV file; None for anything else. The header may say what it likes: more than there
    is does not count."""
    if data[:4] != b"RIFF":
        return None
    try:
        with wave.open(io.BytesIO(data)) as sound:
            frame_bytes = sound.getnchannels() * sound.getsampwidth()
            frames = min(sound.getnframes(), len(data) // frame_bytes)
            seconds: float = frames / sound.getframerate()
            return min(MOST_AUDIO_S, seconds)
    except (wave.Error, EOFError, ZeroDivisionError):
        return None


def _estimate_speech(request: PassthroughRequest) -> Counts:
    text = request.fields.get("input")
    if not isinstance(text, str):
        raise bad_request("'input' must be a string.", "input")
    seconds = len(text) / CHARACTERS_PER_SPOKEN_SECOND
    spoken = math.ceil(seconds * TOKENS_PER_AUDIO_SECOND_OUT)
    asked = _tokens(request.size("input") + request.size("instructions"))
    return Counts(input=asked, output=spoken, audio_output=spoken, characters=len(text))


def _estimate_images(request: PassthroughRequest) -> Counts:
    count = request.count("n")
    pictures = len(request.form.files("image")) + len(request.form.files("mask")) if request.form else 0
    return Counts(
        input=_tokens(request.size("prompt")) + pictures * MOST_IMAGE_TOKENS,
        output=count * MOST_IMAGE_TOKENS,
        images=count,
        image_size=_word(request.fields.get("size")),
        image_quality=_word(request.fields.get("quality")),
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= 32 else ""


def _estimate_moderation(request: PassthroughRequest) -> Counts:
    return Counts(input=_tokens(_count_bytes(request.fields.get("input"))))


def _estimate_rerank(request: PassthroughRequest) -> Counts:
    documents = request.fields.get("documents")
    if not isinstance(documents, list) or not documents:
        raise bad_request("'documents' must be a list with at least one document.", "documents")
    if not isinstance(request.fields.get("query"), str | dict):
        raise bad_request("'query' must be a string.", "query")
    size = _count_bytes(request.fields["query"]) * len(documents) + _count_bytes(documents)
    return Counts(input=_tokens(size), searches=-(-len(documents) // DOCUMENTS_PER_SEARCH))


_IMAGES: Final = "dall-e-2"  # OpenAI's default
PASSTHROUGH: Final[dict[str, PassthroughEndpoint]] = {
    row.path: row
    for row in (
        PassthroughEndpoint(
            path="/v1/audio/transcriptions",
            body="form",
            unread="request",
            files=("file",),
            answers="text",
            estimate=_estimate_transcript,
        ),
        PassthroughEndpoint(
            path="/v1/audio/translations",
            body="form",
            unread="request",
            files=("file",),
            answers="text",
            estimate=_estimate_transcript,
        ),
        PassthroughEndpoint(
            path="/v1/audio/speech",
            body="json",
            unread="answer",
            required=("input",),
            answers="bytes",
            estimate=_estimate_speech,
        ),
        PassthroughEndpoint(
            path="/v1/images/generations",
            body="json",
            unread="answer",
            required=("prompt",),
            default_model=_IMAGES,
            estimate=_estimate_images,
        ),
        PassthroughEndpoint(
            path="/v1/images/edits",
            body="form",
            unread="request and answer",
            required=("prompt",),
            files=("image", "mask"),
            default_model=_IMAGES,
            estimate=_estimate_images,
        ),
        PassthroughEndpoint(
            path="/v1/images/variations",
            body="form",
            unread="request and answer",
            files=("image",),
            default_model=_IMAGES,
            estimate=_estimate_images,
        ),
        PassthroughEndpoint(
            path="/v1/moderations",
            body="json",
            required=("input",),
            default_model="omni-moderation-latest",
            estimate=_estimate_moderation,
        ),
        PassthroughEndpoint(path="/v1/rerank", body="json", required=("query", "documents"), estimate=_estimate_rerank),
        PassthroughEndpoint(
            path="/v2/rerank",
            upstream="/v1/rerank",
            body="json",
            required=("query", "documents"),
            estimate=_estimate_rerank,
        ),
    )
}


# -- what an answer says was used ------------------------------------------------------------------------


class _Details(msgspec.Struct):
    audio_tokens: Any = None
    image_tokens: Any = None
    cached_tokens: Any = None


class _Usage(msgspec.Struct):
    input_tokens: Any = None
    output_tokens: Any = None
    prompt_tokens: Any = None  # Jina's and vLLM's names
    completion_tokens: Any = None
    total_tokens: Any = None
    seconds: Any = None
    input_token_details: _Details | None = None
    input_tokens_details: _Details | None = None


class _Billed(msgspec.Struct):
    search_units: Any = None


class _Meta(msgspec.Struct):
    billed_units: _Billed | None = None


class AnswerReport(msgspec.Struct):
    """What metering reads of an answer, or of an event of one."""

    id: Any = None
    usage: _Usage | None = None
    meta: _Meta | None = None  # Cohere's
    duration: Any = None  # of a verbose transcript, in seconds
    data: list[msgspec.Raw] | None = None  # pictures
    size: Any = None  # of them
    quality: Any = None
    text: Any = None


_report = msgspec.json.Decoder(AnswerReport)
MAX_TOKENS: Final = 10_000_000  # of one request


def read_report(data: bytes) -> AnswerReport | None:
    """None where it is no JSON object of the expected shape."""
    try:
        return _report.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class MeasuredAnswer(msgspec.Struct, frozen=True):
    """What an answer used. Tokens that the upstream did not tell are estimates, and so may the units be."""

    counts: Counts
    tokens_told: bool
    units_estimated: bool


def count_answer(request: PassthroughRequest) -> MeasuredAnswer:
    """What an answered request used. Numbers that no request can have used are not believed."""
    report = request.report or AnswerReport()
    counts, estimated = _count_units(request, report)
    usage = report.usage or _Usage()
    tokens_in = _first(usage.input_tokens, usage.prompt_tokens, usage.total_tokens)
    if tokens_in is None:
        return MeasuredAnswer(counts, False, estimated)
    tokens_out = _first(usage.output_tokens, usage.completion_tokens) or 0
    details = usage.input_token_details or usage.input_tokens_details or _Details()
    heard = min(tokens_in, _number(details.audio_tokens, MAX_TOKENS) or 0)
    seen = min(tokens_in - heard, _number(details.image_tokens, MAX_TOKENS) or 0)
    cached = min(tokens_in - heard - seen, _number(details.cached_tokens, MAX_TOKENS) or 0)
    counts = msgspec.structs.replace(
        counts,
        input=tokens_in,
        output=tokens_out,
        audio_input=heard,
        image_input=seen,
        cached_input=cached,
        audio_output=tokens_out if counts.audio_output else 0,
    )
    return MeasuredAnswer(counts, True, estimated)


def measure_passthrough(request: PassthroughRequest, prices: Prices | None) -> MeasuredUsage:
    """What a request used that was answered, if only in part; one that was not has used nothing.

    Where the units have a price they are what is measured, and tokens count only if the upstream told them.
    """
    if not request.answered:
        return MeasuredUsage(Counts(), False)
    measured = count_answer(request)
    if measured.tokens_told or prices is None or not has_unit_price(prices, measured.counts):
        return MeasuredUsage(measured.counts, measured.units_estimated or not measured.tokens_told)
    units = msgspec.structs.replace(measured.counts, input=0, output=0, audio_input=0, audio_output=0)
    return MeasuredUsage(units, measured.units_estimated)


def _count_units(request: PassthroughRequest, report: AnswerReport) -> tuple[Counts, bool]:
    """The units of the endpoint, with estimates of the tokens; whether the units are an estimate too."""
    most = request.counts
    if request.endpoint.answers == "text":
        return _transcript_units(request, report)
    if most.images:
        images = len(report.data) if report.data is not None else most.images
        size, quality = _word(report.size) or most.image_size, _word(report.quality) or most.image_quality
        tokens = most.images * COMMON_IMAGE_TOKENS
        counts = msgspec.structs.replace(
            most, images=min(images, most.images), image_size=size, image_quality=quality, output=tokens
        )
        return counts, False
    if most.searches:
        billed = (
            _number(report.meta.billed_units.search_units, 10_000) if report.meta and report.meta.billed_units else None
        )
        return msgspec.structs.replace(most, searches=most.searches if billed is None else billed), billed is None
    return most, False  # characters are exact


def _transcript_units(request: PassthroughRequest, report: AnswerReport) -> tuple[Counts, bool]:
    assert request.form is not None
    seconds = _seconds(report.usage.seconds if report.usage else None)
    if seconds is None:
        seconds = _seconds(report.duration)
    data = request.form.files("file")[0].value
    estimated = seconds is None and wav_seconds(data) is None
    if seconds is None:
        seconds = audio_seconds(data, COMMON_AUDIO_BYTES_PER_SECOND)
    text = len(report.text.encode("utf-8", "surrogatepass")) if isinstance(report.text, str) else request.answer_bytes
    return transcript_counts(seconds, request.size("prompt"), max(1, text)), estimated


def _seconds(value: Any) -> float | None:
    """Verbose transcripts of some servers spell their duration as a string."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number <= MOST_AUDIO_S else None


def _number(value: Any, most: int) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= most else None


def _first(*values: Any) -> int | None:
    return next((number for value in values if (number := _number(value, MAX_TOKENS)) is not None), None)


def list_units(counts: Counts) -> dict[str, float]:
    """The units beside tokens, as a ledger's row names them.

    >>> list_units(Counts(input=3, characters=12))
    {'characters': 12.0}
    """
    units = {
        "audio_seconds": counts.audio_seconds,
        "characters": float(counts.characters),
        "images": float(counts.images),
        "searches": float(counts.searches),
    }
    return {name: value for name, value in units.items() if value}


def unreadable(endpoint: PassthroughEndpoint, route: str) -> Refused:
    """The refusal of a request that a guard cannot see, whole or in part."""
    what = "sound" if "audio" in endpoint.path else "pictures"
    return Refused(
        f"A guard checks requests to '{route}', and it cannot read the {what} in the {endpoint.unread} of "
        f"{endpoint.path}. To let them pass unread, the operator sets 'unreadable: pass' for '{route}' in "
        "steward.yaml.",
        status=403,
        type="invalid_request_error",
        code="unreadable_for_guards",
        param="model",
    )
