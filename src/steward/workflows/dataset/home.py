"""What a home knows for training sets: its keys, people's pseudonyms, ratings, and which sets it has built."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from steward.core.captures import CapturedContent, CapturedExchange
from steward.core.errors import ContentErased, Unavailable
from steward.core.files import hold_lock, make_private_folder
from steward.core.records import Feedback, RatedExchange
from steward.gateway.middleware.identify import pseudonym
from steward.improvement.dataset.manifest import DatasetManifest
from steward.security.rootkey import derive
from steward.workflows.captures import read_captures
from steward.workflows.crypt import home_file_keys
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.shared_secrets import SUBJECT_INDEX, check_root, ensure_secret

FOLDER, REGISTER = "datasets", "register.jsonl"
_USE: Final = "training sets"


class RegisteredDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the register: a set that was built here, and where it was put."""

    name: str
    digest: str
    folder: str
    built_at: float
    rows: int
    subjects: int
    parent: str = ""


class DatasetHome:
    """A home as training sets see it; opening it makes its folder and its root key where they are missing."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        make_private_folder(home)
        self._deployment = find_deployment(home)
        roots = self._deployment.roots()
        self._root, self._clock = roots.current, clock
        self.folder = home / FOLDER
        self.key = derive(roots.first, _USE)  # so that sets of before a rotation are still this home's
        self.file_keys = home_file_keys(home)
        self._contents: dict[str, bytes] = {}  # of feedback, by id

    def subject_namer(self, tenant: str, project: str) -> Callable[[str], str]:
        """From a person's name to the pseudonym that the gateway gives them."""
        store = self._deployment.open_store()
        try:
            store.migrate()
            check_root(store.secrets, self._root, self._clock())
            key = ensure_secret(store.secrets, self._root, SUBJECT_INDEX, tenant, self._clock())
        finally:
            store.close()
        return lambda name: pseudonym(key, project, name) or ""

    def list_rated(self, tenant: str) -> list[RatedExchange]:
        store = self._deployment.open_store()
        try:
            store.migrate()
            rated = store.feedback.list_rated(tenant=tenant)
            keys = make_content_keys(store, self._deployment.follow_roots())
            for record in (one.feedback for one in rated if one.feedback.sealed):
                try:
                    self._contents[record.id] = keys.open(record)
                except ContentErased:
                    continue
        finally:
            store.close()
        return rated

    def unseal(self, record: Feedback) -> bytes:
        """The content of one that `list_rated` gave. :raises ContentErased: its key was destroyed"""
        try:
            return self._contents[record.id]
        except KeyError:
            raise ContentErased(f"feedback {record.id}: its content was erased") from None

    def list_captures(self, tenant: str) -> Iterator[tuple[CapturedExchange, CapturedContent]]:
        """Those that have not expired, oldest first."""
        store, now = self._deployment.open_store(), self._clock()
        try:
            store.migrate()
            keys = make_content_keys(store, self._deployment.follow_roots())
            yield from read_captures(store.captures, keys.open_capture, 0.0, math.inf, tenant=tenant, now=now)
        finally:
            store.close()

    def register(self, manifest: DatasetManifest, folder: Path, at: float) -> None:
        """Note a set, wherever it is: whoever erases a person must find it."""
        line = RegisteredDataset(
            name=manifest.name, digest=manifest.digest, folder=str(folder.absolute()), built_at=at,
            rows=sum(manifest.rows.values()), subjects=len(manifest.subjects), parent=manifest.parent,
        )  # fmt: skip
        make_private_folder(self.folder)
        with hold_lock(self.folder / ".lock"), (self.folder / REGISTER).open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()

    def list_registered(self) -> list[RegisteredDataset]:
        """Oldest first. :raises Unavailable: a line that cannot be read"""
        try:
            lines: Iterable[bytes] = (self.folder / REGISTER).read_bytes().splitlines()
        except FileNotFoundError:
            return []
        try:
            return [msgspec.json.decode(line, type=RegisteredDataset) for line in lines]
        except msgspec.MsgspecError as error:
            raise Unavailable(
                f"{self.folder / REGISTER}: a line that cannot be read ({error}); mend it by hand"
            ) from None
