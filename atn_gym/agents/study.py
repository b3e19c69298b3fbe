"""Optuna's ask and tell over hyperparameters on their logarithmic scales."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from atn_gym.arrays import FloatArray
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import unknown_name

SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    # Each hyperparameter by itself: joint sampling needs intervals that stay the same.
    "tpe": lambda seed, startup: TPESampler(
        n_startup_trials=startup, multivariate=False, seed=seed
    ),
    "gp": lambda seed, startup: GPSampler(n_startup_trials=startup, seed=seed),
    "random": lambda seed, startup: RandomSampler(seed=seed),
}
"""Samplers by name, each from a seed and a number of random trials to begin with."""


@dataclass(frozen=True, eq=False)
class Trial:
    """Values that the study asks to be tried.

    Args:
        number: Its number in the study.
        logs: The values in decades on the tuned scales, shape (K,).
    """

    number: int
    logs: FloatArray


class Study:
    """Maximises a score over K hyperparameters, in decades on their tuned scales.

    Args:
        space: The hyperparameters.
        seed: Seed of the sampler, which takes the last 32 bits of it.
        startup_trials: Trials drawn at random before the sampler uses the scores.
        sampler: A name in `SAMPLERS`.

    Raises:
        InvalidArgument: If the sampler is unknown.

    Example:
        >>> study = Study(HyperparameterSpace(["learning_rate"]), seed=0)
        >>> trial = study.ask()
        >>> study.tell(trial, score=0.7)
        >>> study.completed[0][1]
        0.7
    """

    def __init__(
        self,
        space: HyperparameterSpace,
        seed: int,
        startup_trials: int = 4,
        sampler: str = "tpe",
    ) -> None:
        if sampler not in SAMPLERS:
            raise unknown_name("sampler", sampler, SAMPLERS)
        self._space = space
        self._low, self._high = space.log10_bounds
        with quiet():
            self._study = optuna.create_study(
                direction="maximize", sampler=SAMPLERS[sampler](seed % 2**32, startup_trials)
            )

    def ask(self, low: FloatArray | None = None, high: FloatArray | None = None) -> Trial:
        """Asks for values to try.

        Args:
            low: Least values of this trial, decades, (K,); the bounds of the space if None.
            high: Largest ones, likewise.
        """
        asked = self._study.ask(
            self._distributions(
                self._low if low is None else low, self._high if high is None else high
            )
        )
        return Trial(asked.number, np.array([asked.params[name] for name in self._space.names]))

    def _distributions(self, low: FloatArray, high: FloatArray) -> dict[str, BaseDistribution]:
        return {
            name: FloatDistribution(float(a), float(b))
            for name, a, b in zip(self._space.names, low, high, strict=True)
        }

    def tell(self, trial: Trial, score: float, logs: FloatArray | None = None) -> None:
        """Tells the score of a trial.

        Args:
            trial: What `ask` returned.
            score: Its score; more is better. If it is not finite, the trial gets none.
            logs: The values that were really tried, decades, (K,); those asked for if None.
        """
        if not math.isfinite(score):
            self.discard(trial)
        elif logs is None:
            self._study.tell(trial.number, score)
        else:
            # A trial of Optuna keeps the values it was asked with: another takes its place.
            self.discard(trial)
            tried = np.clip(logs, self._low, self._high).tolist()
            self._study.add_trial(
                optuna.trial.create_trial(
                    params=dict(zip(self._space.names, tried, strict=True)),
                    distributions=self._distributions(self._low, self._high),
                    value=score,
                )
            )

    def discard(self, trial: Trial) -> None:
        """Closes a trial without a score."""
        self._study.tell(trial.number, state=TrialState.FAIL)

    @property
    def completed(self) -> list[tuple[FloatArray, float]]:
        """Values (decades, (K,)) and score of every completed trial, oldest first."""
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [
            (np.array([t.params[name] for name in self._space.names]), float(t.value or 0.0))
            for t in trials
        ]

    @property
    def best(self) -> FloatArray:
        """Values of the best completed trial, decades, (K,)."""
        return max(self.completed, key=lambda trial: trial[1])[0]


class PlainStudy:
    """Optuna's ask and tell as its users write them: plain units, ranges or choices.

    Args:
        ranges: Smallest and largest value by name.
        categorical: Whether only the two ends of a range are proposed.
        seed: Seed of the TPE sampler, which takes the last 32 bits of it.
        startup_trials: Trials drawn at random before the sampler uses the scores.
    """

    def __init__(
        self,
        ranges: Mapping[str, tuple[float, float]],
        categorical: bool,
        seed: int,
        startup_trials: int,
    ) -> None:
        self._ranges = dict(ranges)
        self._categorical = categorical
        sampler = TPESampler(n_startup_trials=startup_trials, seed=seed % 2**32)
        with quiet():
            self._study = optuna.create_study(direction="maximize", sampler=sampler)

    def ask(self) -> tuple[int, dict[str, float]]:
        """Number of the next trial, and its values by name."""
        trial = self._study.ask()
        if self._categorical:
            values = {n: float(trial.suggest_categorical(n, r)) for n, r in self._ranges.items()}
        else:
            values = {n: trial.suggest_float(n, *r) for n, r in self._ranges.items()}
        return trial.number, values

    def tell(self, number: int, score: float) -> None:
        """Tells the score of a trial; a trial with NaN gets none."""
        if math.isnan(score):
            self._study.tell(number, state=TrialState.FAIL)
        else:
            self._study.tell(number, score)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps Optuna from announcing each study of each run on the terminal."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
