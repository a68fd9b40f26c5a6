"""Fine-tunes a starter GGUF file on one topic, and writes another GGUF file.

    python scripts/starter/tune.py OUT.gguf [--replay SHARE] [--epochs 1]     # extra `train`

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
from typing import Final

import export
import torch
import train
from transformers import LlamaForCausalLM
from transformers.utils import logging

from steward.adapters.trainers.gguf_llama import read_llama, write_llama

SETS: Final = export.SHIPPED.parent / "sets"
LEARNING_RATE: Final = 2e-3  # what it was trained with
BATCH_TOKENS: Final = 1024


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
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    model, tokenizer = read_llama(options.model)
    r = random.Random(options.seed)
    new, old = dialogues(options.data, r), dialogues(SETS / "seen.jsonl", r)
    old = r.sample(old, min(len(old), round(options.replay * len(new))))
    tune(model, [train.encode(tokenizer, one) for one in new + old], options.epochs, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        model.to(torch.float32).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        write_llama(Path(folder), options.out, "q8_0", export.NAME)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
