"""A home as people's rights see it: its store, its keys, its files, and what opens the texts in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.captures import CapturedContent, CapturedExchange
from steward.core.errors import ContentErased
from steward.core.records import Feedback
from steward.core.rights import Correction
from steward.gateway.feedback import FeedbackContent
from steward.security.hierarchy import RecordPlace
from steward.workflows.keys import open_keys
from steward.workflows.sealing import make_capture_opener, make_opener, make_sealer
from steward.workflows.serve.deployment import HomeDeployment, find_deployment
from steward.workflows.subject_keys import SubjectKeys


class CorrectionNote(msgspec.Struct, frozen=True):
    """What is sealed of a correction."""

    note: str

    def __repr__(self) -> str:
        return "CorrectionNote(***)"


class RightsHome:
    """Opened by `open_rights_home`."""

    def __init__(self, deployment: HomeDeployment, store: SqlStore, root: bytes) -> None:
        self.deployment, self.store, self.root = deployment, store, root
        self.path = Path(deployment.home)
        self.keys = SubjectKeys(store.subject_keys, store.secrets, lambda: root)

    # -- texts -------------------------------------------------------------------------------------

    def open_feedback(self, record: Feedback) -> FeedbackContent | None:
        """None: it has no words, or they were erased."""
        if record.sealed is None:
            return None
        try:
            return msgspec.msgpack.decode(make_opener(self.root)(record), type=FeedbackContent)
        except ContentErased:
            return None

    def seal_feedback(self, record: Feedback, content: FeedbackContent) -> bytes:
        return make_sealer(self.root)(record, msgspec.msgpack.encode(content))

    def open_capture(self, record: CapturedExchange) -> CapturedContent | None:
        """None: it was erased."""
        try:
            return make_capture_opener(self.root)(record)
        except ContentErased:
            return None

    def open_correction(self, record: Correction) -> CorrectionNote | None:
        try:
            text = self.keys.open(record.sealed, place_of(record))
        except ContentErased:
            return None
        return msgspec.msgpack.decode(text, type=CorrectionNote)


def place_of(record: Correction) -> RecordPlace:
    return RecordPlace(record.tenant, "corrections", "sealed", record.id)


@contextmanager
def open_rights_home(home: Path, now: float) -> Iterator[RightsHome]:
    """:raises Unavailable: the store does not answer :raises InputError: the root key is another one"""
    deployment = find_deployment(home)
    with open_keys(deployment, now) as (store, _, root):
        yield RightsHome(deployment, store, root)
