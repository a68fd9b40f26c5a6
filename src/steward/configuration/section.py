"""The base of every section that users write, in steward.yaml and in the files of single commands."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from steward.core.errors import InputError
from steward.core.networks import parse_network

SecretReference = Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]


def check_url(url: str) -> str:
    """The same URL. :raises ValueError: no host, or a port that is none"""
    expected = "expected http://HOST:PORT or https://HOST, such as http://127.0.0.1:8000/v1"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}; {expected}") from None
    if not parts.hostname or port == 0:
        raise ValueError(f"{url!r} names no host; {expected}" if not parts.hostname else f"{url!r}: port 0; {expected}")
    return url


Url = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(check_url)]


def check_network(text: str) -> str:
    """The same text. :raises ValueError: no network"""
    try:
        parse_network(text)
    except InputError as error:
        raise ValueError(str(error)) from None
    return text


NetworkText = Annotated[str, AfterValidator(check_network)]


class Section(BaseModel):
    """Frozen; unknown keys are errors; a value that is refused is not repeated (it may be a secret)."""

    # most processes read a plan, not these: whoever checks a section builds what checks it
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)
