"""Secrets that machines share: wrapped by the root key, each for its own place."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError
from steward.core.stores import WrappedSecret
from steward.security.rootkey import RootKeys, fingerprint
from steward.workflows.shared_secrets import PEPPER, check_root, ensure_secret, unwrap_all, unwrap_secret, wrap_secret

ROOT, OTHER = bytes(32), b"\1" * 32


class Secrets:
    """A store in memory: what was there first stays."""

    def __init__(self) -> None:
        self.root = ""
        self.kept: dict[tuple[str, str, int], WrappedSecret] = {}

    def ensure_root(self, mine: str, at: float) -> str:
        self.root = self.root or mine
        return self.root

    def ensure(self, secret: WrappedSecret, at: float, root: str | None = None) -> WrappedSecret:
        return self.kept.setdefault((secret.kind, secret.tenant, secret.version), secret)

    def list_secrets(self, kind: str) -> list[WrappedSecret]:
        return [secret for secret in self.kept.values() if secret.kind == kind]


def test_a_store_belongs_to_one_root_key() -> None:
    store = Secrets()
    check_root(store, ROOT, 1.0)
    check_root(store, ROOT, 2.0)
    with pytest.raises(InputError, match=f"was made with root key {fingerprint(ROOT)}, but this machine has"):
        check_root(store, OTHER, 3.0)


def test_the_first_value_stays() -> None:
    store = Secrets()
    assert ensure_secret(store, ROOT, PEPPER, "t", 1.0, b"first" * 7) == b"first" * 7
    assert ensure_secret(store, ROOT, PEPPER, "t", 2.0, b"other" * 7) == b"first" * 7
    made = ensure_secret(store, ROOT, PEPPER, "u", 2.0)
    assert len(made) == 32 and made == ensure_secret(store, ROOT, PEPPER, "u", 3.0)


def test_a_secret_opens_at_its_own_place_only() -> None:
    secret = wrap_secret(ROOT, "k", "t", 2, b"value")
    assert unwrap_secret(ROOT, secret) == b"value" and b"value" not in secret.wrapped
    assert unwrap_all(RootKeys(ROOT), [secret]) == {("t", 2): b"value"}
    for moved in (
        WrappedSecret("other", "t", 2, secret.wrapped), WrappedSecret("k", "u", 2, secret.wrapped),
        WrappedSecret("k", "t", 3, secret.wrapped),
    ):  # fmt: skip
        with pytest.raises(InputError):
            unwrap_secret(ROOT, moved)
    with pytest.raises(InputError):
        unwrap_secret(OTHER, secret)
