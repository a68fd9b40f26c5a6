"""Advisory 11, CVE-2024-8984: a multipart boundary without end."""

from __future__ import annotations

import pytest

from steward.core.errors import Refused
from steward.gateway.form import parse_form

TYPE = "multipart/form-data; boundary="


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (TYPE + "-" * 100_000, b"-" * 1_000_000),
        (TYPE + "a", b"\r\n--" * 500_000),
        (TYPE + "a", b"--a\r\n" + b"x: " + b"a" * 1_000_000),
        (TYPE, b""),
        (TYPE + '"' * 10_000, b"--"),
        ("multipart/form-data", b"--a--"),
    ],
)
def test_it_is_refused_in_linear_time(content_type: str, body: bytes) -> None:
    with pytest.raises(Refused) as error:
        parse_form(body, content_type)
    assert error.value.status in (400, 413)


@pytest.mark.timeout(20)
def test_what_follows_the_last_boundary_is_not_read() -> None:
    assert parse_form(b"--a" + b"-" * 2_000_000, TYPE + "a").parts == []
