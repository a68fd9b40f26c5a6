"""The table of trainers; other packages add theirs by the entry point group `steward.trainers`."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Final

from steward.core.errors import InputError, UnknownName
from steward.core.extend import Trainer

GROUP: Final = "steward.trainers"
TRAINERS: Final = {
    "command": "steward.adapters.trainers.command:CommandTrainer",
    "few-shot": "steward.adapters.trainers.few_shot:FewShotTrainer",
    "trl": "steward.adapters.trainers.trl:TrlTrainer",
    "axolotl": "steward.adapters.trainers.axolotl:AxolotlTrainer",
    "llamafactory": "steward.adapters.trainers.llamafactory:LlamaFactoryTrainer",
    "openai-jobs": "steward.adapters.trainers.openai_jobs:OpenAiJobsTrainer",
    "gepa": "steward.adapters.trainers.gepa:GepaTrainer",
}


def find_trainer(name: str) -> Trainer:
    """:raises UnknownName: no such trainer"""
    installed = {point.name: point.value for point in entry_points(group=GROUP)}
    target = TRAINERS.get(name) or installed.get(name)
    if target is None:
        raise UnknownName("trainer", name, [*TRAINERS, *installed])
    module, _, attribute = target.partition(":")
    trainer: Trainer = getattr(importlib.import_module(module), attribute)()
    return trainer


def require_shape(trainer: Trainer, name: str, method: str) -> str:
    """The shape of rows for a method. :raises InputError: the trainer does not know the method"""
    if method not in trainer.shapes:
        raise InputError(f"trainer {name} does not train by {method!r}; it knows {', '.join(trainer.shapes)}")
    return trainer.shapes[method]
