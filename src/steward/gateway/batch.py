"""Batches of requests and the files that they need: what is accepted, kept and told. Pure.

A batch is a job of the gateway's own: each line of its file becomes a request like any other, with the same limits,
guards and ledger, and is sent when there is time. Shapes: OpenAI API reference, "Files" and "Batch". Knows nothing of
where files lie (`workflows/batch_store.py`) or who sends the requests (`workflows/serve/batch_runner.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.core.identity import Principal
from steward.gateway.form import missing_field, parse_form
from steward.gateway.wire import bad_request, decode_body

BatchStatus = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
FilePurpose = Literal["batch", "batch_output"]

FINAL: Final = frozenset({"failed", "completed", "expired", "cancelled"})
ENDPOINTS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages")
WINDOW_S: Final = 24 * 3600.0  # the only completion window there is
MAX_ERRORS: Final = 100  # of a file that are told
MAX_METADATA: Final = 16  # pairs, of 64 and 512 characters: OpenAI API reference, "metadata"
MAX_CUSTOM_ID: Final = 256  # characters
PAGE: Final = 20  # entries of a list, where the client names no limit
MAX_PAGE: Final = 10_000
_ID: Final = re.compile(r"(?:file|batch)-[0-9a-f]{24}")


class BatchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The `batches` section."""

    concurrency: int = 4
    max_requests: int = 50_000
    max_tenant_bytes: int = 1024 * 1024 * 1024
    keep_days: float = 7.0
    disclose: bool = False  # in each line that a model made it; `gateway.disclose` decides


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is kept; its content lies beside, sealed in `pieces`."""

    id: str
    tenant: str
    project: str
    purpose: FilePurpose
    filename: str
    bytes: int
    pieces: int
    created_at: float
    expires_at: float
    deleted_at: float | None = None  # by its client, while a legal hold was in force: hidden, and kept until its end


class BatchIssue(msgspec.Struct, frozen=True, kw_only=True):
    """Why a line, or the whole file, cannot be run."""

    code: str
    message: str
    line: int | None = None  # from 1
    param: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch. Times are seconds since the epoch; None: not yet."""

    id: str
    tenant: str
    project: str
    key_id: str
    endpoint: str
    input_file_id: str
    metadata: dict[str, str] | None = None
    status: BatchStatus = "validating"
    created_at: float
    expires_at: float
    in_progress_at: float | None = None
    finalizing_at: float | None = None
    completed_at: float | None = None
    failed_at: float | None = None
    expired_at: float | None = None
    cancelling_at: float | None = None
    cancelled_at: float | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: tuple[BatchIssue, ...] = ()
    total: int = 0
    completed: int = 0
    failed: int = 0

    @property
    def is_over(self) -> bool:
        return self.status in FINAL

    @property
    def ended_at(self) -> float | None:
        return self.completed_at or self.failed_at or self.expired_at or self.cancelled_at


class BatchLine(msgspec.Struct, frozen=True):
    """One request of a batch; `number` counts lines from 1."""

    number: int
    custom_id: str
    body: bytes


# -- what clients send ------------------------------------------------------------------------------------


class _BatchBody(msgspec.Struct):
    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None


_body = msgspec.json.Decoder(_BatchBody)


def read_batch_request(body: bytes, owner: Principal, batch_id: str, now: float) -> Batch:
    """:raises Refused: 400, naming the field that is wrong"""
    asked = decode_body(_body, body)
    if asked.endpoint not in ENDPOINTS:
        raise bad_request(
            f"endpoint is {cut_text(asked.endpoint)!r}; batches take {', '.join(ENDPOINTS)}.",
            "endpoint",
            "invalid_endpoint",
        )
    if asked.completion_window != "24h":
        raise bad_request(
            f"completion_window is {cut_text(asked.completion_window)!r}; expected '24h'.", "completion_window"
        )
    _check_metadata(asked.metadata or {})
    return Batch(
        id=batch_id,
        tenant=owner.tenant,
        project=owner.project,
        key_id=owner.id,
        endpoint=asked.endpoint,
        input_file_id=asked.input_file_id,
        metadata=asked.metadata,
        created_at=now,
        expires_at=now + WINDOW_S,
    )


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if len(metadata) > MAX_METADATA or any(len(key) > 64 or len(value) > 512 for key, value in metadata.items()):
        raise bad_request(f"metadata takes {MAX_METADATA} pairs, of at most 64 and 512 characters.", "metadata")


class UploadedFile(msgspec.Struct, frozen=True):
    """What a client sends to `/v1/files`."""

    filename: str
    data: bytes


def read_upload(body: bytes, content_type: str) -> UploadedFile:
    """:raises Refused: 400, a form without a file, or another purpose than batches"""
    form = parse_form(body, content_type)
    purpose = form.text("purpose")
    if purpose is None:
        raise missing_field("purpose")
    if purpose != "batch":
        raise bad_request(
            f"purpose is {cut_text(purpose)!r}; this gateway keeps files for batches only. Send purpose='batch', or "
            "keep the file in your application and put its content into the messages.",
            "purpose",
            "unsupported_purpose",
        )
    files = form.files("file")
    if len(files) != 1:
        raise missing_field("file") if not files else bad_request(f"'file' must be one file, not {len(files)}.", "file")
    if not files[0].value.strip():
        raise bad_request("The file is empty; expected one request in JSON on each line.", "file", "empty_file")
    return UploadedFile((files[0].filename or "batch.jsonl")[:255], files[0].value)


class _Line(msgspec.Struct):
    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class _BodyHead(msgspec.Struct):
    model: str
    stream: bool | None = None


class _LineHead(msgspec.Struct):
    """All that is checked of a line."""

    custom_id: str
    method: str
    url: str
    body: _BodyHead


_line = msgspec.json.Decoder(_Line)
_head = msgspec.json.Decoder(_LineHead)


def parse_lines(data: bytes, endpoint: str, most: int) -> tuple[list[BatchLine], list[BatchIssue]]:
    """The requests of an input file, and what is wrong with it: `MAX_ERRORS` issues at most."""
    lines: list[BatchLine] = []
    issues: list[BatchIssue] = []
    seen: set[str] = set()
    for number, text in enumerate(data.split(b"\n"), 1):
        if not text.strip():
            continue
        if len(lines) >= most:
            return lines, [BatchIssue(code="too_many_requests", message=f"The file has more than {most:,} requests.")]
        parsed = _parse_line(number, text, endpoint, seen)
        if isinstance(parsed, BatchLine):
            lines.append(parsed)
        else:
            issues.append(parsed)
            if len(issues) >= MAX_ERRORS:
                break
    if not lines and not issues:
        issues.append(BatchIssue(code="empty_file", message="The file has no request."))
    return lines, issues


def _parse_line(number: int, text: bytes, endpoint: str, seen: set[str]) -> BatchLine | BatchIssue:
    try:
        head = decode_body(_head, text).body
        line = _line.decode(text)
    except Refused as error:
        message = f"Expected an object with custom_id, method, url and body (with a model): {error.message}"
        return BatchIssue(code="invalid_json_line", message=message, line=number, param=error.param)
    if line.method != "POST" or line.url != endpoint:
        message = f"Expected POST {endpoint}, as the batch says, not {cut_text(line.method)} {cut_text(line.url)}."
        return BatchIssue(code="mismatched_endpoint", message=message, line=number, param="url")
    if not 0 < len(line.custom_id) <= MAX_CUSTOM_ID:
        message = f"custom_id must have 1 to {MAX_CUSTOM_ID} characters."
        return BatchIssue(code="invalid_custom_id", message=message, line=number, param="custom_id")
    if line.custom_id in seen:
        message = "This custom_id stands in the file already; each must be unique."
        return BatchIssue(code="duplicate_custom_id", message=message, line=number, param="custom_id")
    if head.stream:
        message = "stream must not be true: answers of a batch come in a file."
        return BatchIssue(code="invalid_request", message=message, line=number, param="body.stream")
    seen.add(line.custom_id)
    return BatchLine(number, line.custom_id, bytes(line.body))


# -- what clients get -------------------------------------------------------------------------------------


def format_answer(line: BatchLine, request_id: str, status: int, body: bytes, generated: bool = False) -> bytes:
    """A line of the output file, or of the error file where the status is an error.

    `generated`: it says, as `x-ai-generated` does of an answer with headers, that a model made it.
    """
    response: dict[str, Any] = {"status_code": status, "request_id": request_id}
    if generated:
        response["ai_generated"] = True
    response["body"] = msgspec.Raw(_on_one_line(body))
    return msgspec.json.encode(
        {"id": f"batch_{request_id}", "custom_id": line.custom_id, "response": response, "error": None}
    )


def _on_one_line(body: bytes) -> bytes:
    """JSON has line ends only between its values."""
    return body.replace(b"\r", b" ").replace(b"\n", b" ")


def format_unanswered(line: BatchLine, code: str, message: str) -> bytes:
    """A line of the error file for a request that was not sent, or got no answer."""
    error = {"code": code, "message": message}
    return msgspec.json.encode(
        {"id": f"batch_req_{line.number}", "custom_id": line.custom_id, "response": None, "error": error}
    )


def describe_file(file: StoredFile) -> dict[str, Any]:
    """A file as OpenAI's SDK reads it."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created_at),
        "expires_at": int(file.expires_at),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    }


def describe_batch(batch: Batch) -> dict[str, Any]:
    """A batch as OpenAI's SDK reads it."""
    issues = [{"code": i.code, "message": i.message, "line": i.line, "param": i.param} for i in batch.errors]
    times = (
        *("created_at", "expires_at", "in_progress_at", "finalizing_at", "completed_at"),
        *("failed_at", "expired_at", "cancelling_at", "cancelled_at"),
    )
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": issues} if issues else None,
        "input_file_id": batch.input_file_id,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        **{name: None if (at := getattr(batch, name)) is None else int(at) for name in times},
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": batch.metadata,
    }


Entry = TypeVar("Entry", Batch, StoredFile)


def list_page(entries: Sequence[Entry], after: str | None, limit: str | None) -> tuple[list[Entry], bool]:
    """The entries behind `after`, and whether there are more.

    :raises Refused: 400, a limit that is none, or an `after` that is not there
    """
    count = PAGE if limit is None else int(limit) if limit.isdigit() else 0
    if not 1 <= count <= MAX_PAGE:
        raise bad_request(f"limit must be between 1 and {MAX_PAGE:,}, not {limit!r}.", "limit")
    start = 0
    if after is not None:
        index_of_after = next((index for index, entry in enumerate(entries) if entry.id == after), None)
        if index_of_after is None:
            raise bad_request(f"after is {cut_text(after)!r}, which is not in the list.", "after")
        start = index_of_after + 1
    return list(entries[start : start + count]), len(entries) > start + count


def describe_page(entries: Sequence[dict[str, Any]], has_more: bool) -> bytes:
    first, last = (entries[0]["id"], entries[-1]["id"]) if entries else (None, None)
    page = {"object": "list", "data": entries, "has_more": has_more, "first_id": first, "last_id": last}
    return msgspec.json.encode(page)


def is_id(text: str) -> bool:
    """Whether a name can be one of ours: it becomes the name of a file.

    >>> is_id("file-" + "0" * 24), is_id("../../etc/passwd")
    (True, False)
    """
    return _ID.fullmatch(text) is not None


def not_there(kind: str, name: str) -> Refused:
    """404 for a file or batch that does not exist, or is another project's."""
    return Refused(
        f"No {kind} '{cut_text(name)}' in this key's project. They are kept on the machine that took them, for a "
        "limited time (batches.keep_days).",
        status=404,
        type="invalid_request_error",
        code=f"{kind}_not_found",
    )
