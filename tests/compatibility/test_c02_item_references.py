"""C2: what refers to something stored is found in the store of answers (in the same request:
tests/unit/gateway/dialects/test_responses_to_chat.py). The AI SDK's own tool loops and second turns:
tests/functional/test_clients.py.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from conftest import Deployment, inside, served, until

HI = {"role": "user", "content": "hi"}


@pytest.fixture(scope="module")
def storing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A gateway of two workers that keeps answers and masks personal data."""
    folder = tmp_path_factory.mktemp("storing")
    upstream = served("tests/agent_upstream.py")
    (folder / "steward.yaml").write_text(
        f"models: [{{name: agent, backend: openai, url: '{next(upstream)}'}}]\n"
        "gateway: {responses_store: {keep_s: 600}}\n"
        "privacy: {profile: gdpr}\n"
    )
    deployment = Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()
    next(upstream, None)


def ask(deployed: Deployment, key: str = "", **fields: Any) -> tuple[int, Any, dict[str, str]]:
    """Status, answer, headers."""
    headers = {"authorization": f"Bearer {key or deployed.key}", "content-type": "application/json"}
    body = json.dumps({"model": "agent", **fields}).encode()
    request = urllib.request.Request(f"{deployed.url}/v1/responses", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), dict(error.headers)


def read_stored(deployed: Deployment) -> list[Path]:
    return [path for path in (deployed.home / "responses").rglob("*") if path.is_file()]


def test_a_stored_response_is_read_and_deleted_with_openai_s_client(storing: Deployment) -> None:
    with openai.OpenAI(base_url=f"{storing.url}/v1", api_key=storing.key, max_retries=0) as client:
        check_stored(client)


def check_stored(client: openai.OpenAI) -> None:
    made = client.responses.create(model="agent", input="hi", instructions="Be brief.")
    shown = client.responses.retrieve(made.id)
    assert shown.model_dump() == made.model_dump() and shown.instructions == "Be brief."
    [item] = client.responses.input_items.list(made.id).data
    shown_item = item.model_dump()
    assert shown_item["type"] == "message" and shown_item["content"][0]["text"] == "hi"
    client.responses.delete(made.id)
    for call in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
        with pytest.raises(openai.NotFoundError, match="not found"):
            call(made.id)
    with client.responses.stream(model="agent", input="hi") as stream:
        streamed = stream.get_final_response()
    assert client.responses.retrieve(streamed.id).output_text == streamed.output_text
    client.responses.delete(streamed.id)


def test_an_answer_is_kept_sealed_and_found_by_every_worker(storing: Deployment) -> None:
    first = ask(storing, input=[{"role": "user", "content": "I am quirin@example.com"}])
    assert first[1]["store"] is True and "x-steward-dropped" not in first[2]
    reference = {"type": "item_reference", "id": first[1]["output"][0]["id"]}
    for _ in range(8):
        status, answer, _ = ask(
            storing, input=[{"role": "user", "content": "hi"}, reference, {"role": "user", "content": "?"}]
        )
        assert (status, answer["output"][0]["content"][0]["text"]) == (200, "Hello.")
    files = read_stored(storing)
    assert len(files) == 9 and not [file for file in files if b"quirin" in file.read_bytes()]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)


def test_another_project_never_finds_it(storing: Deployment) -> None:
    made = inside("keys", "create", "--name", "other", "--project", "x", "--home", str(storing.home), "--json").stdout
    key = json.loads(made)["key"]
    name = ask(storing, input="hi")[1]["id"]
    until(lambda: ask(storing, key, input="hi")[0] == 200)
    assert ask(storing, input="hi", previous_response_id=name)[1]["previous_response_id"] == name
    status, answer, _ = ask(storing, key, input="hi", previous_response_id=name)
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "not_stored", "previous_response_id")


def test_store_false_keeps_nothing(storing: Deployment) -> None:
    before = len(read_stored(storing))
    answer = ask(storing, input="hi", store=False)[1]
    assert answer["store"] is False and len(read_stored(storing)) == before
    assert ask(storing, input="hi", previous_response_id=answer["id"])[1]["error"]["code"] == "not_stored"


def test_what_was_kept_is_masked_again_on_its_way_to_the_model(storing: Deployment) -> None:
    name = ask(storing, input=[{"role": "user", "content": "Write to quirin@example.com"}])[1]["id"]
    status, _, headers = ask(storing, input="hi", previous_response_id=name)
    assert status == 200 and re.search("privacy@.*=rewrite", headers["x-steward-guards"])


def test_turning_it_off_deletes_what_is_there(storing: Deployment) -> None:
    ask(storing, input="hi")
    assert read_stored(storing)
    settings = storing.home.parent / "steward.yaml"
    settings.write_text(settings.read_text().replace("keep_s: 600", "keep_s: 0"))
    inside("reload", "--home", str(storing.home))
    until(lambda: not read_stored(storing), 30)
    status, answer, headers = ask(storing, input="hi", store=True)
    assert (status, answer["store"]) == (200, False) and "store" in headers["x-steward-dropped"]
