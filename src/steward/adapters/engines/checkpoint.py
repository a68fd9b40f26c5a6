"""A Hugging Face checkpoint, or a GGUF file, read by transformers in this process (extra `train`).

Answers chat completions, so that a suite can be run against it, and scores given texts. Never looks on a network:
the model is a folder on disk. Weights are float32, as an evaluation is about the model and not its rounding.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from steward.core.errors import InputError
from steward.core.excerpts import cut_reason
from steward.core.extend import Continuation, Likely
from steward.core.extras import install_command

Given = TypeVar("Given")
Found = TypeVar("Found")
_UNSET: Final = 10**9  # transformers' stand-in for "no limit" is above it
_DEFAULT_WINDOW: Final = 2048  # lm-evaluation-harness's, where a checkpoint does not say
_TAKEN: Final = frozenset({"model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens", "seed"})
_MOST_TOKENS: Final = 512  # of an answer, where the request does not say


class CheckpointModel:
    """A model and its tokenizer. One request at a time: they share a processor."""

    backend = "transformers"

    def __init__(self, path: Path, window: int | None = None) -> None:
        """`path`: a checkpoint's folder, or a GGUF file. `window`: tokens; else what the model was made for.

        :raises InputError: the extra is missing, or the model cannot be read
        """
        torch, transformers = _libraries()
        file = {"gguf_file": path.name} if path.is_file() else {}
        folder = path.parent if path.is_file() else path
        if not folder.is_dir():
            raise InputError(f"model {path}: no such folder; expected a checkpoint folder or a .gguf file")
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, **file)
            self._model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, **file
            ).eval()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise InputError(f"model {path}: transformers cannot read it ({cut_reason(error)})") from error
        self._torch = torch
        self._lock = asyncio.Lock()
        self.window = window or _window(self._model.config, self._tokenizer)
        bos, eos = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        self.prefix_token: int | None = bos if bos is not None else eos  # lm-evaluation-harness's rule
        self.tokenizer_sha256: str | None = hashlib.sha256(_serialise_tokenizer(self._tokenizer).encode()).hexdigest()

    async def encode(self, text: str) -> list[int]:
        return [int(token) for token in self._tokenizer.encode(text, add_special_tokens=False)]

    async def score(self, asked: Continuation) -> list[float]:
        return await self._run_in_thread(self._score, asked)

    async def likeliest(self, context: Sequence[int]) -> Likely:
        return await self._run_in_thread(self._likeliest, list(context))

    async def call(
        self, endpoint: str, body: bytes, headers: Mapping[str, str] | None = None, streamed: bool = False
    ) -> CheckpointAnswer:
        """`/v1/chat/completions`, not streamed; another endpoint or parameter is refused as a server would."""
        request = msgspec.json.decode(body)
        strange = sorted(set(request) - _TAKEN)
        if endpoint != "/v1/chat/completions" or strange:
            why = f"no parameter {strange[0]!r}" if strange else f"no endpoint {endpoint}"
            return CheckpointAnswer(
                400, {"error": {"message": f"the transformers backend does not support this request: {why}"}}
            )
        return await self._run_in_thread(self._chat, request)

    async def close(self) -> None:
        """Nothing is held but memory."""

    async def _run_in_thread(self, function: Callable[[Given], Found], argument: Given) -> Found:
        """In a thread, one at a time, so that progress is shown meanwhile."""
        async with self._lock:
            return await asyncio.to_thread(function, argument)

    def _score(self, asked: Continuation) -> list[float]:
        torch = self._torch
        shown = torch.tensor([[*asked.context, *asked.tokens][:-1]])  # (1, tokens): the last is scored, not shown
        with torch.inference_mode():
            logits = self._model(shown).logits[0, len(asked.context) - 1 :]  # (scored, vocabulary)
            log_probabilities = torch.log_softmax(logits.float(), dim=-1)
            wanted = torch.tensor(asked.tokens)
            return [float(value) for value in log_probabilities[torch.arange(len(wanted)), wanted].double()]

    def _likeliest(self, context: list[int]) -> Likely:
        """By `generate`, another way than `_score`, so that the one is a check of the other."""
        out = self._generate(self._torch.tensor([context]), max_new_tokens=1, do_sample=False, output_logits=True)
        token = int(out.sequences[0, -1])
        return Likely(token, float(self._torch.log_softmax(out.logits[0][0].float(), dim=-1)[token]))

    def _chat(self, request: dict[str, Any]) -> CheckpointAnswer:
        if self._tokenizer.chat_template is None:
            why = "the checkpoint has no chat template, so it cannot answer chat messages"
            return CheckpointAnswer(400, {"error": {"message": why}})
        text = self._tokenizer.apply_chat_template(request["messages"], tokenize=False, add_generation_prompt=True)
        ids = self._tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids  # (1, tokens)
        most = request.get("max_completion_tokens") or request.get("max_tokens") or _MOST_TOKENS
        most = min(most, self.window - ids.shape[1])
        if most < 1:
            why = f"the prompt has {ids.shape[1]} tokens; the context of {self.window} leaves no room for an answer"
            return CheckpointAnswer(400, {"error": {"message": why}})
        options: dict[str, Any] = {"do_sample": False}
        if temperature := request.get("temperature", 1.0):
            self._torch.manual_seed(request.get("seed", 0))
            options = {"do_sample": True, "temperature": temperature, "top_p": request.get("top_p", 1.0), "top_k": 0}
        out = self._generate(ids, max_new_tokens=most, **options)
        generated = out.sequences[0, ids.shape[1] :]
        finish = "length" if len(generated) >= most and int(generated[-1]) not in self._list_end_tokens() else "stop"
        message = {"role": "assistant", "content": self._tokenizer.decode(generated, skip_special_tokens=True).strip()}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        usage = {"prompt_tokens": ids.shape[1], "completion_tokens": len(generated)}
        return CheckpointAnswer(200, {"object": "chat.completion", "choices": [choice], "usage": usage})

    def _generate(self, ids: Any, **options: Any) -> Any:
        mask = self._torch.ones_like(ids)
        pad = self._tokenizer.pad_token_id if self._tokenizer.pad_token_id is not None else self._list_end_tokens()[0]
        ends = {"eos_token_id": self._list_end_tokens(), "pad_token_id": pad}
        with self._torch.inference_mode():
            return self._model.generate(ids, attention_mask=mask, return_dict_in_generate=True, **ends, **options)

    def _list_end_tokens(self) -> list[int]:
        sources = [self._tokenizer.eos_token_id, getattr(self._model.generation_config, "eos_token_id", None)]
        flat = [token for each in sources for token in (each if isinstance(each, list) else [each])]
        return sorted({token for token in flat if token is not None}) or [0]


class CheckpointAnswer:
    """An answer, whole at once."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": "application/json"}
        self._body = self._left = msgspec.json.encode(body)

    async def read(self) -> bytes:
        return self._body

    async def read_piece(self) -> bytes:
        return self.take_arrived()

    def take_arrived(self) -> bytes:
        piece, self._left = self._left, b""
        return piece

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        while take is not None and take(self.take_arrived()):
            pass

    def finish(self) -> None:
        """Nothing follows."""

    def close(self) -> None:
        """Nothing to drop."""


def _window(config: Any, tokenizer: Any) -> int:
    """In lm-evaluation-harness's order (`resolve_max_length`)."""
    for name in ("n_positions", "max_position_embeddings", "n_ctx"):
        value = getattr(config.get_text_config(), name, None)
        if isinstance(value, int):
            return value
    longest = getattr(tokenizer, "model_max_length", None)
    return longest if isinstance(longest, int) and longest < _UNSET else _DEFAULT_WINDOW


def _serialise_tokenizer(tokenizer: Any) -> str:
    """A fast tokenizer's own file; a slow one's vocabulary."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend.to_str() if backend is not None else repr(sorted(tokenizer.get_vocab().items()))


def _libraries() -> tuple[Any, Any]:
    for name in ("HF_HUB_OFFLINE", "TQDM_DISABLE"):  # read once, at import
        os.environ.setdefault(name, "1")
    try:
        import torch
        import transformers
    except ModuleNotFoundError as error:
        raise InputError(f"backend transformers needs {error.name}: {install_command('eval', 'train')}") from error
    return torch, transformers
