"""The base of every section that users write, in steward.yaml and in the files of single commands."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from steward.core.addresses import refuse_credentials
from steward.core.errors import InputError
from steward.core.networks import parse_network

SecretReference = Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]


def check_no_credentials(url: str) -> str:
    """The same URL. :raises ValueError: a user or a password stands in it"""
    try:
        return refuse_credentials(url, _SECRETS_BELONG)
    except InputError as error:
        raise ValueError(str(error)) from None


_SECRETS_BELONG: Final = (
    "keep it in a variable or a file, and name that: key: env:NAME, headers: {authorization: env:NAME}, or "
    "url: env:NAME where a reference is taken"
)


def check_url(url: str) -> str:
    """The same URL. :raises ValueError: no host, a port that is none, or a password in it"""
    check_no_credentials(url)
    expected = "expected http://HOST:PORT or https://HOST, such as http://127.0.0.1:8000/v1"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}; {expected}") from None
    if any(letter.isspace() or not letter.isprintable() for letter in url) or parts.fragment:
        what = "a fragment (#…), which no server sees" if parts.fragment else "a space"
        raise ValueError(f"{url!r} has {what}; {expected}")
    if not parts.hostname or port == 0:
        raise ValueError(f"{url!r} names no host; {expected}" if not parts.hostname else f"{url!r}: port 0; {expected}")
    return url


Url = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(check_url)]
AnyUrl = Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://"), AfterValidator(check_no_credentials)]  # of any scheme


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
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True, allow_inf_nan=False
    )

    @classmethod
    def defaults(cls) -> Self:
        """As `cls()`, without building what checks values: most processes import a section and never check one."""
        return super().model_construct()

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_values(cls, value: Any, info: ValidationInfo) -> Any:
        """`port: yes` is a mistake, not port 1, which pydantic would make of it."""
        if isinstance(value, bool) and info.field_name is not None:
            kinds = list_kinds(cls.model_fields[info.field_name].annotation)
            if bool not in kinds and (int in kinds or float in kinds):
                raise PydanticCustomError("number_wanted", "expected a number, not a truth value such as yes or true")
        return value


def list_kinds(annotation: Any) -> list[Any]:
    """The annotation and all that stand in it: of `int | None`, also int and None."""
    return [annotation, *(kind for inner in getattr(annotation, "__args__", ()) for kind in list_kinds(inner))]
