"""A GGUF file served by llama.cpp in this process, on a Unix socket (wheel `xllamacpp`, extra `embedded`).

Measured defaults: threads never above the cores (throughput collapses 20 x), no prompt cache in host
memory (its default is 8 GiB), CORS off.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from steward.core.errors import InputError, Unavailable

GGUF_MAGIC = b"GGUF"
POOLING = {  # models[].embeddings, and llama.cpp's name for it
    "mean": "LLAMA_POOLING_TYPE_MEAN",
    "cls": "LLAMA_POOLING_TYPE_CLS",
    "last": "LLAMA_POOLING_TYPE_LAST",
    "model": "LLAMA_POOLING_TYPE_UNSPECIFIED",
}


def check_gguf(path: Path) -> None:
    """:raises InputError: not readable, or not a whole GGUF file's beginning"""
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError as error:
        raise InputError(f"model file {path}: {error.strerror}; expected a readable GGUF file") from error
    if len(head) < 24 or head[:4] != GGUF_MAGIC:
        raise InputError(f"model file {path}: not a GGUF file (it begins with {head[:4]!r}, expected {GGUF_MAGIC!r})")


def serve(
    model: Path, socket_path: Path, name: str, context: int, slots: int, threads: int, pooling: str | None = None
) -> Any:
    """Load `model` and answer on `socket_path`; the server lives as long as the returned object.

    `context` is per slot, in tokens. With `pooling` (a key of `POOLING`) the same server answers /v1/embeddings
    too: chat keeps its speed, but an input must fit into one batch, which is then as long as the context.
    :raises InputError: the extra is missing, or llama.cpp cannot load the file
    """
    check_gguf(model)
    try:
        import xllamacpp
    except ModuleNotFoundError as error:
        raise InputError("backend: embedded needs the extra: pip install 'llm-steward[embedded]'") from error
    socket_path.unlink(missing_ok=True)
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = [name]
    params.hostnames = [str(socket_path)]
    params.n_ctx = context * slots
    params.n_parallel = slots
    params.cpuparams.n_threads = min(threads, os.cpu_count() or 1)
    params.cpuparams_batch.n_threads = min(threads, os.cpu_count() or 1)
    params.n_threads_http = slots + 2
    params.fit_params = False
    params.cache_ram_mib = 0
    params.verbosity = -1
    params.ui = False
    params.endpoint_slots = False
    if pooling is not None:
        params.embedding = True
        params.pooling_type = getattr(xllamacpp.llama_pooling_type, POOLING[pooling])
        params.n_batch = params.n_ubatch = max(512, context)
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"model file {model}: llama.cpp cannot load it ({error}); is the file whole?") from error
    if not socket_path.exists():
        raise Unavailable(f"the engine did not open {socket_path}")
    os.chmod(socket_path, 0o600)
    return server
