from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ranges import read_ranges
from settings_reference import describe_settings, read_settings
from steward.security.config import AuditConfig, IssuerConfig, KeysConfig, SecurityConfig, SignInConfig


def test_two_issuers_have_two_names_and_are_asked_over_https() -> None:
    good: dict[str, Any] = {"name": "corp", "issuer": "https://idp.example", "audience": "steward"}
    assert SecurityConfig(issuers=[IssuerConfig(**good)]).issuers[0].plan().algorithm == "RS256"
    local = good | {"issuer": "http://127.0.0.1:9"}
    assert IssuerConfig(**local).plan().issuer == "http://127.0.0.1:9"
    for change, says in (
        ({"issuer": "http://idp.example"}, "issuer must begin with https://"),
        ({"jwks_url": "http://idp.example/keys"}, "jwks_url must begin with https://"),
        ({"algorithm": "HS256"}, "algorithm"),
        ({"algorithm": "none"}, "algorithm"),
        ({"name": "a/b"}, "name"),
        ({"audience": ""}, "audience"),
    ):
        with pytest.raises(ValidationError, match=says):
            IssuerConfig(**(good | change))
    for second in (good, good | {"name": "other"}, good | {"issuer": "https://other.example"}):
        with pytest.raises(ValidationError, match="stands twice"):
            SecurityConfig.model_validate({"issuers": [good, second]})


def test_where_people_sign_in() -> None:
    good: dict[str, Any] = {
        "name": "corp",
        "issuer": "https://idp.example",
        "client_id": "c",
        "url": "https://console.example/",
    }
    plan = SignInConfig(**good).plan()
    assert plan.redirect_uri == "https://console.example/login/provider/callback"
    assert (plan.scopes, plan.client_secret) == (("openid", "profile", "groups"), None)
    for change, says in (
        ({"issuer": "http://idp.example"}, "issuer must begin with https://"),
        ({"url": "http://console.example"}, "url must begin with https://"),
        ({"scopes": ["profile"]}, "scopes need openid"),
        ({"client_secret": "plain"}, "pattern"),
        ({"client_id": ""}, "client_id"),
    ):
        with pytest.raises(ValidationError, match=says):
            SignInConfig(**(good | change))


def test_keys_are_accepted_for_an_hour_without_the_store_unless_told() -> None:
    assert KeysConfig().max_stale_s == 3600.0 and read_ranges(KeysConfig) == {"max_stale_s": "0 < x"}


def test_where_the_root_key_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert SecurityConfig().root_reference() is None
    assert SecurityConfig(root="file:root.key").root_reference() == f"file:{tmp_path}/root.key"
    for reference in ("env:ROOT", "vault:transit/steward", "kms:alias/steward"):
        assert SecurityConfig(root=reference).root_reference() == reference
    with pytest.raises(ValidationError):
        SecurityConfig(root="root.key")


def test_a_witness_is_a_file_elsewhere_or_a_url_with_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert AuditConfig().plan() is None
    file = AuditConfig(witness="file:heads").plan()
    assert file is not None and (file.place, file.key, file.is_file) == (f"{tmp_path}/heads", None, True)
    url = AuditConfig(witness="https://w.example/heads", witness_key="env:TOKEN").plan()
    assert url is not None and (url.place, url.key, url.is_file) == ("https://w.example/heads", "env:TOKEN", False)
    for witness in (None, "file:heads"):
        with pytest.raises(ValidationError, match="witness_key is sent to a URL"):
            AuditConfig(witness=witness, witness_key="env:TOKEN")


@pytest.mark.parametrize("section", ["security.", "keys."])
def test_defaults_and_bounds_are_those_that_operators_read(section: str) -> None:
    rows = read_settings(section)
    assert rows and describe_settings(section) == rows
