"""How far the printed scores of an experiment's winner are off, by simulation.

Candidates answer 80 % of items rightly, give or take a standard deviation of one point, each item by chance. The code
that runs experiments chooses among them by the items of the select slice, with successive halving or without; the
first score is the winner's on these, the second on as many items as no trial saw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from steward.improvement.experiment import Trial, choose_survivors, choose_winner, plan_rungs

ACCURACY, SPREAD, REACH = 0.8, 0.01, 0.005


@dataclass(frozen=True)
class WinnerRow:
    """Mean differences from the winner's true share of right answers; `interval`: of the second, 95 %."""

    trials: int
    items: int
    rungs: int
    simulations: int
    first: float
    second: float
    interval: tuple[float, float]

    @property
    def met(self) -> bool:
        """Whether the second score is off by no more than half a point, for certain."""
        return max(map(abs, self.interval)) <= REACH


def measure_winner(trials: int, items: int, rungs: int, simulations: int) -> WinnerRow:
    off = np.array([_simulate(trials, items, rungs, seed) for seed in range(simulations)])  # (simulations, 2)
    first, second = off.mean(axis=0)
    half = 1.96 * off[:, 1].std(ddof=1) / math.sqrt(simulations)
    return WinnerRow(
        trials, items, rungs, simulations, float(first), float(second), (float(second - half), float(second + half))
    )


def _simulate(trials: int, items: int, rungs: int, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng([seed, trials, items, rungs])
    truth = np.clip(rng.normal(ACCURACY, SPREAD, trials), 0.0, 1.0)
    right = (rng.random((trials, items)) < truth[:, None]).astype(float)  # (trials, items)
    measured = {number: Trial(number=number, parameters={}, state="complete") for number in range(trials)}
    numbers = list(range(trials))
    for rung, (count, seen) in enumerate(plan_rungs(items, trials, 3, rungs)):
        if rung:
            numbers = [one.number for one in choose_survivors([measured[n] for n in numbers], count, "maximize", ())]
        for number in numbers:
            scores = tuple(right[number, :seen].tolist())
            measured[number] = Trial(
                number=number, parameters={}, state="complete", rung=rung, items=seen, scores=scores
            )
    winner = choose_winner(list(measured.values()), "maximize", ())
    assert winner is not None
    own = float(truth[winner.number])
    return (winner.mean() or 0.0) - own, float((rng.random(items) < own).mean()) - own


WINNER_HEAD = "| search | first score flatters by | second score is off by (95 %) | reach | |\n|---|---|---|---|---|"


def describe_winner(row: WinnerRow) -> str:
    low, high = row.interval
    how = f", halving in {row.rungs} rungs" if row.rungs > 1 else ""
    return (
        f"| the best of {row.trials}, {row.items} items{how} | {100 * row.first:+.2f} points |"
        f" {100 * row.second:+.2f} ({100 * low:+.2f} to {100 * high:+.2f}) points | at most 0.5 |"
        f" {'met' if row.met else '**missed**'} |"
    )
