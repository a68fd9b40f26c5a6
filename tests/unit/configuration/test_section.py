"""What every section refuses: URLs that no client could use, truth values for numbers, unknown keys."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from steward.configuration.section import NetworkText, Section, Url, check_url, list_kinds


class Server(Section):
    url: Url = "http://127.0.0.1:8000/v1"
    port: int | None = None
    share: float = 0.0
    on: bool = False
    either: bool | int = 0
    networks: tuple[NetworkText, ...] = ()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "https://h", "http://[::1]:1", "https://h:65535/a?b=c"])
def test_a_url_with_a_host_passes_as_it_is(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://", "names no host"),
        ("http://:80", "names no host"),
        ("http://h:0", "port 0"),
        ("http://h:65536", "Port out of range 0-65535"),
        ("http://h:x", "could not be cast to integer"),
        ("http://h/a#b", "has a fragment"),
        ("http://h/a b", "has a space"),
        ("http://h/a\u200b", "has a space"),
        ("http://me:secret@h/", "keep it in a variable or a file"),
    ],
)
def test_a_url_that_no_client_could_use_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        check_url(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        ({"port": True}, False), ({"share": False}, False), ({"port": 1, "share": 0.5}, True), ({"on": True}, True),
        ({"either": True}, True), ({"share": float("nan")}, False), ({"unknown": 1}, False),
        ({"networks": ("10.0.0.0/8",)}, True), ({"networks": ("10.0.0.1/8",)}, False), ({"url": "ftp://h"}, False),
    ],
)  # fmt: skip
def test_only_what_is_meant_is_taken(fields: dict[str, Any], passes: bool) -> None:
    if passes:
        Server(**fields)
        return
    with pytest.raises(ValidationError):
        Server(**fields)


def test_the_kinds_of_an_annotation_are_all_that_stand_in_it() -> None:
    assert list_kinds(int | None) == [int | None, int, type(None)]
    assert list_kinds(dict[str, tuple[int, ...]]) == [dict[str, tuple[int, ...]], str, tuple[int, ...], int, ...]
