"""What evaluation needs beside the base: the extra `eval`."""

from __future__ import annotations

import importlib.util
from typing import Final

from steward.core.errors import InputError
from steward.core.extras import install_command

NEEDED: Final = ("numpy", "sacrebleu", "rouge_score", "jsonschema")


def require_extra() -> None:
    """:raises InputError: the extra `eval` is not installed"""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"steward eval needs {', '.join(missing)}: {install_command('eval')}")
