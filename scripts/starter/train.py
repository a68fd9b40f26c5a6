"""Trains the starter's tokenizer and model: a fixed number of steps from a seed, on CPU cores.

    python scripts/starter/train.py WORK [--steps 3000]     # reads WORK/train.jsonl, writes WORK/model/

A Llama of 3.7 million parameters, AdamW with a cosine schedule, bfloat16 autocast. The loss counts the
assistant's tokens in full and the others a little, so that the customer's language is learned as well.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARY: Final = 2048
END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"  # ids 0, 1, 2
TEMPLATE: Final = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'"
    " + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
BATCH_TOKENS: Final = 4096
LEARNING_RATE: Final = 2e-3
OTHERS_WEIGHT: Final = 0.15  # of the loss of tokens that are not the assistant's
Encoded = tuple[list[int], list[float]]


def make_tokenizer(texts: Iterator[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE with the vocabulary of `texts`."""
    inner = split(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return wrapped(inner)


def split(model: models.BPE) -> Tokenizer:
    """Digits one by one, then bytes; llama.cpp knows this pre-tokenizer as "smollm"."""
    inner = Tokenizer(model)
    bytes_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytes_level])
    inner.decoder = decoders.ByteLevel()
    return inner


def wrapped(inner: Tokenizer) -> PreTrainedTokenizerFast:
    """With its special tokens and the chat template."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=END_OF_TEXT,
        eos_token=END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model() -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def encode(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, str]]) -> Encoded:
    """Token ids of a dialogue and the weight of each in the loss."""
    ids: list[int] = []
    weights: list[float] = []
    for message in messages:
        head = tokenizer.encode(f"{START}{message['role']}\n", add_special_tokens=False)
        body = tokenizer.encode(message["content"] + END, add_special_tokens=False)
        tail = tokenizer.encode("\n", add_special_tokens=False)
        own = 1.0 if message["role"] == "assistant" else OTHERS_WEIGHT
        ids += head + body + tail
        weights += [OTHERS_WEIGHT] * len(head) + [own] * len(body) + [OTHERS_WEIGHT] * len(tail)
    return ids, weights


def batches(data: list[Encoded], r: random.Random, tokens: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Indices in batches of about so many tokens, of like lengths, for ever."""
    while True:
        order = list(range(len(data)))
        r.shuffle(order)
        made: list[list[int]] = []
        for start in range(0, len(order), 2048):
            batch: list[int] = []
            for index in sorted(order[start : start + 2048], key=lambda i: len(data[i][0])):
                if batch and len(data[index][0]) * (len(batch) + 1) > tokens:
                    made.append(batch)
                    batch = []
                batch.append(index)
            made.append(batch)
        r.shuffle(made)
        yield from made


def collate(items: list[Encoded]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and loss weights, (batch, longest), padded with END_OF_TEXT and weight 0."""
    longest = max(len(ids) for ids, _ in items)
    ids = torch.zeros(len(items), longest, dtype=torch.long)
    weights = torch.zeros(len(items), longest)
    for row, (item_ids, item_weights) in enumerate(items):
        ids[row, : len(item_ids)] = torch.tensor(item_ids)
        weights[row, : len(item_weights)] = torch.tensor(item_weights)
    return ids, weights


def loss_of(model: LlamaForCausalLM, ids: torch.Tensor, weights: torch.Tensor, bfloat16: bool = True) -> torch.Tensor:
    """Mean cross-entropy in nats per token, weighted."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        logits = model(input_ids=ids, use_cache=False).logits
    each = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1), reduction="none"
    )
    kept = weights[:, 1:].reshape(-1)
    return (each * kept).sum() / kept.sum()


def rate_at(step: int, steps: int) -> float:
    """Warm-up over 100 steps, then a cosine down to 3 %."""
    return LEARNING_RATE * min(1.0, (step + 1) / 100) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def train(model: LlamaForCausalLM, data: list[Encoded], steps: int) -> None:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), fused=True)
    feed = batches(data, random.Random(0))
    started = time.perf_counter()
    running = 0.0
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps)
        loss = loss_of(model, *collate([data[i] for i in next(feed)]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        running = loss.item() if step == 0 else 0.98 * running + 0.02 * loss.item()
        if step % 100 == 99:
            spent = time.perf_counter() - started
            left = spent / (step + 1) * (steps - step - 1)
            print(f"step {step + 1}/{steps}  loss {running:.4f}  {spent:.0f} s, {left:.0f} s left", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    dialogues = [json.loads(line)["messages"] for line in (options.work / "train.jsonl").open()]
    tokenizer = make_tokenizer(message["content"] for messages in dialogues for message in messages)
    data = [encode(tokenizer, messages) for messages in dialogues]
    model = make_model()
    tokens = sum(len(ids) for ids, _ in data)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {tokens:,} tokens an epoch", flush=True)
    train(model, data, options.steps)
    model.to(torch.float32).save_pretrained(options.work / "model")
    tokenizer.save_pretrained(options.work / "model")


if __name__ == "__main__":
    main()
