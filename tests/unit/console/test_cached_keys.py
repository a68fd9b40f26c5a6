from __future__ import annotations

from pathlib import Path

from steward.console.cached_keys import CachedKeys
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.workflows import keys
from steward.workflows.serve.deployment import find_deployment


def test_keys_are_read_again_when_one_has_changed(tmp_path: Path) -> None:
    first = keys.create(tmp_path, "a", LimitSpec(), 1.0, actor=operator(0))
    store = find_deployment(tmp_path).open_store()
    cached = CachedKeys(store.keys)
    before = cached.list_keys(tenant=None)
    assert [one.name for one in before] == ["a"] and cached.list_keys(tenant=None) is before
    assert cached.list_keys(tenant="acme") == []
    keys.revoke(tmp_path, first.id, 2.0, actor=operator(0))
    assert cached.list_keys(tenant=None)[0].revoked_at == 2.0
    store.close()
