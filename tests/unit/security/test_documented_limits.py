"""Sizes of secrets, proofs and their lives, as standards and the documentation have them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from documented_limits import read_limit

SIZES: dict[str, Any] = {
    "audit.merkle.HASH_BYTES": 32,  # SHA-256
    "audit.tiles.WIDTH": 256,  # C2SP tlog-tiles
    "audit.tiles.MAX_ENTRY_BYTES": 65_535,  # there: entries have a length of two bytes
    "certificates.CA_DAYS": 3_650,
    "certificates.LEAF_DAYS": 90,
    "certificates.RENEW_DAYS": 30,
    "certificates.MOST_NAMES": 100,
    "certificates.CLOCK_SKEW": timedelta(hours=1),
    "filecrypt.VERSION": 1,
    "filecrypt._TAG_BYTES": 16,  # AES-GCM
    "filecrypt.MAX_CHUNK_BYTES": 67_108_864,
    "hierarchy.KEY_BYTES": 32,  # AES-256
    "hierarchy.ID_BYTES": 16,
    "hierarchy._AES_256_GCM": 1,
    "hierarchy._SALT_BYTES": 32,
    "keys.ID_BYTES": 9,
    "keys.SECRET_BYTES": 24,
    "keys._CRC_CHARS": 6,
    "passwords.SHORTEST": 12,
    "passwords.LONGEST": 256,
    "probes.MAX_SECONDS": 5.0,
    "probes.GIANT_HEADER": 262_144,
    "rootkey.BYTES": 32,  # AES-256
    "seal._NONCE_BYTES": 12,  # AES-GCM: 96 bits (NIST SP 800-38D, section 8.2)
    "tokens.LONGEST": 16_384,
    "tokens.SKEW_S": 60.0,
    "tokens.MOST_GROUPS": 200,
    "totp.STEP_S": 30,  # RFC 6238, section 5.2
    "totp.SLACK": (-1, 0, 1),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_is_the_one_that_is_documented(name: str) -> None:
    assert read_limit("security", name) == SIZES[name]
