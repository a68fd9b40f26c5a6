"""What seals the content of feedback, and what opens it.

The spool is the ledger's file format in a folder of its own, one writer for each process; the keeper moves it into
the store exactly once. Content is ciphertext in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from steward.core.records import Feedback
from steward.gateway.feedback import Seal
from steward.security.rootkey import derive
from steward.security.seal import encode_owner, seal, unseal

SPOOL: Final = "spool"
_USE: Final = "feedback content"


def make_sealer(root: bytes) -> Seal:
    """Seals content under the root key, so that it opens only as the content of its own record."""
    key = derive(root, _USE)
    return lambda record, content: seal(key, content, _owner(record))


def make_opener(root: bytes) -> Callable[[Feedback], bytes]:
    """Opens the content of a record; the call raises InputError where it does not open under this root key."""
    key = derive(root, _USE)
    return lambda record: unseal(key, record.sealed or b"", _owner(record))


def _owner(record: Feedback) -> bytes:
    return encode_owner("feedback", record.project, record.request_id, record.id)
