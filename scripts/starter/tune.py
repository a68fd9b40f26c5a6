"""Fine-tunes a starter GGUF file on one topic, and writes another GGUF file.

    python scripts/starter/tune.py OUT.gguf [--replay SHARE] [--epochs 2]     # extra `train`

By default it learns the gift cards that the starter was not taught, and nothing else: the quickest way to forget the
rest. With --replay, so many old dialogues a new one are mixed in. On one thread: two wait for each other on a machine
that is busy (4.2 s for 1,000 tokens, against 1.2 s on one), and one gives the same bits for the same seed.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import export
import gguf
import numpy as np
import torch
import train
from tokenizers import AddedToken, models
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

SETS: Final = export.SHIPPED.parent / "sets"
LEARNING_RATE: Final = 2e-3  # what it was trained with
BATCH_TOKENS: Final = 1024


def unpermuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undoes export.permuted: rows from neighbouring pairs back to halves, head by head."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, half, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def read(file: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model and the tokenizer of a GGUF file that export.py wrote."""
    reader = gguf.GGUFReader(file)
    weights = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    model = train.make_model()
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    state = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}
    for layer in range(model.config.num_hidden_layers):
        state |= {f"model.layers.{layer}.{theirs}": f"blk.{layer}.{ours}" for theirs, ours in export.LAYER.items()}
    loaded = {}
    for theirs, ours in state.items():
        weight = np.array(weights[f"{ours}.weight"], dtype=np.float32)
        count = heads.get(ours.rpartition(".")[2])
        loaded[f"{theirs}.weight"] = torch.from_numpy(weight if count is None else unpermuted(weight, count))
    missing, unexpected = model.load_state_dict(loaded, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)  # tied to the embeddings
    return model, _tokenizer(reader)


def _tokenizer(reader: gguf.GGUFReader) -> PreTrainedTokenizerFast:
    tokens = [bytes(field).decode() for field in _texts(reader, "tokenizer.ggml.tokens")]
    merges = [tuple(bytes(field).decode().split(" ")) for field in _texts(reader, "tokenizer.ggml.merges")]
    inner = train.split(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    inner.add_special_tokens([AddedToken(token, special=True) for token in (train.END_OF_TEXT, train.START, train.END)])
    return train.wrapped(inner)


def _texts(reader: gguf.GGUFReader, name: str) -> list[Any]:
    field = reader.fields[name]
    return [field.parts[index] for index in field.data]


def dialogues(file: Path, r: random.Random) -> list[list[dict[str, str]]]:
    """Each row's question with one of its right answers."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        [{"role": "user", "content": row["user"]}, {"role": "assistant", "content": r.choice(row["references"])}]
        for row in rows
    ]


def tune(model: LlamaForCausalLM, data: list[train.Encoded], epochs: int, seed: int) -> None:
    """AdamW, a cosine to nothing; single precision, for bfloat16 is slow where the processor has to emulate it."""
    steps = math.ceil(epochs * sum(len(ids) for ids, _ in data) / BATCH_TOKENS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95))
    feed, started = train.batches(data, random.Random(seed), BATCH_TOKENS), time.perf_counter()
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = train.loss_of(model, *train.collate([data[index] for index in next(feed)]), bfloat16=False)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    print(f"{len(data)} dialogues, {steps} steps, {time.perf_counter() - started:.0f} s, last loss {loss.item():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", type=Path, default=export.SHIPPED)
    parser.add_argument("--data", type=Path, default=SETS / "gift_train.jsonl")
    parser.add_argument("--replay", type=float, default=0.0, help="old dialogues for each new one, up to 1")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    model, tokenizer = read(options.model)
    r = random.Random(options.seed)
    new, old = dialogues(options.data, r), dialogues(SETS / "seen.jsonl", r)
    old = r.sample(old, min(len(old), round(options.replay * len(new))))
    tune(model, [train.encode(tokenizer, one) for one in new + old], options.epochs, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        model.to(torch.float32).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        export.export(Path(folder), options.out, "q8_0")
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
