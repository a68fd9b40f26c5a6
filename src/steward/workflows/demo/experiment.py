"""The made-up month's experiment: eight trials of a training, one of which wins on what it was chosen by.

The scores come from one seed; everything else is what `steward experiment` finds in such scores.
"""

from __future__ import annotations

import time
from math import log10
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from steward.core.files import make_private_folder, write_file
from steward.core.rates import rate_of
from steward.improvement.experiment import SecondLook, Trial, choose_winner, decide_verdict, sample_point
from steward.improvement.experiment_config import ExperimentConfig
from steward.workflows.experiment import CONFIG, FOLDER, REPORT, TRIALS, read_report

SETTINGS: Final[dict[str, Any]] = {
    "name": "support-lora",
    "space": {
        "learning_rate": {"low": 0.00001, "high": 0.0005, "log": True},
        "lora_rank": {"choices": [8, 16, 32]},
        "epochs": {"low": 1, "high": 4, "integer": True},
    },
    "first": {"learning_rate": 0.0002, "lora_rank": 16, "epochs": 2},
    "trials": 8,
    "evaluate": ["made-up"],
    "slices": {"select": "made-up-select.jsonl", "judge": "made-up-judge.jsonl"},
    "constraints": {"latency_s": {"max": 1.0}},
}
SEED: Final = 20261130
SELECT, JUDGE = 212, 213  # items
FAILED: Final = 5  # the trial that came to no score


def fill_experiment(home: Path, at: float) -> None:
    """An experiment that began at `at`, with its report."""
    config = ExperimentConfig.model_validate(SETTINGS)
    name = f"ex_{time.strftime('%Y%m%d-%H%M%S', time.gmtime(at))}-demo"
    folder = home / FOLDER / name
    make_private_folder(folder / TRIALS, exist_ok=False)
    saved = {"settings": config.model_dump(mode="json"), "base": str(home)}
    write_file(folder / CONFIG, msgspec.json.encode(saved))
    random, trials = Random(SEED), []
    for number in range(config.trials):
        trials.append(_make_trial(config, number, random))
        write_file(folder / TRIALS / f"{number:04d}.json", msgspec.json.encode(trials[-1]))
    winner = choose_winner(trials, config.goal, config.limits())
    if winner is not None:
        looks = _look_again(winner, trials[0], random)
        report = msgspec.structs.replace(
            read_report(folder, home), state="finished", winner=winner.number, parameters=winner.parameters,
            first_score=_judge(winner.number, sum(winner.scores), SELECT), judge_uses=1,
            second_score=looks[0], against_first=looks[1], verdict=decide_verdict(looks[1], config.goal),
            warnings=("Made up",),
        )  # fmt: skip
        write_file(folder / REPORT, msgspec.json.encode(report))


def _make_trial(config: ExperimentConfig, number: int, random: Random) -> Trial:
    parameters = config.first if number == 0 else sample_point(config.dimensions(), number, config.seed, "qmc")
    seconds = 5200.0 + 900.0 * random.random()
    if number == FAILED:
        return Trial(number=number, parameters=parameters, state="failed", seconds=410.0, reason="made up: loss is NaN")
    rate, rank = float(parameters["learning_rate"]), float(parameters["lora_rank"])
    share = 0.9 - 0.05 * abs(4.0 + log10(rate)) - (0.02 if rank == 8 else 0.0)
    scores = tuple(float(random.random() < share) for _ in range(SELECT))
    latency_s = 0.62 + 0.014 * rank
    return Trial(
        number=number, parameters=parameters, state="complete", items=SELECT, scores=scores,
        metrics={"latency_s": round(latency_s, 3)}, seconds=seconds,
    )  # fmt: skip


def _look_again(winner: Trial, first: Trial, random: Random) -> tuple[SecondLook, SecondLook]:
    """The winner on items that no trial saw, and how much better than the first trial it is there."""
    mine, theirs = (round(JUDGE * ((one.mean() or 0.0) - random.uniform(0.01, 0.03))) for one in (winner, first))
    second = _judge(winner.number, mine, JUDGE)
    gain = (mine - theirs) / JUDGE
    half = second.high - second.low  # of two shares that go together: no wider than both intervals
    return second, SecondLook(number=winner.number, items=JUDGE, value=gain, low=gain - half / 2, high=gain + half / 2)


def _judge(number: int, right: float, items: int) -> SecondLook:
    rate = rate_of(right, items)
    return SecondLook(number=number, items=items, value=rate.value or 0.0, low=rate.low or 0.0, high=rate.high or 0.0)
