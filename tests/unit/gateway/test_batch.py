"""What batches and their files may be; shapes as OpenAI's SDK reads them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from openai.types import Batch as SdkBatch
from openai.types import FileObject

from steward.core.errors import Refused
from steward.core.identity import Principal
from steward.gateway.batch import (
    MAX_CUSTOM_ID,
    MAX_ERRORS,
    Batch,
    BatchIssue,
    BatchLine,
    StoredFile,
    describe_batch,
    describe_file,
    describe_page,
    format_answer,
    format_unanswered,
    is_id,
    list_page,
    not_there,
    parse_lines,
    read_batch_request,
    read_upload,
)

CHAT = "/v1/chat/completions"
OWNER = Principal(kind="key", id="k1", tenant="t", project="p")
BATCH = Batch(
    id="batch-" + "0" * 24,
    tenant="t",
    project="p",
    key_id="k1",
    endpoint=CHAT,
    input_file_id="file-" + "0" * 24,
    created_at=10.5,
    expires_at=86_410.5,
)
FILE = StoredFile(
    id="file-" + "0" * 24,
    tenant="t",
    project="p",
    purpose="batch",
    filename="a.jsonl",
    bytes=3,
    pieces=1,
    created_at=10.5,
    expires_at=20.0,
)


def line(custom_id: Any = "a", method: str = "POST", url: str = CHAT, **body: Any) -> bytes:
    return json.dumps({"custom_id": custom_id, "method": method, "url": url, "body": {"model": "m", **body}}).encode()


def request(**fields: Any) -> bytes:
    asked = {"input_file_id": FILE.id, "endpoint": CHAT, "completion_window": "24h", **fields}
    return json.dumps(asked).encode()


def test_a_batch_lasts_a_day_and_belongs_to_its_keys_project() -> None:
    batch = read_batch_request(request(metadata={"a": "b"}), OWNER, BATCH.id, 10.5)
    assert batch == msgspec.structs.replace(BATCH, metadata={"a": "b"})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (request(endpoint="/v1/images/generations"), "endpoint"),
        (request(completion_window="48h"), "completion_window"),
        (request(metadata={str(number): "" for number in range(17)}), "metadata"),
        (request(metadata={"a" * 65: ""}), "metadata"),
        (request(metadata={"a": "b" * 513}), "metadata"),
        (request(input_file_id=5), "input_file_id"),
        (b"{", None),
    ],
)
def test_a_wrong_batch_is_refused_by_field(body: bytes, param: str | None) -> None:
    with pytest.raises(Refused) as caught:
        read_batch_request(body, OWNER, BATCH.id, 0.0)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_metadata_at_its_bounds_is_taken() -> None:
    most = {f"{number:064}": "b" * 512 for number in range(16)}
    assert read_batch_request(request(metadata=most), OWNER, BATCH.id, 0.0).metadata == most


def form(purpose: str | None, *files: bytes) -> bytes:
    parts = [f'Content-Disposition: form-data; name="purpose"\r\n\r\n{purpose}'.encode()] if purpose else []
    parts += [b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n' + file for file in files]
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def test_a_file_for_batches_is_taken() -> None:
    file = read_upload(form("batch", b"{}\n"), "multipart/form-data; boundary=b")
    assert (file.filename, file.data) == ("a.jsonl", b"{}\n")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (form(None, b"x"), "purpose"),
        (form("assistants", b"x"), "purpose"),
        (form("batch"), "file"),
        (form("batch", b" \n"), "file"),
    ],
)
def test_other_files_are_refused(body: bytes, param: str) -> None:
    with pytest.raises(Refused) as caught:
        read_upload(body, "multipart/form-data; boundary=b")
    assert (caught.value.status, caught.value.param) == (400, param)


def test_another_purpose_is_told_in_part_where_it_is_long() -> None:
    with pytest.raises(Refused, match=f"purpose is '{'p' * 99}…'; "):
        read_upload(form("p" * 101, b"x"), "multipart/form-data; boundary=b")


def test_lines_are_numbered_as_they_stand_in_the_file() -> None:
    lines, issues = parse_lines(b"\n" + line("a") + b"\r\n\n" + line("b", stream=False), CHAT, 2)
    assert [(one.number, one.custom_id) for one in lines] == [(2, "a"), (4, "b")] and not issues
    assert json.loads(lines[0].body) == {"model": "m"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"nonsense", "invalid_json_line"),
        (b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}', "invalid_json_line"),
        (line(method="GET"), "mismatched_endpoint"),
        (line(url="/v1/embeddings"), "mismatched_endpoint"),
        (line(""), "invalid_custom_id"),
        (line("x" * (MAX_CUSTOM_ID + 1)), "invalid_custom_id"),
        (line(stream=True), "invalid_request"),
    ],
)
def test_a_wrong_line_is_named(text: bytes, code: str) -> None:
    lines, issues = parse_lines(line("first") + b"\n" + text, CHAT, 10)
    assert len(lines) == 1 and [(issue.code, issue.line) for issue in issues] == [(code, 2)]


def test_a_custom_id_stands_once() -> None:
    assert [issue.code for issue in parse_lines(line() + b"\n" + line(), CHAT, 10)[1]] == ["duplicate_custom_id"]
    assert not parse_lines(line("x" * MAX_CUSTOM_ID), CHAT, 10)[1]


def test_files_are_bounded() -> None:
    two = line("a") + b"\n" + line("b")
    assert not parse_lines(two, CHAT, 2)[1]
    assert [issue.code for issue in parse_lines(two, CHAT, 1)[1]] == ["too_many_requests"]
    assert [issue.code for issue in parse_lines(b"\n", CHAT, 1)[1]] == ["empty_file"]
    assert len(parse_lines(b"x\n" * 500, CHAT, 10)[1]) == MAX_ERRORS


def test_an_answer_is_one_line() -> None:
    text = format_answer(BatchLine(3, "a", b""), "req_1", 200, b'{\n "x": 1\r\n}')
    assert b"\n" not in text and b"\r" not in text
    assert json.loads(text) == {
        "id": "batch_req_1",
        "custom_id": "a",
        "response": {"status_code": 200, "request_id": "req_1", "body": {"x": 1}},
        "error": None,
    }
    marked = json.loads(format_answer(BatchLine(3, "a", b""), "req_1", 200, b'{"x": 1}', generated=True))
    assert marked["response"] == {"status_code": 200, "request_id": "req_1", "ai_generated": True, "body": {"x": 1}}


def test_what_was_not_sent_says_why() -> None:
    row = json.loads(format_unanswered(BatchLine(3, "a", b""), "batch_expired", "too late"))
    assert row["response"] is None and row["error"] == {"code": "batch_expired", "message": "too late"}


def test_the_sdk_reads_what_is_told() -> None:
    failed = msgspec.structs.replace(
        BATCH,
        status="failed",
        failed_at=11.9,
        errors=(BatchIssue(code="c", message="m", line=2),),
        total=4,
        completed=3,
    )
    seen = SdkBatch.model_validate(describe_batch(failed), strict=True)
    assert (seen.status, seen.failed_at, seen.created_at) == ("failed", 11, 10)
    assert seen.errors is not None and seen.errors.data is not None and seen.errors.data[0].line == 2
    assert seen.request_counts is not None and seen.request_counts.total == 4
    assert SdkBatch.model_validate(describe_batch(BATCH)).errors is None
    assert FileObject.model_validate(describe_file(FILE), strict=True).purpose == "batch"


def test_which_batches_are_over() -> None:
    over = [name for name in ("validating", "in_progress", "completed", "failed") if is_over(name)]
    assert over == ["completed", "failed"]
    assert BATCH.ended_at is None and msgspec.structs.replace(BATCH, cancelled_at=5.0).ended_at == 5.0


def is_over(status: Any) -> bool:
    return msgspec.structs.replace(BATCH, status=status).is_over


def test_lists_come_page_by_page() -> None:
    files = [msgspec.structs.replace(FILE, id=f"file-{number}") for number in range(3)]
    assert list_page(files, None, "2") == (files[:2], True)
    assert list_page(files, "file-1", None) == (files[2:], False)
    assert list_page(files, None, "3") == (files, False) == list_page(files, None, "10000")
    assert list_page(files, None, "1") == (files[:1], True)
    for after, limit in (("file-9", "1"), (None, "0"), (None, "10001"), (None, "x")):
        with pytest.raises(Refused):
            list_page(files, after, limit)
    assert json.loads(describe_page([{"id": "a"}, {"id": "b"}], True))["last_id"] == "b"
    assert json.loads(describe_page([], False))["first_id"] is None


def test_names_lead_nowhere_else() -> None:
    assert is_id(BATCH.id) and is_id(FILE.id)
    assert not any(is_id(name) for name in ("file-", "../x", FILE.id + "/..", FILE.id.upper(), FILE.id + "\n"))


@pytest.mark.parametrize("kind", ["file", "batch"])
def test_what_is_not_there_is_404_with_its_own_code(kind: str) -> None:
    error = not_there(kind, "x" * 200)
    assert (error.status, error.type, error.code) == (404, "invalid_request_error", f"{kind}_not_found")
    assert f"'{'x' * 99}…' in this key's project" in error.message
