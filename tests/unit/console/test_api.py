"""The administrative API as a table: what each operation takes, refuses and answers."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from console_client import ask
from steward.console.api import BODY_LIMIT, Nothing, Operation, RememberedAnswers, build_api, write_openapi
from steward.console.shell import serve
from steward.core.errors import InputError, Refused, Unavailable, UnknownName
from steward.core.identity import Principal


class Sum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    left: int
    right: Annotated[int, Meta(le=9)] = 1


def make(run: Any, method: Any = "POST", path: str = "/sums", takes: Any = Sum, status: int = 200) -> Operation[Any]:
    return Operation(
        method=method, path=path, permission="usage.read", tenancy="principal", audit="none", summary="Add.",
        takes=takes, returns=int, run=run, status=status, body=method == "POST", remembered=method == "POST",
    )  # fmt: skip


def call(
    operation: Operation[Any], method: str = "POST", path: str = "/api/v1/sums", body: bytes = b"", **headers: str
) -> tuple[int, Any]:
    return call_app(app_of(operation), method, path, body, **headers)


def app_of(operation: Operation[Any]) -> Any:
    async def identify(request: Request) -> tuple[Principal, Principal]:
        who = Principal(kind="key", id="k", rights=frozenset({"usage.read"}))
        return who, who

    page = build_api((operation,), "1")

    async def refuse(request: Request, endpoint: Any) -> Response:
        return PlainTextResponse("no", status_code=403)

    return serve(page.endpoints, identify, refuse)


def call_app(app: Any, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    status, _, text = ask(app, method, path, body, **{"content_type": "application/json", **headers})
    return status, json.loads(text)


def add(who: Principal, given: Sum, segments: dict[str, str]) -> int:
    return given.left + given.right


def test_an_operation_gets_who_asks_what_was_given_and_the_path() -> None:
    seen: list[Any] = []
    operation = make(lambda *given: seen.append(given) or 7, path="/sums/{name}", status=201)
    assert call(operation, path="/api/v1/sums/a%20b", body=b'{"left": 2}') == (201, 7)
    who, given, segments = seen[0]
    assert (who.actor, given, segments) == ("key:k", Sum(2, 1), {"name": "a%20b"})


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"left": "x"}', b'{"left": 1, "right": 10}', b'{"left":1,"x":1}', b"\xff"]
)
def test_what_is_not_as_expected_is_a_400(body: bytes) -> None:
    status, problem = call(make(add), body=body)
    assert (status, problem["error"]) == (400, "invalid_request") and problem["message"]


def test_a_body_is_bounded_and_json() -> None:
    assert call(make(add), body=b'{"left": 1}' + b" " * BODY_LIMIT)[0] == 413
    assert call(make(add), body=b'{"left": 1}', content_type="text/plain")[0] == 415
    assert call(make(add), body=b'{"left": 1}', content_type="application/json; charset=utf-8") == (200, 2)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InputError("bad"), 400, "invalid_request"),
        (UnknownName("role", "x", ["y"]), 400, "unknown_name"),
        (Unavailable("the store at postgresql://secret"), 503, "unavailable"),
        (Refused("no", status=409, type="t", code="c"), 409, "c"),
    ],
)
def test_what_steward_refuses_has_its_status(error: Exception, status: int, code: str) -> None:
    def fail(*_: Any) -> int:
        raise error

    seen, problem = call(make(fail), body=b'{"left": 1}')
    assert (seen, problem["error"]) == (status, code) and "secret" not in problem["message"]


def test_a_name_in_the_path_that_is_unknown_is_a_404() -> None:
    def fail(*_: Any) -> int:
        raise UnknownName("key", "x", [])

    assert call(make(fail, path="/sums/{name}"), path="/api/v1/sums/x", body=b'{"left": 1}')[0] == 404


def test_a_query_is_read_by_its_types() -> None:
    operation = make(add, method="GET")
    app = app_of(operation)
    assert call_app(app, "GET", "/api/v1/sums")[0] == 400  # `left` is missing


# -- requests that are sent again ---------------------------------------------------------------------


def test_a_request_with_an_idempotency_key_is_done_once() -> None:
    runs: list[int] = []
    app = app_of(make(lambda *_: runs.append(1) or len(runs)))
    for _ in range(3):
        assert call_app(app, "POST", "/api/v1/sums", b'{"left": 1}', idempotency_key="a") == (200, 1)
    assert call_app(app, "POST", "/api/v1/sums", b'{"left": 2}', idempotency_key="a")[0] == 422
    assert call_app(app, "POST", "/api/v1/sums", b'{"left": 1}', idempotency_key="b") == (200, 2)
    assert call_app(app, "POST", "/api/v1/sums", b'{"left": 1}') == (200, 3)
    assert call_app(app, "POST", "/api/v1/sums", b'{"left": 1}', idempotency_key="x" * 256)[0] == 400


def test_a_request_that_failed_may_be_sent_again() -> None:
    answers: list[Any] = [InputError("not yet"), None]

    def run(*_: Any) -> int:
        if (error := answers.pop(0)) is not None:
            raise error
        return 5

    app = app_of(make(run))
    assert call_app(app, "POST", "/api/v1/sums", b'{"left": 1}', idempotency_key="a")[0] == 400
    assert call_app(app, "POST", "/api/v1/sums", b'{"left": 1}', idempotency_key="a") == (200, 5)


def refused(remembered: RememberedAnswers, actor: str, key: str, digest: bytes) -> int:
    with pytest.raises(Refused) as caught:
        remembered.begin(actor, key, digest)
    return caught.value.status


def test_answers_are_remembered_by_who_asked_for_a_day() -> None:
    now = [0.0]
    remembered = RememberedAnswers(lambda: now[0])
    assert remembered.begin("key:a", "k", b"1") is None
    assert refused(remembered, "key:a", "k", b"1") == 409  # still running
    remembered.end("key:a", "k", (200, b"x"))
    assert remembered.begin("key:a", "k", b"1") == (200, b"x") and refused(remembered, "key:a", "k", b"2") == 422
    assert remembered.begin("key:b", "k", b"2") is None
    now[0] = 86400.0
    assert remembered.begin("key:a", "k", b"1") == (200, b"x")
    now[0] = 86400.1
    assert remembered.begin("key:a", "k", b"2") is None


def test_the_oldest_answers_are_forgotten_first() -> None:
    remembered = RememberedAnswers(lambda: 0.0)
    for number in range(1001):
        assert remembered.begin("key:a", str(number), b"") is None
        remembered.end("key:a", str(number), (200, b""))
    assert remembered.begin("key:a", "1", b"") == (200, b"") and remembered.begin("key:a", "0", b"") is None


def test_an_answer_that_is_due_again_is_the_newest() -> None:
    now = [0.0]
    remembered = RememberedAnswers(lambda: now[0])
    for number in range(1000):
        remembered.begin("key:a", str(number), b"")
    now[0] = 86400.1
    assert remembered.begin("key:a", "0", b"") is None  # its answer was a day old
    assert remembered.begin("key:a", "another", b"") is None  # for which the oldest is forgotten
    assert refused(remembered, "key:a", "0", b"") == 409


# -- the document -------------------------------------------------------------------------------------


def test_the_document_says_what_the_table_says() -> None:
    operations = (
        make(add, status=201),
        make(add, method="GET"),
        make(add, method="DELETE", path="/sums/{name}", takes=Nothing),
    )
    document = write_openapi(operations, "1.2")
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", "1.2")
    sums = document["paths"]["/api/v1/sums"]
    assert sums["post"]["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Sum"}
    assert set(sums["post"]["responses"]) == {"201", "400", "401", "403", "409", "413", "415", "422", "503"}
    assert [(item["name"], item["required"]) for item in sums["get"]["parameters"]] == [
        ("left", True),
        ("right", False),
    ]
    assert "requestBody" not in sums["get"] and "409" not in sums["get"]["responses"]
    one = document["paths"]["/api/v1/sums/{name}"]["delete"]
    assert one["operationId"] == "delete_sums_name" and "404" in one["responses"]
    assert one["parameters"] == [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
    assert document["components"]["schemas"]["Sum"]["additionalProperties"] is False


def test_a_parameter_is_said_where_it_is_taken_and_nowhere_else() -> None:
    """What stands in the body stands in no query; limits are the ones that refuse."""
    change = msgspec.structs.replace(make(add), audit="administrative")
    paths = write_openapi((change, make(add, method="GET", path="/read")), "1")["paths"]
    taken = {item["name"]: item for item in paths["/api/v1/sums"]["post"]["parameters"]}
    assert set(taken) == {"Idempotency-Key", "X-Steward-Reason"}
    assert taken["Idempotency-Key"]["schema"] == {"type": "string", "minLength": 1, "maxLength": 255}
    assert taken["X-Steward-Reason"]["schema"]["maxLength"] == 1000
    assert [item["name"] for item in paths["/api/v1/read"]["get"]["parameters"]] == ["left", "right"]


def test_the_reason_of_a_change_has_at_most_a_thousand_letters() -> None:
    seen: list[str] = []
    read = make(lambda who, *_: seen.append(who.reason) or 1)
    change = msgspec.structs.replace(read, audit="administrative")
    for operation, letters, status in ((change, 1000, 200), (change, 1001, 400), (change, 0, 200), (read, 1001, 200)):
        assert call(operation, body=b'{"left": 1}', x_steward_reason="r" * letters)[0] == status
    assert seen == ["r" * 1000, "", ""]  # what changes nothing needs no reason


def test_a_body_may_have_just_64_kib() -> None:
    body = b'{"left": 1}'
    assert call(make(add), body=body.ljust(65_536)) == (200, 2)
    status, problem = call(make(add), body=body.ljust(65_537))
    assert (status, problem["message"]) == (413, "The body is longer than 65,536 bytes.")


def test_a_query_parameter_that_stands_twice_is_refused() -> None:
    app = app_of(make(add, method="GET"))
    assert call_app(app, "GET", "/api/v1/sums?left=1&right=2") == (200, 3)
    status, problem = call_app(app, "GET", "/api/v1/sums?left=1&left=2")
    assert status == 400 and "stands twice" in problem["message"]


def test_an_answer_to_a_forgotten_request_is_not_kept() -> None:
    remembered = RememberedAnswers(lambda: 0.0)
    remembered.end("key:a", "k", (200, b"x"))  # a thousand others have begun since
    assert remembered.begin("key:a", "k", b"1") is None


@pytest.mark.parametrize(("key", "status"), [("", 400), ("k", 409), ("k" * 255, 409), ("k" * 256, 400)])
def test_an_idempotency_key_has_1_to_255_letters(key: str, status: int) -> None:
    remembered = RememberedAnswers(lambda: 0.0)
    if status == 409:
        assert remembered.begin("key:a", key, b"1") is None
    assert refused(remembered, "key:a", key, b"1") == status
