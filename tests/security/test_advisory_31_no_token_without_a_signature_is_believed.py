"""Advisory 31, the five of PyJWT 2.13, such as CVE-2026-48523: tokens that chose how they were checked.

Tokens of identity providers are tested where people sign in; here, that none opens the gateway or the console as it is,
and that no library for them is used beside the one that was chosen."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from admin_client import app_of, create
from console_client import ask
from source_facts import list_imports, scans_source


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS256", "EdDSA", ""])
@pytest.mark.parametrize("signature", ["", "AAAA", "null"])
def test_a_made_up_token_is_nobody(tmp_path: Path, algorithm: str, signature: str) -> None:
    create(tmp_path)
    head = {"alg": algorithm, "typ": "JWT", "jwk": {"kty": "oct", "k": "AA"}, "jku": "file:///etc/passwd", "b64": False}
    token = f"{part(head)}.{part({'sub': 'operator:0', 'role': 'owner', 'exp': 4e9})}.{signature}"
    assert ask(app_of(tmp_path), "GET", "/api/v1/keys", authorization=f"Bearer {token}")[0] == 401
    assert ask(app_of(tmp_path), "GET", "/api/v1/keys", x_api_key=token)[0] == 401


@scans_source
def test_no_library_with_these_advisories_is_used() -> None:
    assert not [path for path, module in list_imports() if module.partition(".")[0] in ("jwt", "jose", "python_jose")]
