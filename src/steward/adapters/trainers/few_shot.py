"""The trainer `few-shot`: no training. Chooses examples for the prompt out of the training set.

Examples are chosen one by one so that the questions of the set are best covered: each time the one that raises the sum
over all questions of the likeness to their nearest example most (facility location, whose greedy choice reaches 1 - 1/e
of the best: Nemhauser, Wolsey and Fisher 1978). Likeness is the Jaccard index of their words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import msgspec

from steward.adapters.trainers.process import EventWriter, convert_parameters, read_lines, run_process
from steward.core.errors import InputError
from steward.core.files import write_file
from steward.core.training import TrainerProcess, TrainingEvent, TrainingJob

_WORD: Final = re.compile(r"\w+")
_MOST_ROWS: Final = 2000  # of the set that are compared with each other


class FewShotParameters(msgspec.Struct, frozen=True):
    """`instructions` stand before the examples."""

    examples: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    max_characters: Annotated[int, msgspec.Meta(ge=1)] = 8000  # of all examples
    instructions: str = ""


class FewShotTrainer:
    shapes: ClassVar = {"prompt": "trl-sft", "sft": "trl-sft"}

    def prepare(self, job: TrainingJob, python: str) -> TrainerProcess:
        convert_parameters(job.parameters, FewShotParameters, "few-shot")
        return TrainerProcess((python, "-m", "steward.adapters.trainers.few_shot"))


def choose_examples(questions: Sequence[str], count: int) -> list[int]:
    """Indices of the questions that cover all of them best, best first."""
    bags = [frozenset(_WORD.findall(text.casefold())) for text in questions[:_MOST_ROWS]]
    nearest = [0.0] * len(bags)
    chosen: list[int] = []
    while len(chosen) < min(count, len(bags)):
        gains = [
            (sum(max(_likeness(bag, other) - near, 0.0) for other, near in zip(bags, nearest, strict=True)), -at)
            for at, bag in enumerate(bags)
            if at not in chosen
        ]
        best = -max(gains)[1]
        chosen.append(best)
        nearest = [max(near, _likeness(bags[best], other)) for other, near in zip(bags, nearest, strict=True)]
    return chosen


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (len(one | other) or 1)


def make_prompt(job: TrainingJob, events: EventWriter) -> None:
    """Writes prompt.txt, the text of a system prompt, and examples.json, the same as messages."""
    parameters = convert_parameters(job.parameters, FewShotParameters, "few-shot")
    rows = read_lines(job.train)
    if not rows:
        raise InputError(f"{job.train}: no row; expected prompts with completions")
    events.write(TrainingEvent(type="progress", step=0, steps=1))
    asked, answered = ([_last_text(row[name]) for row in rows] for name in ("prompt", "completion"))
    examples: list[int] = []
    size = 0
    for at in choose_examples(asked, 4 * parameters.examples):
        length = len(asked[at]) + len(answered[at])
        if len(examples) < parameters.examples and size + length <= parameters.max_characters:
            examples.append(at)
            size += length
    if not examples:
        raise InputError(f"max_characters: {parameters.max_characters:,} are too few for any example of the set")
    blocks = [f"Question: {asked[at]}\nAnswer: {answered[at]}" for at in examples]
    folder = Path(job.artefacts)
    text = "\n\n".join([*([parameters.instructions] if parameters.instructions else []), *blocks]) + "\n"
    write_file(folder / "prompt.txt", text.encode())
    messages = [message for at in examples for message in (*rows[at]["prompt"][-1:], *rows[at]["completion"])]
    write_file(folder / "examples.json", msgspec.json.format(msgspec.json.encode(messages)))
    events.write(TrainingEvent(type="progress", step=1, steps=1, metrics={"examples": float(len(examples))}))


def _last_text(messages: Sequence[dict[str, Any]]) -> str:
    return str(messages[-1].get("content") or "") if messages else ""


if __name__ == "__main__":
    run_process(make_prompt)
