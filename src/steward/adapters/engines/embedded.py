"""A GGUF file served by llama.cpp in this process, on a Unix socket (wheel `xllamacpp`, extra `embedded`).

Measured defaults: threads never above the cores (throughput collapses 20 x), no prompt cache in host
memory (its default is 8 GiB), CORS off.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from steward.adapters.engines.gguf import read_gguf_head
from steward.adapters.engines.http import HttpEngine
from steward.core.errors import InputError, Unavailable
from steward.core.excerpts import cut_reason
from steward.core.extend import Continuation, Likely
from steward.core.extras import install_command
from steward.core.files import PRIVATE

GGUF_MAGIC = b"GGUF"
_ALL = 1 << 30  # tokens listed: more than any vocabulary has
_CERTAIN = 1e4  # added to a logit: no model's logits are that far apart
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
        raise InputError(f"backend: embedded needs the extra: {install_command('embedded')}") from error
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
    socket_path.chmod(PRIVATE)
    return server


def begin(server: Any) -> None:
    """Have one token computed: a server that is ended before its loop has begun waits for ever (xllamacpp 2026.10)."""
    server.handle_completions({"prompt": [0], "n_predict": 1, "cache_prompt": False})


class EmbeddedScorer:
    """Log-probabilities of a given text from llama.cpp in this process.

    llama.cpp's server reports those of generated tokens only, before sampling, from the model's own logits. So each
    token of the text is generated in its turn, made certain by a bias that the report does not contain; the cache
    holds what stands before it, and one token is computed for each. The wheel shows no call that returns the logits
    of a whole prompt; its C symbols do (equal to 3e-7), but their structures differ from release to release.
    """

    backend = "llama.cpp"

    def __init__(self, model: Path, folder: Path, threads: int, window: int | None = None) -> None:
        """`folder` for the socket. `window`: else the model's own context.

        :raises InputError: the extra is missing, or llama.cpp cannot load the file
        """
        head = read_gguf_head(model)
        longest = head.context_length() or 2048
        self.prefix_token = head.prefix_token()
        self.tokenizer_sha256: str | None = head.tokenizer_sha256
        context = min(longest, window + 1) if window else longest
        self.window = context - 1  # the server wants room for the token that it generates
        socket_path = folder / "engine.sock"
        self._server = serve(model, socket_path, model.stem, context, 1, threads)
        begin(self._server)
        self._http = HttpEngine("http://engine", socket_path=str(socket_path))

    async def encode(self, text: str) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": False}
        reply = await self._http.call("/tokenize", msgspec.json.encode(body))
        data = await reply.read()
        if reply.status != 200:
            raise Unavailable(f"llama.cpp did not tokenize: HTTP {reply.status}")
        return [int(token) for token in msgspec.json.decode(data)["tokens"]]

    async def score(self, asked: Continuation) -> list[float]:
        shown, scores = list(asked.context), []
        for token in asked.tokens:
            likely = self._next(shown, token)
            scores.append(await self._read_full_list(shown, token) if likely is None else likely.log_probability)
            shown.append(token)
        return scores

    async def likeliest(self, context: Sequence[int]) -> Likely:
        likely = self._next(list(context), None)
        if likely is not None:
            return likely
        entry = self._ask(list(context), await self._encode_letter(), 1)["top_logprobs"][0]
        return Likely(int(entry["id"]), float(entry["logprob"]))

    async def close(self) -> None:
        await self._http.close()

    def _next(self, shown: list[int], certain: int | None) -> Likely | None:
        """What comes next and its log-probability; None where its text is a part of a character, of which llama.cpp
        tells nothing.

        :raises InputError: another token than the one that was made certain
        """
        entry = self._ask(shown, certain, 1)
        if entry is None:
            return None
        if certain is not None and entry["id"] != certain:
            raise InputError(f"llama.cpp generated token {entry['id']} where {certain} was made certain")
        return Likely(int(entry["id"]), float(entry["logprob"]))

    async def _read_full_list(self, shown: list[int], token: int) -> float:
        """A token's log-probability from the list of all of them, beside a letter that is generated instead."""
        entry = self._ask(shown, await self._encode_letter(), _ALL)
        for each in entry["top_logprobs"] if entry else ():
            if each["id"] == token:
                return float(each["logprob"])
        raise InputError(f"llama.cpp lists no log-probability of token {token}")

    async def _encode_letter(self) -> int:
        return (await self.encode("a"))[0]

    def _ask(self, shown: list[int], certain: int | None, listed: int) -> Any:
        """llama.cpp's entry for the token that it generates, with the `listed` likeliest; None where it has none."""
        request = {"prompt": shown, "n_predict": 1, "n_probs": listed, "samplers": ["top_k"], "top_k": 1}
        if certain is not None:
            request["logit_bias"] = [[certain, _CERTAIN]]
        answer = self._server.handle_completions(request)
        try:
            logprobs = answer["choices"][0]["logprobs"]
            return logprobs["content"][0] if logprobs else None
        except (LookupError, TypeError) as error:
            raise InputError(f"llama.cpp answered without a log-probability ({cut_reason(answer)})") from error
