"""Points by Optuna's tree of Parzen estimators (extra `tune`). Its study is in memory: it is told all trials anew."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Sequence
from typing import Any

from steward.core.errors import InputError
from steward.core.extras import install_command


class OptunaSampler:
    """`bounds`: by name (low, high, log, integer), or a tuple of choices."""

    def __init__(self, bounds: dict[str, Any], maximize: bool, seed: int) -> None:
        """:raises InputError: Optuna is not installed"""
        try:
            self._optuna: Any = importlib.import_module("optuna")
        except ModuleNotFoundError:
            raise InputError(f"sampler optuna needs optuna; {install_command('tune')}") from None
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        self._distributions = {name: self._make_distribution(value) for name, value in bounds.items()}
        self._maximize, self._seed = maximize, seed

    def _make_distribution(self, value: Any) -> Any:
        kinds = self._optuna.distributions
        low, high, log, integer, choices = value
        if choices:
            return kinds.CategoricalDistribution(choices)
        if integer:
            return kinds.IntDistribution(int(low), int(high), log=log)
        return kinds.FloatDistribution(low, high, log=log)

    def sample(self, number: int, known: Sequence[tuple[dict[str, Any], float | None]]) -> dict[str, Any]:
        """The point of trial `number` after those that are known; None: it failed, or broke a limit."""
        study = self._optuna.create_study(
            direction="maximize" if self._maximize else "minimize",
            sampler=self._optuna.samplers.TPESampler(seed=zlib.crc32(f"{self._seed} {number}".encode())),
        )
        states = self._optuna.trial.TrialState
        for parameters, value in known:
            state = states.COMPLETE if value is not None else states.FAIL
            study.add_trial(
                self._optuna.trial.create_trial(
                    params=parameters, distributions=self._distributions, value=value, state=state
                )
            )
        return dict(study.ask(self._distributions).params)
