"""Counts tokens with a model's `tokenizer.json` (see `tokenizers.py`) or its GGUF file; loaded once in each process."""

from __future__ import annotations

import atexit
import http.client
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from steward.adapters.engines.embedded import begin, check_gguf, serve
from steward.adapters.tokenizers import load_tokenizer
from steward.core.errors import Unavailable
from steward.core.extend import TokenCounter

_TEXTS_AT_ONCE = 256


def make_token_counter(path: str) -> TokenCounter:
    """By the end of the file's name. :raises InputError: a GGUF file that is none"""
    if not path.lower().endswith(".gguf"):
        return FileTokenCounter(path)
    check_gguf(Path(path))
    return GgufTokenCounter(path)


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


@cache
def _load(path: str) -> Any:
    tokenizer = load_tokenizer(Path(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class GgufTokenCounter(msgspec.Struct, frozen=True):
    """See `TokenCounter`. llama.cpp tokenizes (extra `embedded`); it loads the whole model for that."""

    path: str

    def count(self, texts: Sequence[str]) -> list[int]:
        """:raises InputError: llama.cpp cannot load the file :raises Unavailable: it does not answer"""
        place, _ = _load_engine(self.path, os.getpid())
        with closing(_SocketConnection(place)) as connection:
            return [_count_by_engine(connection, text) for text in texts]


def _count_by_engine(connection: http.client.HTTPConnection, text: str) -> int:
    body = msgspec.json.encode({"content": text, "add_special": False, "parse_special": False})
    connection.request("POST", "/tokenize", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise Unavailable(f"llama.cpp did not tokenize: HTTP {answer.status}")
    return len(msgspec.json.decode(data)["tokens"])


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


@cache
def _load_engine(path: str, process: int) -> tuple[str, Any]:
    """Where a server answers, and the server; one for each process: a fork's threads are gone."""
    folder = tempfile.mkdtemp(prefix="steward-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = Path(folder) / "engine.sock"
    server = serve(Path(path), place, Path(path).stem, 64, 1, 1)
    begin(server)
    return str(place), server
