"""Advisory 7, CVE-2024-6587: a client's `api_base` sent the provider's key to the client."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import urllib.error
import urllib.request

import pytest

from conftest import SHARE_MOCK, Deployment

pytestmark = SHARE_MOCK


@pytest.mark.parametrize("name", ["api_base", "base_url", "api_key", "custom_llm_provider", "headers", "extra_headers"])
def test_nobody_calls_an_address_of_a_request(deployed: Deployment, name: str) -> None:
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"

        def listen() -> None:
            with contextlib.suppress(OSError):
                calls.append(listener.accept())

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        body = {"model": "mock", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1, name: address}
        for header in ("x-litellm-api-base", "x-upstream", "x-forwarded-host"):
            request = urllib.request.Request(
                f"{deployed.url}/v1/chat/completions",
                json.dumps(body).encode(),
                {"authorization": f"Bearer {deployed.key}", "content-type": "application/json", header: address},
            )
            try:
                urllib.request.urlopen(request, timeout=30).close()
            except urllib.error.HTTPError as error:
                with error:
                    assert 400 <= error.code < 500
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)
    assert calls == []
