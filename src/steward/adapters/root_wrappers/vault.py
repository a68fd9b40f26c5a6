"""The transit engine of Vault or OpenBao (HTTP API v1: `encrypt` and `decrypt`), by the standard library's client.

Server and token come from where Vault's own command has them: VAULT_ADDR, VAULT_TOKEN (or the file that an agent keeps
it in, VAULT_TOKEN_FILE), VAULT_NAMESPACE, VAULT_CACERT; BAO_… for OpenBao. Neither library for Vault in Python does
more here than two requests, so this needs none.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from steward.core.errors import InputError, Unavailable
from steward.core.fetch import open_url

TIMEOUT_S: Final = 10.0
_PLACE: Final = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9_/-]*)/([A-Za-z0-9_.-]+)")


class VaultTransit:
    """`core.extend.RootWrapper`; `place`: MOUNT/KEY, such as transit/steward. :raises InputError: no server or token"""

    def __init__(self, place: str) -> None:
        named = _PLACE.fullmatch(place)
        if named is None:
            raise InputError(
                f"security.root: vault:{place} names no key; expected vault:MOUNT/KEY: vault:transit/steward"
            )
        address = _read("ADDR")
        if not address:
            raise InputError(
                "security.root: VAULT_ADDR is not set; expected the server's URL: export VAULT_ADDR=https://…"
            )
        self._mount, self._key = named.groups()
        self._url = f"{address.rstrip('/')}/v1/{self._mount}"
        self._token = _read_token()

    def wrap(self, root: bytes) -> bytes:
        answer = self._post("encrypt", {"plaintext": base64.b64encode(root).decode()})
        return str(answer["ciphertext"]).encode()

    def unwrap(self, wrapped: bytes) -> bytes:
        answer = self._post("decrypt", {"ciphertext": wrapped.decode()})
        return base64.b64decode(str(answer["plaintext"]))

    def _post(self, action: str, body: dict[str, str]) -> dict[str, Any]:
        headers = {"x-vault-token": self._token, "content-type": "application/json", "x-vault-request": "true"}
        if namespace := _read("NAMESPACE"):
            headers["x-vault-namespace"] = namespace
        url = f"{self._url}/{action}/{self._key}"
        try:
            request = urllib.request.Request(url, json.dumps(body).encode(), headers)
            with open_url(request, TIMEOUT_S, authorities=_read("CACERT") or None) as answer:
                data: dict[str, Any] = json.loads(answer.read(1 << 20))["data"]
                return data
        except urllib.error.HTTPError as error:
            with error:
                raise _explain(error.code, action, f"{self._mount}/{self._key}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise Unavailable(
                f"the vault that holds the root key's key does not answer ({reason}); see VAULT_ADDR"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(
                f"VAULT_ADDR: what answers there is no vault ({type(error).__name__}); check the URL"
            ) from error


def _read(name: str) -> str:
    return os.environ.get(f"VAULT_{name}") or os.environ.get(f"BAO_{name}") or ""


def _read_token() -> str:
    if token := _read("TOKEN"):
        return token
    path = _read("TOKEN_FILE")
    try:
        token = Path(path).read_text().strip() if path else ""
    except OSError as error:
        raise InputError(
            f"VAULT_TOKEN_FILE: {path}: {error.strerror}; expected the file that the agent writes"
        ) from error
    if not token:
        raise InputError("security.root: neither VAULT_TOKEN nor VAULT_TOKEN_FILE is set; export one of them")
    return token


def _explain(status: int, action: str, place: str) -> InputError | Unavailable:
    """What the vault's status means (HTTP API, "Status codes"); its own words may repeat what was sent."""
    match status:
        case 400:
            return InputError(
                f"vault:{place}: refused to {action} (HTTP 400): another key wrapped the root key, or it was changed"
            )
        case 403:
            return InputError(
                f"vault:{place}: the token may not {action} with it (HTTP 403); give it update on {action}"
            )
        case 404:
            mount, _, key = place.rpartition("/")
            return InputError(
                f"vault:{place}: nothing is there (HTTP 404); make it with: bao secrets enable -path={mount} transit "
                f"&& bao write -f {mount}/keys/{key}"
            )
        case _:
            return Unavailable(f"vault:{place}: HTTP {status}; the vault may be sealed or busy")
