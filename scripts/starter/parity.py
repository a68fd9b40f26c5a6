"""Shows that the shipped GGUF is a checkpoint too: transformers reads it and answers as llama.cpp does.

    python scripts/starter/parity.py [--questions 100]

Fine-tuning starts from what this loads. Greedy answers may differ in a few places: transformers computes with
the dequantised weights, llama.cpp with 8-bit products.
"""

from __future__ import annotations

import argparse
import json

import torch
from score import SHIPPED, ask, load
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED, gguf_file="starter.gguf")
    model = AutoModelForCausalLM.from_pretrained(SHIPPED, gguf_file="starter.gguf", dtype=torch.float32)
    lines = (SHIPPED / "sets" / "held_out.jsonl").read_text().splitlines()[: options.questions]
    server = load(SHIPPED / "starter.gguf")
    same = 0
    for line in lines:
        user = json.loads(line)["user"]
        prompt = f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
        out = model.generate(ids, max_new_tokens=80, do_sample=False, eos_token_id=2, pad_token_id=0)
        same += tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip() == ask(server, user)
    print(f"{same} of {len(lines)} answers equal")


if __name__ == "__main__":
    main()
