"""Models that an evaluation asks: behind a URL, or in this process without a gateway."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from steward import starter
from steward.core.errors import InputError, UnknownName
from steward.core.extend import Engine
from steward.core.secret import Secret
from steward.core.timeouts import Timeouts

BACKENDS: Final = ("auto", "embedded", "transformers", "url")
_SLOTS: Final = 4  # requests that the embedded model works on at the same time; more wait
_CONTEXT: Final = 4096  # tokens of each, or the model's own where that is less
_READ: Final = 1 << 20


def check_backend(name: str) -> None:
    """:raises UnknownName: another one"""
    if name not in BACKENDS:
        raise UnknownName("backend", name, BACKENDS)


def backend_of(model: str, backend: str, url: str | None) -> str:
    """:raises InputError: a name from which no back end follows, or a url for one that has none"""
    check_backend(backend)
    if url is not None and backend in ("embedded", "transformers"):
        raise InputError(f"--backend {backend} runs the model in this process and takes no --url")
    if url is not None:
        return "url"
    if backend == "url":
        raise InputError("--backend url needs --url, such as http://127.0.0.1:8000/v1")
    if backend != "auto":
        return backend
    return "transformers" if model_file(model).is_dir() else "embedded"


def model_file(model: str) -> Path:
    """Of `starter`, a GGUF file, or a checkpoint's folder. :raises UnknownName: none of them"""
    if model == "starter":
        return starter.path()
    path = Path(model)
    if path.is_file() or path.is_dir():
        return path
    raise UnknownName("model", model, ["starter", "a .gguf file", "a checkpoint's folder", "any name with --url"])


def model_hash(path: Path) -> str:
    """Of a file, or of the weights, settings and tokenizer in a checkpoint's folder."""
    suffixes = (".safetensors", ".bin", ".json", ".model", ".txt", ".jinja")
    files = [path] if path.is_file() else sorted(each for each in path.iterdir() if each.suffix in suffixes)
    digest = hashlib.sha256()
    for each in files:
        digest.update(b"" if path.is_file() else each.name.encode() + b"\0")
        with each.open("rb") as file:
            while piece := file.read(_READ):
                digest.update(piece)
    return digest.hexdigest()


@asynccontextmanager
async def open_engine(
    model: str,
    backend: str,
    url: str | None,
    key: Secret | None,
    concurrency: int,
    timeouts: Timeouts | None = None,
) -> AsyncIterator[Engine]:
    """Whom a run asks.

    :raises InputError: the model cannot be read, or its extra is missing
    """
    kind = backend_of(model, backend, url)
    if kind == "transformers":
        from steward.adapters.engines.checkpoint import CheckpointModel

        yield CheckpointModel(model_file(model))
        return
    from steward.adapters.engines.http import HttpEngine

    if kind == "url":
        engine = HttpEngine(url or "", key, timeouts=timeouts)
        try:
            yield engine
        finally:
            await engine.close()
        return
    from steward.adapters.engines.embedded import begin, serve
    from steward.adapters.engines.gguf import read_gguf_head

    path = model_file(model)
    context = min(read_gguf_head(path).context_length() or _CONTEXT, _CONTEXT)
    with make_scratch_folder() as folder:
        server = serve(path, folder / "engine.sock", path.stem, context, min(concurrency, _SLOTS), embedded_threads())
        begin(server)
        engine = HttpEngine("http://engine", socket_path=str(folder / "engine.sock"), timeouts=timeouts)
        try:
            yield engine
        finally:
            await engine.close()
            del server


def embedded_threads() -> int:
    """All cores but one: on all of them llama.cpp waits for whatever else runs."""
    return max(1, (os.cpu_count() or 2) - 1)


@contextmanager
def make_scratch_folder() -> Iterator[Path]:
    """A folder for a socket, whose path must be short."""
    with tempfile.TemporaryDirectory(prefix="steward-") as folder:
        yield Path(folder)
