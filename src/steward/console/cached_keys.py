"""All keys of a tenant, read again only when one has changed: ten thousand take longer to read than a page may take."""

from __future__ import annotations

from steward.core.keys import KeyRecord
from steward.core.stores import KeyStore


class CachedKeys:
    """As `KeyStore.list_keys`; the store's version, which every change of a key raises, says when to read again."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._known: dict[str | None, tuple[int, list[KeyRecord]]] = {}

    def list_keys(self, *, tenant: str | None) -> list[KeyRecord]:
        """Revoked ones too, oldest first. The list is shared: nobody changes it."""
        version = self._keys.version()  # before the keys: a change in between is read the next time
        known = self._known.get(tenant)
        if known is None or known[0] != version:
            known = self._known[tenant] = (version, self._keys.list_keys(tenant=tenant))
        return known[1]
