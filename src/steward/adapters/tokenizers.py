"""A model's `tokenizer.json`, read by the library `tokenizers`, which comes with the extra `train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from steward.core.errors import InputError
from steward.core.extras import install_package


def load_tokenizer(path: Path) -> Any:
    """:raises InputError: the library is missing, or the file is no tokenizer"""
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError as error:
        raise InputError(f"--tokenizer needs the library: {install_package('tokenizers')}") from error
    if not path.is_file():
        raise InputError(f"--tokenizer {path}: no such file; expected a model's tokenizer.json")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"--tokenizer {path}: {error}; expected a model's tokenizer.json") from error


def load_counter(path: str) -> Callable[[str], int]:
    """Tokens of a text, without special ones. :raises InputError: as `load_tokenizer`"""
    tokenizer = load_tokenizer(Path(path))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
