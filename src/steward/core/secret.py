"""A text that does not print, and the references that lead to one."""

from __future__ import annotations

import os
from pathlib import Path

from steward.core.errors import InputError


class Secret:
    """Holds a secret; `repr`, `str` and formatting show `***`. `reveal()` is the only way out.

    >>> f"{Secret('hunter2')}"
    '***'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be serialised; pass the reference instead")


def resolve(reference: str) -> Secret:
    """The secret behind `env:NAME` or `file:PATH`.

    :raises InputError: another form, a variable that is not set, a file that cannot be read
    """
    kind, _, rest = reference.partition(":")
    if kind == "env" and rest:
        value = os.environ.get(rest)
        if not value:
            raise InputError(f"secret env:{rest}: the environment variable {rest} is not set; export it and try again")
        return Secret(value)
    if kind == "file" and rest:
        try:
            return Secret(Path(rest).read_text().strip())
        except OSError as error:
            raise InputError(f"secret file:{rest}: {error.strerror}; expected a readable file") from error
    raise InputError("a secret must be a reference, env:NAME or file:PATH, never the value itself")


def resolve_value(text: str) -> Secret:
    """The secret behind a reference, or the text itself where it is none.

    >>> resolve_value("plain").reveal()
    'plain'
    """
    return resolve(text) if text.startswith(("env:", "file:")) else Secret(text)
