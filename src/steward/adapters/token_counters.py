"""Counts tokens with a model's `tokenizer.json` (see `tokenizers.py`); loaded once in each process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from steward.adapters.tokenizers import load_tokenizer

_TEXTS_AT_ONCE = 256


class FileTokenCounter(msgspec.Struct, frozen=True):
    """See `TokenCounter`."""

    path: str

    def count(self, texts: Sequence[str]) -> list[int]:
        tokenizer = _load(self.path)
        counts: list[int] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            encoded = tokenizer.encode_batch(list(texts[start : start + _TEXTS_AT_ONCE]), add_special_tokens=False)
            counts += [len(item.ids) for item in encoded]
        return counts


@lru_cache(maxsize=4)
def _load(path: str) -> Any:
    tokenizer = load_tokenizer(Path(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
