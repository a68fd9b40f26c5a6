"""The shipped model, embedded, behind the gateway."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from conftest import SHARE_STARTER, Deployment, inside, until
from steward.starter import path as starter_path

pytestmark = SHARE_STARTER

pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")

ALLOWED_MISSES = 6  # 4 when the model was trained; engines round differently
ORDER: Any = [{"role": "user", "content": "where is my order?"}]


@pytest.fixture(scope="module")
def client(starter: Deployment) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{starter.url}/v1", api_key=starter.key, max_retries=0) as made:
        yield made


def test_it_asks_for_the_order_number(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="starter", messages=ORDER, temperature=0)
    assert "order" in (answer.choices[0].message.content or "").lower()
    assert answer.usage and answer.usage.completion_tokens > 3


def test_sixty_free_wordings(client: openai.OpenAI, capsys: pytest.CaptureFixture[str]) -> None:
    """Typos, slang, very short, out of scope; committed before the training, which leaves them out."""
    lines = (starter_path().parent / "free_wordings.jsonl").read_text().splitlines()
    missed = []
    for row in map(json.loads, lines):
        question: Any = [{"role": "user", "content": row["user"]}]
        answer = client.chat.completions.create(model="starter", messages=question, temperature=0, max_tokens=80)
        if (answer.choices[0].message.content or "").strip() not in row["references"]:
            missed.append(f"{row['user']!r} ({row['intent']})")
    with capsys.disabled():
        print(f"\nstarter: {len(lines) - len(missed)} of {len(lines)} free wordings answered right; not: {missed}")
    assert len(lines) == 60 and len(missed) <= ALLOWED_MISSES


def test_streamed_equals_whole(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="starter", messages=ORDER, temperature=0).choices[0].message.content
    chunks = client.chat.completions.create(model="starter", messages=ORDER, temperature=0, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole


def test_many_requests_in_a_row(client: openai.OpenAI) -> None:
    """llama.cpp's server closes a connection after 100 requests; no client may notice."""
    for _ in range(120):
        assert client.chat.completions.create(model="starter", messages=ORDER, max_tokens=1).choices


def test_completions(client: openai.OpenAI) -> None:
    prompt = "<|im_start|>user\nwhere is my order?<|im_end|>\n<|im_start|>assistant\n"
    assert client.completions.create(model="starter", prompt=prompt, temperature=0, max_tokens=40).choices[0].text


def test_embeddings_are_off_until_asked_for(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="'embeddings: mean'") as caught:
        client.embeddings.create(model="starter", input="where is my order?")
    assert caught.value.code == "embeddings_not_enabled"


def test_one_server_embeds_and_chats(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("models: [{name: starter, backend: embedded, embeddings: mean}]\n")
    deployment = Deployment(tmp_path / "home", "--workers", "1")
    try:
        with openai.OpenAI(base_url=f"{deployment.url}/v1", api_key=deployment.key, max_retries=0) as client:
            texts = ["where is my order?", "where is my parcel?", "I forgot my password"]
            found = client.embeddings.create(model="starter", input=texts)
            order, parcel, password = ([float(x) for x in item.embedding] for item in found.data)
            assert found.usage.prompt_tokens > 9 and len(order) == len(password)
            assert cosine(order, order) == pytest.approx(1.0, abs=1e-5)  # unit vectors, as OpenAI's are
            assert cosine(order, parcel) > cosine(order, password)
            assert client.chat.completions.create(model="starter", messages=ORDER).choices[0].message.content
            with pytest.raises(openai.BadRequestError, match="context"):
                client.embeddings.create(model="starter", input="word " * 1500)
        until(lambda: deployment.usage()["requests"] == 3)
        assert deployment.usage()["input_tokens"] > found.usage.prompt_tokens
    finally:
        deployment.stop()


def cosine(one: list[float], other: list[float]) -> float:
    """Of unit vectors."""
    return sum(x * y for x, y in zip(one, other, strict=True))


def test_a_killed_engine_comes_back(starter: Deployment, client: openai.OpenAI) -> None:
    before = starter.pid("engine-starter")
    assert before
    os.kill(before, signal.SIGKILL)
    until(lambda: starter.pid("engine-starter") not in (None, before))
    until(lambda: inside("status", "--home", str(starter.home)).returncode == 0)
    assert client.chat.completions.create(model="starter", messages=ORDER).choices


def test_the_engine_is_reached_only_through_its_private_socket(starter: Deployment) -> None:
    (socket,) = (starter.home / "run").glob("e-*.sock")
    assert socket.is_socket() and socket.stat().st_mode & 0o077 == 0
    assert Path(starter.home).stat().st_mode & 0o077 == 0
