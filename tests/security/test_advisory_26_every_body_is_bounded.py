"""Advisory 26, CVE-2024-12537: a formatter without a key and without a bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_client import app_of, create
from console_client import ask, snapshot, source
from steward.console.api import BODY_LIMIT, build_api
from steward.console.app import list_pages
from steward.console.operations import list_operations
from steward.console.sessions import Sessions
from steward.console.shell import FORM_LIMIT
from steward.workflows.serve.endpoints import list_gateway_endpoints

PAGES = [*list_pages(snapshot, Sessions("t"), str, source=source()), build_api(list_operations(Path("nowhere")), "1")]
CONSOLE = [one for page in PAGES for one in page.endpoints]
LARGER = {  # bytes, by path: only behind a right of the operator's own tenant, and each with its reason
    "/usage/reconcile": 16 << 20,  # a provider's export of a month, which is compared and not kept
    "/settings/preview": 1 << 20,  # the whole of steward.yaml as a form: a thousand models take less
    "/api/v1/alerts/webhook": 1 << 20,  # one group of Alertmanager's holds every alert in it
    "/settings/apply": 1 << 20,  # the same form, once it has been looked at
}


def test_whoever_has_no_key_sends_no_body_but_a_form() -> None:
    for endpoint in (*CONSOLE, *list_gateway_endpoints()):
        if endpoint.permission == "public":
            assert endpoint.max_body_bytes in (0, FORM_LIMIT), endpoint.path


def test_every_endpoint_says_how_much_it_reads() -> None:
    assert {one.max_body_bytes for one in CONSOLE if one.path not in LARGER} <= {0, FORM_LIMIT, BODY_LIMIT}
    assert all(one.max_body_bytes is None or one.max_body_bytes >= 0 for one in list_gateway_endpoints())


def test_only_the_operator_sends_more_than_a_form() -> None:
    larger = [one for one in CONSOLE if one.path in LARGER]
    assert {one.path: one.max_body_bytes for one in larger} == LARGER
    for endpoint in larger:
        assert endpoint.permission != "public" and endpoint.tenancy == "deployment", endpoint.path


@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 5_000_000])
def test_more_is_refused(tmp_path: Path, size: int) -> None:
    key = create(tmp_path)
    status, _, text = ask(
        app_of(tmp_path), "POST", "/api/v1/keys", b" " * size, authorization=f"Bearer {key}",
        content_type="application/json",
    )  # fmt: skip
    assert status == 413 and "request_too_large" in text


@pytest.mark.parametrize("path", ["/api/v1/utils/code/format", "/api/v1/utils/markdown"])
def test_there_is_no_formatter(tmp_path: Path, path: str) -> None:
    create(tmp_path)
    assert ask(app_of(tmp_path), "POST", path, b"{}")[0] in (401, 404, 405)
