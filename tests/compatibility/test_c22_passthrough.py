"""C22: sounds, pictures, moderations and reranking through the gateway, as OpenAI's SDK sends them."""

from __future__ import annotations

import http.client
import io
import json
import re
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest

from conftest import Deployment, inside, served, until

PRICE = (
    "{input: 2, output: 8, per_audio_second_usd: 0.0001, per_million_characters_usd: 15, per_search_usd: 0.002, "
    "image_prices: [{size: 1024x1024, usd: 0.04}, {size: 1024x1024, quality: hd, usd: 0.08}]}"
)
OLD = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK marks it so; clients use it
NAMES = ["told", "tokens", "silent", "plain", "busy", "cut"]


class Setting(NamedTuple):
    deployment: Deployment
    upstream: str
    client: openai.OpenAI

    def last(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.upstream}/last", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def row(self, request_id: str) -> dict[str, Any]:
        """The ledger's row of a request."""

        def find() -> dict[str, Any] | None:
            lines = inside("tail", "--home", str(self.deployment.home), "--json", "-n", "1000").stdout.splitlines()
            return next((row for line in lines if (row := json.loads(line))["request_id"] == request_id), None)

        found: dict[str, Any] = until(find)
        return found

    def usd(self) -> float:
        total: float = self.deployment.settled_usage()["usd"]
        return total


def configure(folder: Path, upstream: str, more: str = "", of_models: str = "") -> Path:
    lines = ["models:"]
    lines += [f"  - {{name: {name}, backend: openai, url: '{upstream}', price: {PRICE}{of_models}}}" for name in NAMES]
    lines += [f"  - {{name: whisper, backend: openai, url: '{upstream}', upstream_model: told{of_models}}}"]
    lines += [f"  - {{name: omni-moderation-latest, backend: openai, url: '{upstream}'}}"]
    lines += ["  - {name: claude, backend: anthropic, url: 'http://127.0.0.1:9'}"]
    lines += ["routes:", "  - {name: patient, targets: [{model: busy}], fallback: [told]}", more]
    file = folder / "steward.yaml"
    file.write_text("\n".join(lines))
    return file


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/media_upstream.py")


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("media")
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(configure(folder, upstream)))
    client = openai.OpenAI(base_url=f"{deployment.url}/v1", api_key=deployment.key, max_retries=0)
    try:
        yield Setting(deployment, upstream, client)
    finally:
        client.close()
        deployment.stop()


def wav(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(int(seconds * 8000) * 2))
    return buffer.getvalue()


def test_a_transcript_is_billed_by_the_seconds_that_the_upstream_tells(it: Setting) -> None:
    raw = it.client.audio.transcriptions.with_raw_response.create(
        model="told", file=("talk.mp3", b"x" * 1000), prompt="names"
    )
    assert raw.parse().text == "heard 1000 bytes as told names"
    row = it.row(raw.headers["x-request-id"])
    assert (row["endpoint"], row["units"]) == ("/v1/audio/transcriptions", {"audio_seconds": 90.0})
    assert (row["input_tokens"], row["output_tokens"], row["outcome"]) == (0, 0, "ok")


def test_a_transcript_is_billed_by_tokens_where_those_are_told(it: Setting) -> None:
    raw = it.client.audio.transcriptions.with_raw_response.create(model="tokens", file=("talk.wav", wav(1.5)))
    row = it.row(raw.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"], row["units"]) == (14, 45, {"audio_seconds": 1.5})


def test_a_verbose_transcript_tells_its_duration(it: Setting) -> None:
    raw = it.client.audio.transcriptions.with_raw_response.create(
        model="silent", file=("talk.mp3", b"x" * 1000), response_format="verbose_json"
    )
    assert it.row(raw.headers["x-request-id"])["units"] == {"audio_seconds": 30.5}


@OLD
def test_a_model_has_another_name_upstream_in_a_form_too(it: Setting) -> None:
    text = it.client.audio.translations.create(model="whisper", file=("talk.mp3", b"x" * 7)).text
    assert text == "heard 7 bytes as told"
    assert it.last()["path"] == "/v1/audio/translations" and it.last()["type"] == "multipart/form-data"


def test_a_plain_transcript_passes(it: Setting) -> None:
    text = it.client.audio.transcriptions.create(model="plain", file=("a.wav", wav(0.5)), response_format="text")
    assert text.strip() == f"heard {len(wav(0.5))} bytes as plain"


def test_a_streamed_transcript_passes_event_by_event(it: Setting) -> None:
    events = list(it.client.audio.transcriptions.create(model="plain", file=("a.wav", wav(0.5)), stream=True))
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]


def test_speech_passes_as_it_is_spoken(it: Setting) -> None:
    with it.client.audio.speech.with_streaming_response.create(model="plain", voice="alloy", input="hello") as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        assert b"".join(answer.iter_bytes()) == b"olleh"
        request_id = answer.headers["x-request-id"]
    row = it.row(request_id)
    assert (row["units"], row["input_tokens"], row["outcome"]) == ({"characters": 5.0}, 0, "ok")


def test_speech_that_breaks_off_is_not_taken_for_whole(it: Setting) -> None:
    body = json.dumps({"model": "cut", "voice": "alloy", "input": "hello" * 100}).encode()
    headers = {"Authorization": f"Bearer {it.deployment.key}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{it.deployment.url}/v1/audio/speech", body, headers)
    with urllib.request.urlopen(asked, timeout=60) as answer, pytest.raises(http.client.IncompleteRead):
        answer.read()
    assert it.row(answer.headers["x-request-id"])["outcome"] == "upstream_error"


def test_pictures_are_billed_by_size_and_quality(it: Setting) -> None:
    before = it.usd()
    images = it.client.images.generate(model="plain", prompt="a cat", n=2, size="1024x1024", quality="hd")
    assert len(images.data or []) == 2
    assert it.usd() - before == pytest.approx(0.16)
    before = it.usd()
    raw = it.client.images.with_raw_response.edit(model="plain", prompt="a dog", image=("a.png", b"png"))
    assert it.row(raw.headers["x-request-id"])["units"] == {"images": 1.0}
    assert it.usd() - before == pytest.approx(0.08)  # a size that only the provider knows: the dearest


@OLD
def test_variations_and_lists_of_pictures_pass(it: Setting) -> None:
    assert it.client.images.create_variation(model="plain", image=("a.png", b"png"), n=3).data
    it.client.images.edit(model="plain", prompt="both", image=[("a.png", b"png"), ("b.png", b"png2")])
    assert it.last()["fields"]["image[]"] == "4 bytes"


def test_a_moderation_needs_no_model(it: Setting) -> None:
    result = it.client.moderations.create(input="how rude")
    assert result.results[0].flagged and result.model == "omni-moderation-latest"


def post(it: Setting, path: str, body: bytes, content_type: str = "application/json", key: str = "") -> Any:
    headers = {"Authorization": f"Bearer {key or it.deployment.key}", "Content-Type": content_type}
    request = urllib.request.Request(it.deployment.url + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_reranking_is_billed_by_searches(it: Setting, path: str) -> None:
    body = json.dumps({"model": "told", "query": "q", "documents": ["a", "b"], "top_n": 1}).encode()
    status, answer, headers = post(it, path, body)
    assert status == 200 and [row["index"] for row in answer["results"]] == [0, 1]
    assert it.last()["path"] == "/v1/rerank"
    assert it.row(headers["x-request-id"])["units"] == {"searches": 3.0}


def test_a_fallback_answers_where_a_model_is_busy(it: Setting) -> None:
    assert it.client.audio.transcriptions.create(model="patient", file=("a.mp3", b"xyz")).text.endswith("as told")


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "words"),
    [
        ("/v1/audio/speech", b'{"model":"plain"}', "application/json", 400, "'input'"),
        ("/v1/audio/speech", b'{"input":"x"}', "application/json", 400, "'model'"),
        ("/v1/audio/speech", b'{"model":"claude","input":"x"}', "application/json", 400, "backend: openai"),
        ("/v1/rerank", b'{"model":"plain","query":"q","documents":[]}', "application/json", 400, "'documents'"),
        ("/v1/images/generations", b'{"model":"plain","prompt":"p","n":0}', "application/json", 400, "n must be"),
        ("/v1/moderations", b'{"model":"plain","model":"told","input":"x"}', "application/json", 400, "'model' twice"),
        ("/v1/audio/transcriptions", b"{}", "application/json", 415, "multipart/form-data"),
        ("/v1/audio/transcriptions", b"x", "multipart/form-data", 400, "boundary"),
        ("/v1/audio/transcriptions", b"--b\r\n", "multipart/form-data; boundary=b", 400, "breaks off"),
    ],
)
def test_what_is_wrong_is_named(it: Setting, path: str, body: bytes, kind: str, status: int, words: str) -> None:
    got, answer, _ = post(it, path, body, kind)
    assert got == status and words in answer["error"]["message"]


def test_a_budget_refuses_what_may_pass_it(it: Setting) -> None:
    made = inside(
        "keys", "create", "--home", str(it.deployment.home), "--name", "poor", "--usd-per-day", "0.05", "--json"
    )
    key = json.loads(made.stdout)["key"]
    body = b'{"model":"plain","prompt":"p","n":1,"size":"1024x1024"}'
    until(lambda: post(it, "/v1/images/generations", body, key=key)[0] != 401)
    status, answer, _ = post(it, "/v1/images/generations", body.replace(b'"n":1', b'"n":9'), key=key)
    assert status == 429 and answer["error"]["code"] == "insufficient_quota"
    status, answer, _ = post(it, "/v1/moderations", b'{"input":"x"}', key=key)
    assert status == 400 and answer["error"]["code"] == "model_has_no_price"


# -- where a guard is on -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("guarded")
    more = "  - {name: open, targets: [{model: told}], unreadable: pass}\nprivacy: {profile: standard}"
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(configure(folder, upstream, more)))
    client = openai.OpenAI(base_url=f"{deployment.url}/v1", api_key=deployment.key, max_retries=0)
    try:
        yield Setting(deployment, upstream, client)
    finally:
        client.close()
        deployment.stop()


def test_what_a_guard_cannot_read_is_refused_with_the_setting_that_lets_it_pass(guarded: Setting) -> None:
    with pytest.raises(openai.PermissionDeniedError, match="unreadable: pass") as caught:
        guarded.client.audio.transcriptions.create(model="told", file=("a.mp3", b"xyz"))
    assert caught.value.code == "unreadable_for_guards"
    with pytest.raises(openai.PermissionDeniedError, match="pictures in the answer"):
        guarded.client.images.generate(model="told", prompt="a cat")


def test_a_route_may_let_it_pass_and_its_texts_are_guarded_all_the_same(guarded: Setting) -> None:
    raw = guarded.client.audio.transcriptions.with_raw_response.create(
        model="open", file=("a.mp3", b"xyz"), prompt="Anna, anna@example.org"
    )
    assert "anna@example.org" not in guarded.last()["fields"]["prompt"]
    assert re.match("unread=request, privacy@.*=rewrite", raw.headers["x-steward-guards"])
    assert "anna@example.org" in raw.parse().text  # the upstream repeats the prompt: restored for the client


def test_what_a_guard_can_read_passes_masked(guarded: Setting) -> None:
    body = json.dumps({"model": "told", "query": "q", "documents": ["mail anna@example.org"]}).encode()
    assert post(guarded, "/v1/rerank", body)[0] == 200
    assert "anna@example.org" not in str(guarded.last()["fields"])
