"""The content of feedback and of captured exchanges: whose it is, where it rests, and what opens it.

A spool holds it under the key of its segment (`workflows.spool`), the store under the key of its subject, or of its
exchange where it names no subject (`workflows.subject_keys`). What was sealed by an older release (version 1, under the
root key) still opens, and is sealed anew by the keeper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from steward.core.captures import CapturedContent, CapturedExchange
from steward.core.errors import ContentErased
from steward.core.records import Feedback
from steward.core.subject_keys import name_exchange
from steward.gateway.feedback import FeedbackContent
from steward.security.hierarchy import RecordPlace, is_version_2
from steward.security.rootkey import RootKeys
from steward.security.seal import encode_owner, unseal_any
from steward.workflows.subject_keys import SubjectKeys

if TYPE_CHECKING:  # workers seal without SQL
    from steward.adapters.stores.sql import SqlStore

SPOOL: Final = "spool"
CAPTURE_SPOOL: Final = "captures"
LEDGER_FOLDERS: Final = ("ledger", SPOOL, CAPTURE_SPOOL)  # of a home: everything that the keeper drains
USE: Final = "feedback content"  # of version 1
CAPTURE_USE: Final = "captured exchanges"

RecordWithContent = Feedback | CapturedExchange


def find_place(record: RecordWithContent) -> RecordPlace:
    if isinstance(record, Feedback):
        return RecordPlace(record.tenant, "feedback", "sealed", record.id)
    return RecordPlace(record.tenant, "captures", "sealed", record.request_id)


def find_owner(record: RecordWithContent) -> str:
    """Whose key seals it in the store."""
    return record.subject or name_exchange(record.request_id)


def open_version_1(roots: RootKeys, record: RecordWithContent) -> bytes:
    """:raises InputError: another root key, another record, or changed bytes"""
    if isinstance(record, Feedback):
        use, owner = USE, encode_owner("feedback", record.project, record.request_id, record.id)
    else:
        use = CAPTURE_USE
        owner = encode_owner("captured exchange", record.tenant, record.project, record.request_id)
    return unseal_any(roots.derive_all(use), record.sealed or b"", owner)


class ContentKeys:
    """Opens and seals the content of records of the store."""

    def __init__(self, keys: SubjectKeys, roots: Callable[[], RootKeys]) -> None:
        self.keys, self._roots = keys, roots

    def open(self, record: RecordWithContent) -> bytes:
        """:raises ContentErased: its key was destroyed
        :raises InputError: another record, changed bytes, or not the store's
        :raises Unavailable: the store does not answer
        """
        sealed = record.sealed or b""
        if not is_version_2(sealed):
            return open_version_1(self._roots(), record)
        return self.keys.open(sealed, find_place(record))

    def open_feedback(self, record: Feedback) -> FeedbackContent | None:
        """None: it was erased. :raises InputError, Unavailable: as `open`"""
        try:
            return msgspec.msgpack.decode(self.open(record), type=FeedbackContent)
        except ContentErased:
            return None

    def open_capture(self, record: CapturedExchange) -> CapturedContent | None:
        """None: it was erased. :raises InputError, Unavailable: as `open`"""
        try:
            return msgspec.msgpack.decode(self.open(record), type=CapturedContent)
        except ContentErased:
            return None

    def seal(self, record: RecordWithContent, text: bytes) -> bytes | None:
        """What the store is to hold. None: the subject was erased after the record was written.

        :raises Unavailable: the store does not answer
        """
        return self.keys.seal(find_place(record), find_owner(record), text, at=record.at)


def make_content_keys(store: SqlStore, roots: Callable[[], RootKeys]) -> ContentKeys:
    """What opens the content of `store` under the root keys of its home."""
    return ContentKeys(SubjectKeys(store.subject_keys, store.secrets, roots), roots)
