"""What seals the content of feedback, and what opens it.

The spool is the ledger's file format in a folder of its own, one writer for each process; the keeper moves it into
the store exactly once. Content is ciphertext in both.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from steward.core.records import Feedback
from steward.gateway.feedback import Seal
from steward.security.rootkey import derive
from steward.security.seal import encode_owner, seal, unseal
from steward.workflows.deployment import find_deployment

SPOOL: Final = "spool"
_USE: Final = "feedback content"


def sealer(home: Path) -> Seal:
    """Seals content so that it opens only as the content of its own record. :raises InputError: an unfit root key"""
    key = derive(find_deployment(home).root_key(), _USE)
    return lambda record, content: seal(key, content, _owner(record))


def opener(home: Path) -> Callable[[Feedback], bytes]:
    """Opens the content of a record; the call raises InputError where it does not open under this home's key."""
    key = derive(find_deployment(home).root_key(), _USE)
    return lambda record: unseal(key, record.sealed or b"", _owner(record))


def _owner(record: Feedback) -> bytes:
    return encode_owner("feedback", record.project, record.request_id, record.id)
