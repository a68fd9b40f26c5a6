"""What the endpoints for sounds, pictures, moderations and reranking read, and what they count; values by hand."""

from __future__ import annotations

import io
import json
import wave
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.form import parse_form
from steward.gateway.passthrough import (
    MOST_AUDIO_S,
    PASSTHROUGH,
    PassthroughRequest,
    audio_seconds,
    count_answer,
    list_units,
    measure_passthrough,
    read_report,
    read_request,
    rename_model,
    unreadable,
    wav_seconds,
)
from steward.gateway.pricing.prices import Counts, ImagePrice, Prices

TYPE = "multipart/form-data; boundary=b"


def wav(seconds: float, rate: int = 8000, width: int = 2) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(bytes(int(seconds * rate) * width))
    return buffer.getvalue()


def form(file: bytes = b"x" * 8000, field: str = "file", **fields: str) -> bytes:
    lines = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="f"\r\n\r\n'.encode()
    return b"".join(lines) + head + file + b"\r\n--b--\r\n"


def read(path: str, **fields: Any) -> PassthroughRequest:
    return read_request(PASSTHROUGH[path], json.dumps(fields).encode(), "application/json")


def heard(file: bytes = b"x" * 8000, **fields: str) -> PassthroughRequest:
    return read_request(PASSTHROUGH["/v1/audio/transcriptions"], form(file, model="w", **fields), TYPE)


def answered(request: PassthroughRequest, **answer: Any) -> PassthroughRequest:
    body = json.dumps(answer).encode()
    request.answered, request.report, request.answer_bytes = True, read_report(body), len(body)
    return request


# -- requests -------------------------------------------------------------------------------------------


def test_a_transcript_reserves_the_longest_that_its_file_can_be() -> None:
    # 8,000 bytes at 1,000 a second: 8 s; 10 tokens a second heard, 15 letters a second said, 4 letters a token
    assert heard().counts == Counts(input=80, audio_input=80, output=30, audio_seconds=8.0)
    assert heard(prompt="12345678").counts.input == 82


def test_the_length_of_a_wav_is_exact() -> None:
    assert wav_seconds(wav(1.5)) == 1.5 and heard(wav(1.5)).counts.audio_seconds == 1.5
    assert wav_seconds(b"RIFFnonsense") is None and wav_seconds(b"ID3") is None


@pytest.mark.parametrize("at", [22, 24, 34])
def test_a_wav_without_channels_rate_or_width_has_no_length(at: int) -> None:
    """RIFF (IBM, Microsoft 1991): bytes 22 and 23 are its channels, 24 to 27 its rate, 34 and 35 its bits."""
    sound = wav(1.5)
    assert wav_seconds(sound[:at] + bytes(4 if at == 24 else 2) + sound[at + (4 if at == 24 else 2) :]) is None


def test_a_wav_is_never_longer_than_its_bytes() -> None:
    lying = wav(1.0)[:44] + b"\x00\x00" * 100
    assert wav_seconds(lying) is None or (wav_seconds(lying) or 0) < 0.02


def test_no_sound_is_longer_than_a_day() -> None:
    assert audio_seconds(b"x" * 100_000, 1) == MOST_AUDIO_S == 86_400.0


def test_speech_counts_its_characters() -> None:
    request = read("/v1/audio/speech", model="t", input="é" * 30, instructions="ab")
    # 62 bytes are 16 tokens; 30 letters are 2 s, of 20 tokens each
    assert request.counts == Counts(input=16, output=40, audio_output=40, characters=30)


def test_pictures_count_each() -> None:
    request = read("/v1/images/generations", prompt="a cat", n=3, size="1024x1024", quality="hd")
    assert request.model == "dall-e-2"
    assert (request.counts.images, request.counts.image_size, request.counts.image_quality) == (3, "1024x1024", "hd")
    assert (request.counts.input, request.counts.output) == (2, 3 * 6_240)


def test_an_edit_counts_the_pictures_that_it_is_given() -> None:
    body = form(b"png", "image[]", prompt="both", n="2")
    request = read_request(PASSTHROUGH["/v1/images/edits"], body, TYPE)
    assert (request.counts.images, request.counts.input) == (2, 1 + 6_240)


def test_a_search_has_up_to_a_hundred_documents() -> None:
    counts = [read("/v1/rerank", model="r", query="q", documents=["d"] * many).counts for many in (1, 100, 101)]
    assert [item.searches for item in counts] == [1, 1, 2]
    assert counts[0].input == 1  # a query and a document of a byte each


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/moderations", lambda url: {"input": [{"type": "image_url", "image_url": {"url": url}}]}),
        ("/v1/moderations", lambda url: {"input": [{"type": "text", "text": "hi"}, {"type": "image", "image": url}]}),
        ("/v1/rerank", lambda url: {"query": "q", "documents": [{"image": url}]}),
        ("/v1/rerank", lambda url: {"query": {"image": url}, "documents": ["d"]}),
    ],
)
def test_m01_a_picture_counts_by_its_kind_and_not_by_its_bytes(path: str, fields: Any) -> None:
    """OpenAI's guide to vision: 85 to 1,105 tokens a picture. A megabyte by its letters would be 350,000."""
    small, large = (
        read(path, model="r", **fields("data:image/png;base64," + "A" * size)).counts.input
        for size in (4_000, 1_400_000)
    )
    assert 85 <= small == large < 2_000


def test_a_moderation_counts_its_texts() -> None:
    assert read("/v1/moderations", input=["12345678", {"type": "text", "text": "1234"}]).counts.input == 4


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("/v1/audio/speech", {"model": "t", "input": 5}, "'input' must be a string"),
        ("/v1/audio/speech", {"model": "t", "input": ""}, "Missing required parameter: 'input'"),
        ("/v1/images/generations", {"prompt": "p", "n": 129}, "n must be between 1 and 128, not 129"),
        ("/v1/images/generations", {"prompt": "p", "n": 0}, "not 0"),
        ("/v1/rerank", {"model": "r", "query": "q", "documents": "d"}, "'documents' must be a list"),
        ("/v1/rerank", {"model": "r", "query": ["q"], "documents": ["d"]}, "'query' must be a string"),
        ("/v1/rerank", {"model": 5, "query": "q", "documents": ["d"]}, "'model' must be a string, not 5."),
    ],
)
def test_wrong_fields_are_named(path: str, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        read(path, **fields)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (form(model="w", field="other"), "Unknown file field 'other'; expected file"),
        (form(), "Missing required parameter: 'model'"),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n', "'file' must be a file"),
        (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--b--\r\n', "parameter: 'file'"),
        (form(model="w")[:-7] + form(), "must be one file, not 2"),
    ],
)
def test_wrong_forms_are_named(body: bytes, words: str) -> None:
    with pytest.raises(Refused, match=words):
        read_request(PASSTHROUGH["/v1/audio/transcriptions"], body, TYPE)


def test_events_are_wanted_where_the_request_says_so() -> None:
    assert heard(stream="true").wants_events and not heard(stream="false").wants_events
    assert read("/v1/audio/speech", model="t", input="x", stream_format="sse").wants_events
    assert not read("/v1/audio/speech", model="t", input="x", stream_format="audio").wants_events


def test_a_model_is_renamed_in_either_body() -> None:
    request = read("/v1/moderations", model="m", input="x")
    body = b'{"model":"m","input":"x"}'
    assert rename_model(request, body, "m") == (body, "application/json")
    assert json.loads(rename_model(request, body, "other")[0])["model"] == "other"
    assert json.loads(rename_model(read("/v1/moderations", input="x"), b'{"input":"x"}', "m")[0])["model"] == "m"
    changed, kind = rename_model(heard(), b"", "whisper-1")
    assert parse_form(changed, kind).text("model") == "whisper-1"


# -- answers --------------------------------------------------------------------------------------------


def test_the_seconds_that_are_told_are_believed_before_the_file() -> None:
    told = count_answer(answered(heard(), text="12345678", usage={"type": "duration", "seconds": 90}))
    assert (told.counts.audio_seconds, told.counts.output, told.units_estimated) == (90.0, 2, False)
    assert count_answer(answered(heard(), text="x", duration="30.5")).counts.audio_seconds == 30.5
    guessed = count_answer(answered(heard(), text="x", duration=-1))
    assert (guessed.counts.audio_seconds, guessed.units_estimated) == (1.0, True)  # 8,000 bytes at 64 kbit/s
    assert count_answer(answered(heard(wav(1.5)), text="x")).units_estimated is False


def test_the_tokens_that_are_told_are_believed() -> None:
    usage = {"input_tokens": 14, "output_tokens": 45, "input_token_details": {"audio_tokens": 10, "cached_tokens": 2}}
    told = count_answer(answered(heard(wav(1)), text="x", usage=usage))
    assert told.counts == Counts(input=14, output=45, audio_input=10, cached_input=2, audio_seconds=1.0)
    assert told.tokens_told
    total = count_answer(answered(read("/v1/rerank", model="r", query="q", documents=["d"]), usage={"total_tokens": 7}))
    assert (total.counts.input, total.counts.output) == (7, 0)


@pytest.mark.parametrize("tokens", [-1, 10**12, "9", 1.5, True, None])
def test_tokens_that_cannot_be_are_not_believed(tokens: Any) -> None:
    assert not count_answer(answered(heard(), text="x", usage={"input_tokens": tokens})).tokens_told


def test_pictures_are_those_that_came() -> None:
    request = read("/v1/images/generations", prompt="p", n=3, size="auto")
    counts = count_answer(answered(request, data=[{}, {}], size="1024x1024", quality="high")).counts
    assert (counts.images, counts.image_size, counts.image_quality) == (2, "1024x1024", "high")
    assert counts.output == 3 * 1_056


def test_searches_are_those_that_are_billed() -> None:
    request = read("/v1/rerank", model="r", query="q", documents=["d"])
    assert count_answer(answered(request, meta={"billed_units": {"search_units": 3}})).counts.searches == 3
    assert count_answer(answered(request, meta={"billed_units": {"search_units": 2.0}})).counts.searches == 2
    assert count_answer(answered(request, results=[])).counts.searches == 1


def test_what_was_not_answered_has_used_nothing() -> None:
    assert measure_passthrough(heard(), None).counts == Counts()


def test_units_with_a_price_are_what_is_measured() -> None:
    seconds = Prices(input=1, output=1, per_audio_second_usd=0.1)
    measured = measure_passthrough(answered(heard(wav(1.5)), text="x"), seconds)
    assert (measured.counts, measured.estimated) == (Counts(audio_seconds=1.5), False)
    tokens = measure_passthrough(answered(heard(wav(1.5)), text="x"), Prices(input=1, output=1))
    assert (tokens.counts.input, tokens.counts.output, tokens.estimated) == (15, 1, True)
    images = Prices(input=1, output=1, image_prices=(ImagePrice(usd=1.0),))
    assert measure_passthrough(answered(heard(wav(1.5)), text="x"), images).estimated


def test_a_row_names_its_units() -> None:
    assert list_units(Counts(input=1)) == {}
    assert list_units(Counts(images=2, searches=1, audio_seconds=0.5)) == {
        "images": 2.0,
        "searches": 1.0,
        "audio_seconds": 0.5,
    }


def test_what_no_guard_can_read_is_declared_and_refused_in_words() -> None:
    unread = {path: row.unread for path, row in PASSTHROUGH.items() if row.unread}
    assert unread == {
        "/v1/audio/transcriptions": "request",
        "/v1/audio/translations": "request",
        "/v1/audio/speech": "answer",
        "/v1/images/generations": "answer",
        "/v1/images/edits": "request and answer",
        "/v1/images/variations": "request and answer",
    }
    error = unreadable(PASSTHROUGH["/v1/images/edits"], "art")
    assert error.status == 403 and "the pictures in the request and answer" in error.message


@pytest.mark.parametrize(("fields", "count"), [({}, 1), ({"n": 3}, 3), ({"n": 128}, 128)])
def test_one_answer_is_asked_for_unless_told(fields: dict[str, Any], count: int) -> None:
    body = json.dumps({"model": "m", "prompt": "x", **fields}).encode()
    assert read_request(PASSTHROUGH["/v1/images/generations"], body, "application/json").count("n") == count


@pytest.mark.parametrize("number", [0, -1, 129, "many", True, [1]])
def test_a_number_of_answers_that_there_is_not_is_refused(number: Any) -> None:
    body = json.dumps({"model": "m", "prompt": "x"}).encode()
    request = read_request(PASSTHROUGH["/v1/images/generations"], body, "application/json")
    request.fields = {**request.fields, "n": number}
    with pytest.raises(Refused, match="n must be between 1 and 128"):
        request.count("n")
