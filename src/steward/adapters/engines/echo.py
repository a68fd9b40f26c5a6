"""Log-probabilities of a given text from a server that speaks OpenAI's completions with `echo` and `logprobs`.

vLLM does, for token numbers too; llama-server, chat endpoints and most gateways do not, some of them without saying
so. What comes back is therefore counted, and `evaluation/probe.py` asks what is known before. Tokens come from a
local tokenizer, else from the server's `/tokenize`, vLLM's or llama.cpp's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.adapters.tokenizers import load_tokenizer
from steward.core.errors import InputError, Unavailable
from steward.core.excerpts import cut_reason
from steward.core.extend import Continuation, Engine, Likely

_RETRIED: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
_PAUSES_S: Final = (0.5, 1.5, 4.0)
_GUESS: Final = 2048  # tokens, where neither server nor user says


class EchoScorer:
    """Opened by `open_echo`, which asks the server what it can."""

    backend = "echo"

    def __init__(
        self,
        engine: Engine,
        model: str,
        tokenizer: Path | None = None,
        prefix_token: int | None = None,
        window: int = _GUESS,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`tokenizer`: a `tokenizer.json`. :raises InputError: it cannot be read"""
        self._engine, self._model, self._pause = engine, model, pause
        self._local = load_tokenizer(tokenizer) if tokenizer else None
        self.tokenizer_sha256 = hashlib.sha256(tokenizer.read_bytes()).hexdigest() if tokenizer else None
        self.window, self.prefix_token = window, prefix_token

    async def encode(self, text: str) -> list[int]:
        if self._local is not None:
            return [int(token) for token in self._local.encode(text, add_special_tokens=False).ids]
        return (await tokenize(self._engine, self._model, text)).tokens

    async def score(self, asked: Continuation) -> list[float]:
        prompt = [*asked.context, *asked.tokens]
        request = {"prompt": prompt, "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
        entries = _token_logprobs(await self._completion(request), self._model)
        if len(entries) not in (len(prompt), len(prompt) + 1) or entries[0] is not None:
            raise _no_prompt_error(self._model, f"{len(entries)} entries for a prompt of {len(prompt)} tokens")
        values = entries[len(asked.context) : len(prompt)]
        strange = [value for value in values if isinstance(value, bool) or not isinstance(value, int | float)]
        if strange:
            raise _no_prompt_error(self._model, f"entries such as {strange[0]!r}")
        return [float(value) for value in values]

    async def must_echo(self) -> None:
        """Ask for a text's log-probabilities, whatever its tokens are.

        :raises InputError: fewer come back than the text has words
        """
        request = {"prompt": "One two three four", "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
        try:
            entries = _token_logprobs(await self._completion(request), self._model)
        except Unavailable as error:
            raise _no_prompt_error(self._model, str(error)) from error
        if len(entries) < 4:
            raise _no_prompt_error(self._model, f"{len(entries)} entries for a prompt of four words")

    async def likeliest(self, context: Sequence[int]) -> Likely:
        request = {"prompt": list(context), "logprobs": 1, "max_tokens": 1, "temperature": 0}
        choice = await self._completion({**request, "return_tokens_as_token_ids": True})
        entries = _token_logprobs(choice, self._model)
        try:
            name = str(choice["logprobs"]["tokens"][0])
        except (LookupError, TypeError) as error:
            raise _no_prompt_error(self._model, "no `tokens` beside them") from error
        if len(entries) != 1 or not isinstance(entries[0], int | float):
            raise _no_prompt_error(self._model, f"{entries} for one token that it generated")
        return Likely(await self._number(name), float(entries[0]))

    async def _number(self, name: str) -> int:
        """Of a token: vLLM's "token_id:7", else its text, which must be one token."""
        if name.startswith("token_id:"):
            return int(name.removeprefix("token_id:"))
        tokens = await self.encode(name)
        if len(tokens) != 1:
            raise InputError(f"{self._model}: the token {name!r} that it generated is {len(tokens)} tokens again")
        return tokens[0]

    async def _completion(self, request: dict[str, Any]) -> dict[str, Any]:
        """The first choice. :raises Unavailable: no answer, after four attempts"""
        body = msgspec.json.encode({"model": self._model, **request})
        status, data = 0, b""
        for attempt in range(len(_PAUSES_S) + 1):
            reply = await self._engine.call("/v1/completions", body)
            status, data = reply.status, await reply.read()
            if status not in _RETRIED:
                break
            if attempt < len(_PAUSES_S):
                await self._pause(_PAUSES_S[attempt])
        if status != 200:
            excerpt = cut_reason(data.decode("utf-8", "replace"))
            if 400 <= status < 500 and status not in _RETRIED:
                raise _no_prompt_error(self._model, f"HTTP {status}: {excerpt}")
            raise Unavailable(f"{self._model}: HTTP {status}: {excerpt}")
        try:
            choice = msgspec.json.decode(data)["choices"][0]
        except (msgspec.MsgspecError, LookupError, TypeError) as error:
            raise Unavailable(f"{self._model}: HTTP 200, and no completion in it") from error
        if not isinstance(choice, dict):
            raise Unavailable(f"{self._model}: HTTP 200, and no completion in it")
        return choice


class Tokenized(msgspec.Struct, frozen=True):
    """An answer to /tokenize; vLLM tells its longest context too."""

    tokens: list[int]
    max_model_len: int | None = None


async def tokenize(engine: Engine, model: str, text: str) -> Tokenized:
    """:raises InputError: the server has no /tokenize of a known form"""
    body = {"model": model, "prompt": text, "add_special_tokens": False}
    body |= {"content": text, "add_special": False}  # llama.cpp's names for the same
    reply = await engine.call("/tokenize", msgspec.json.encode(body))
    data = await reply.read()
    try:
        if reply.status == 200:
            return msgspec.json.decode(data, type=Tokenized)
    except msgspec.MsgspecError:
        pass
    raise InputError(
        f"{model}: the server tells no tokens (HTTP {reply.status} from /tokenize); give its tokenizer.json "
        "with --tokenizer"
    )


async def open_echo(
    engine: Engine, model: str, tokenizer: Path | None, prefix_token: int | None, window: int | None
) -> EchoScorer:
    """A scorer. A server is sent a window's last token too, and wants room for one more, so the window is two less.

    :raises InputError: the server tells no tokens and there is no tokenizer, or it does not return log-probabilities
    """
    longest = None
    try:
        if not (tokenizer and window):
            longest = (await tokenize(engine, model, "window")).max_model_len
    except InputError:
        if not tokenizer:  # without tokens it cannot be asked; say so only of a server that could answer
            await EchoScorer(engine, model).must_echo()
            raise
    return EchoScorer(engine, model, tokenizer, prefix_token, window or (longest or _GUESS) - 2)


def _token_logprobs(choice: dict[str, Any], model: str) -> list[Any]:
    logprobs = choice.get("logprobs")
    entries = logprobs.get("token_logprobs") if isinstance(logprobs, dict) else None
    if not isinstance(entries, list) or not entries:
        raise _no_prompt_error(model, "no `logprobs.token_logprobs` in its answer")
    return entries


def _no_prompt_error(model: str, seen: str) -> InputError:
    return InputError(
        f"{model}: the server does not return the log-probabilities of the prompt ({seen}); likelihood metrics need "
        "a server with `echo` and `logprobs` on /v1/completions, such as vLLM, or --backend embedded or transformers"
    )
