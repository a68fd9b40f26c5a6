"""Adapters of a server that takes them in while it runs, as vLLM does.

Endpoints: vLLM, "LoRA Adapters: Dynamically serving LoRA Adapters" (`/v1/load_lora_adapter`, `/v1/unload_lora_adapter`,
open where the server runs with VLLM_ALLOW_RUNTIME_LORA_UPDATING). Its answer is not trusted: what serves is what
`/v1/models` lists, where `root` is an adapter's folder.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from steward.adapters.engines.address import endpoint_url
from steward.core.errors import Unavailable
from steward.core.excerpts import cut_reason
from steward.core.fetch import open_url
from steward.core.secret import Secret

TIMEOUT_S: Final = 60.0  # reading an adapter of gigabytes from a shared disk
_HOW: Final = (
    "start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, or load the adapter there yourself"
)


class LoraServer:
    """One server at `url`, the base of its API. Its key goes nowhere but there."""

    def __init__(
        self, url: str, key: Secret | None = None, headers: Mapping[str, Secret] | None = None, ca: str | None = None
    ) -> None:
        self.url, self._ca = url, ca
        self._headers = {"content-type": "application/json"}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key.reveal()}"
        self._headers |= {name.lower(): value.reveal() for name, value in (headers or {}).items()}

    def list_served(self) -> dict[str, str]:
        """The names that it answers to, and the folder of each; empty where it names none.

        :raises Unavailable: it does not answer
        """
        answer = self._ask("GET", "/v1/models", None)
        try:
            return {str(one["id"]): str(one.get("root") or "") for one in json.loads(answer)["data"]}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable(f"{self.url}: its list of models cannot be read ({type(error).__name__})") from error

    def load_adapter(self, name: str, path: str) -> None:
        """:raises Unavailable: it does not answer, or does not load it"""
        self._ask("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": path})

    def unload_adapter(self, name: str) -> None:
        """:raises Unavailable: it does not answer, or does not unload it"""
        self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(endpoint_url(self.url, path), data, self._headers, method=method)
        try:
            with open_url(request, TIMEOUT_S, authorities=self._ca) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            with error:
                said = cut_reason(error.read().decode(errors="replace"))
            if method == "POST" and error.code in (404, 405):
                raise Unavailable(f"{self.url}: it loads no adapters while it runs ({error.code}); {_HOW}") from error
            raise Unavailable(f"{self.url}: {path} answered {error.code}: {said}") from error
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.url}: {getattr(error, 'reason', error)}") from error
