"""A home as people's rights see it: its store, its keys, its files, and what opens the texts in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from steward.security.rootkey import RootKeys
from steward.workflows.keys import open_keys
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import HomeDeployment, find_deployment


class CorrectionNote(msgspec.Struct, frozen=True):
    """What is sealed of a correction."""

    note: str

    def __repr__(self) -> str:
        return "CorrectionNote(***)"


class RightsHome:
    """Opened by `open_rights_home`."""

    def __init__(self, deployment: HomeDeployment, store: SqlStore, roots: Callable[[], RootKeys]) -> None:
        self.deployment, self.store, self.roots = deployment, store, roots
        self.path = Path(deployment.home)
        self.contents = make_content_keys(store, roots)
        self.keys = self.contents.keys

    # -- texts -------------------------------------------------------------------------------------

    def open_feedback(self, record: Feedback) -> FeedbackContent | None:
        """None: it has no words, or they were erased."""
        return None if record.sealed is None else self.contents.open_feedback(record)

    def seal_feedback(self, record: Feedback, content: FeedbackContent) -> bytes | None:
        """None: the person was erased meanwhile."""
        return self.contents.seal(record, msgspec.msgpack.encode(content))

    def open_capture(self, record: CapturedExchange) -> CapturedContent | None:
        """None: it was erased."""
        return self.contents.open_capture(record)

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
    with open_keys(deployment, now) as (store, _, _root):
        yield RightsHome(deployment, store, deployment.follow_roots())
