"""What seals the content of feedback, and what opens it.

The spool is the ledger's file format in a folder of its own, one writer for each process; the keeper moves it into
the store exactly once. Content is ciphertext in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from steward.core.captures import CapturedContent, CapturedExchange
from steward.core.records import Feedback
from steward.gateway.feedback import Seal
from steward.security.rootkey import derive
from steward.security.seal import encode_owner, seal, unseal

SPOOL: Final = "spool"
CAPTURE_SPOOL: Final = "captures"
_USE: Final = "feedback content"
_CAPTURE_USE: Final = "captured exchanges"


def make_sealer(root: bytes) -> Seal:
    """Seals content under the root key, so that it opens only as the content of its own record."""
    key = derive(root, _USE)
    return lambda record, content: seal(key, content, _owner(record))


def make_opener(root: bytes) -> Callable[[Feedback], bytes]:
    """Opens the content of a record; the call raises InputError where it does not open under this root key."""
    key = derive(root, _USE)
    return lambda record: unseal(key, record.sealed or b"", _owner(record))


def make_capture_sealer(root: bytes) -> Callable[[CapturedExchange, bytes], bytes]:
    """Seals the texts of a captured exchange, as `make_sealer` does for feedback."""
    key = derive(root, _CAPTURE_USE)
    return lambda record, content: seal(key, content, capture_owner(record))


def make_capture_opener(root: bytes) -> Callable[[CapturedExchange], CapturedContent]:
    """Opens them; the call raises InputError where they do not open under this root key."""
    key = derive(root, _CAPTURE_USE)

    def open_capture(record: CapturedExchange) -> CapturedContent:
        return msgspec.msgpack.decode(unseal(key, record.sealed, capture_owner(record)), type=CapturedContent)

    return open_capture


def capture_owner(record: CapturedExchange) -> bytes:
    return encode_owner("captured exchange", record.tenant, record.project, record.request_id)


def _owner(record: Feedback) -> bytes:
    return encode_owner("feedback", record.project, record.request_id, record.id)
