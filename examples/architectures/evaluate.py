"""Scores a trial: of each answer, the share of tokens that the model finds likeliest after those before."""

import json
import os
from pathlib import Path

import torch

from steward.adapters.trainers.gguf_llama import read_llama

trial = json.loads(Path(os.environ["STEWARD_TRIAL"]).read_text())
torch.set_num_threads(1)
model, tokenizer = read_llama(Path(trial["artefacts"]) / "model.gguf")
scores = []
for line in Path(trial["items"]).read_text().splitlines():
    item = json.loads(line)
    question = tokenizer.apply_chat_template(item["prompt"], add_generation_prompt=True, return_dict=False)
    whole = tokenizer.apply_chat_template([*item["prompt"], *item["completion"]], return_dict=False)
    with torch.no_grad():
        likeliest = model(torch.tensor([whole])).logits[0].argmax(-1).tolist()
    answer = range(len(question), len(whole))
    scores.append(sum(likeliest[at - 1] == whole[at] for at in answer) / len(answer))
parameters = sum(weight.numel() for weight in model.parameters())
Path(trial["result"]).write_text(json.dumps({"scores": scores, "metrics": {"parameters": parameters}}))
