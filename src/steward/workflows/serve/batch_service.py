"""What the endpoints for batches and their files do: the store's work, in the name of a key's project."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.gateway.batch import (
    Batch,
    BatchPlan,
    StoredFile,
    describe_batch,
    describe_file,
    describe_page,
    is_id,
    list_page,
    not_there,
    read_batch_request,
    read_upload,
)
from steward.workflows.batch_store import BatchStore, belongs, make_file_record, new_id

DAY_S = 86_400.0


class BatchService:
    """Every method reads or writes files and may take a while: call it in a thread."""

    def __init__(
        self, store: BatchStore, plan: Callable[[], BatchPlan], clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._plan, self._clock = store, plan, clock

    def upload(self, caller: Caller, body: bytes, content_type: str) -> bytes:
        """:raises Refused: 400, no file for batches; 413, the tenant's room is used up"""
        file = read_upload(body, content_type)
        owner, plan = caller.principal, self._plan()
        used = self._store.count_bytes(owner.tenant) if self._store.exists() else 0
        if used + len(file.data) > plan.max_tenant_bytes:
            raise Refused(
                f"Files for batches take {used:,} of {plan.max_tenant_bytes:,} bytes (batches.max_tenant_bytes), and "
                f"this one has {len(file.data):,}. Delete files that are no longer needed.",
                status=413,
                type="invalid_request_error",
                code="storage_limit_exceeded",
            )
        now, keep_s = self._clock(), plan.keep_days * DAY_S
        record = make_file_record(owner.tenant, owner.project, file.filename, file.data, now, keep_s)
        self._store.keep(record, file.data)
        return msgspec.json.encode(describe_file(record))

    def list_files(self, caller: Caller, query: Mapping[str, str]) -> bytes:
        """:raises Refused: 400"""
        purpose = query.get("purpose")
        own = [file for file in self._store.list_files() if self._is_shown(file, caller.principal)]
        chosen = [file for file in own if purpose in (None, file.purpose)]
        page, more = list_page(chosen, query.get("after"), query.get("limit", "10000"))
        return describe_page([describe_file(file) for file in page], more)

    def show_file(self, caller: Caller, name: str) -> bytes:
        return msgspec.json.encode(describe_file(self._own_file(caller, name)))

    def open_content(self, caller: Caller, name: str) -> tuple[int, Iterator[bytes]]:
        """Length and content. :raises Refused: 404"""
        file = self._own_file(caller, name)
        return file.bytes, self._store.read(file)

    def delete_file(self, caller: Caller, name: str) -> bytes:
        """:raises Refused: 404; 409, a batch still reads it"""
        file = self._own_file(caller, name)
        running = next((b.id for b in self._store.list_batches() if b.input_file_id == file.id and not b.is_over), None)
        if running is not None:
            raise Refused(
                f"{file.id} is the input of {running}, which is not over. Cancel the batch, or wait for its end.",
                status=409,
                type="invalid_request_error",
                code="file_in_use",
            )
        self._store.delete_for_client(file, self._clock())
        return msgspec.json.encode({"id": file.id, "object": "file", "deleted": True})

    def create(self, caller: Caller, body: bytes) -> bytes:
        """:raises Refused: 400; 404, no such file"""
        batch = read_batch_request(body, caller.principal, new_id("batch"), self._clock())
        file = self._own_file(caller, batch.input_file_id)
        if file.purpose != "batch":
            raise Refused(
                f"{file.id} has the purpose '{file.purpose}'; upload the requests with purpose='batch'.",
                status=400,
                type="invalid_request_error",
                param="input_file_id",
            )
        self._store.put_batch(batch)
        return msgspec.json.encode(describe_batch(batch))

    def list_batches(self, caller: Caller, query: Mapping[str, str]) -> bytes:
        """:raises Refused: 400"""
        own = [batch for batch in self._store.list_batches() if self._is_own(batch, caller.principal)]
        page, more = list_page(own, query.get("after"), query.get("limit"))
        return describe_page([describe_batch(batch) for batch in page], more)

    def show(self, caller: Caller, name: str) -> bytes:
        return msgspec.json.encode(describe_batch(self._own_batch(caller, name)))

    def cancel(self, caller: Caller, name: str) -> bytes:
        """:raises Refused: 404; 409, it is over"""
        batch = self._own_batch(caller, name)
        if batch.is_over:
            raise Refused(
                f"{batch.id} is {batch.status} and cannot be cancelled.",
                status=409,
                type="invalid_request_error",
                code="batch_is_over",
            )
        self._store.cancel(batch.id)
        return self.show(caller, name)

    def _own_file(self, caller: Caller, name: str) -> StoredFile:
        file = self._store.find_file(name) if is_id(name) else None
        if file is None or not self._is_shown(file, caller.principal):
            raise not_there("file", name)
        return file

    def _own_batch(self, caller: Caller, name: str) -> Batch:
        batch = self._store.find_batch(name) if is_id(name) else None
        if batch is None or not self._is_own(batch, caller.principal):
            raise not_there("batch", name)
        return batch

    def _is_shown(self, file: StoredFile, owner: Principal) -> bool:
        return file.deleted_at is None and self._is_own(file, owner)

    def _is_own(self, record: Any, owner: Principal) -> bool:
        return belongs(record, owner.tenant, owner.project)
