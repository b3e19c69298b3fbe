"""State of episodes: all that changes while they run, apart from the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.envs.gradient_signals import GRADIENT_SIGNALS
from atn_gym.envs.hyperparameters import HYPERPARAMETERS
from atn_gym.envs.regimes import Regime

METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
"""Clean metrics of an epoch."""

SIGNALS = tuple(f"observed_{name}" for name in METRICS)
"""The same as a controller observes them."""

_ARRAYS = ("values", "signals", "clean", "strength", "flops")


@dataclass(eq=False)
class EpisodeState:
    """State of one episode over its budget of T epochs.

    Args:
        seed: Seed of the run.
        regime: The instance of the regime.
        gain: Decades by which the effective learning rate exceeds the nominal one.
        initial: Initial values of all hyperparameters by name.
        described: The regime in numbers, for infos.
        values: Controlled hyperparameters before and after each epoch, (T + 1, K).
        signals: Observed metrics in the order of `SIGNALS`, (4, window + T), preceded by
            `window` epochs at chance level.
        clean: Clean metrics in the order of `METRICS`, (4, T + 1), at chance before the first
            epoch.
        strength: Strength of the regime in each epoch, (T,).
        flops: Operations spent in each epoch, (T,).
        epoch: Number of epochs trained.
        diverged: Whether the last epoch left a non-finite loss or parameter.
        ended: Whether the episode is over.
        checkpoint_rollbacks: Number of checkpoint rollbacks.
        best: Lowest observed validation loss and the checkpoint that gave it.
        gradient: Gradient signals in the order of `GRADIENT_SIGNALS`, (5, window + T), preceded by
            `window` epochs of the initial weights; None if none are measured.
    """

    seed: int
    regime: Regime
    gain: float
    initial: dict[str, float]
    described: dict[str, int | float]
    values: FloatArray
    signals: FloatArray
    clean: FloatArray
    strength: FloatArray
    flops: NDArray[np.int64]
    epoch: int = 0
    diverged: bool = False
    ended: bool = False
    checkpoint_rollbacks: int = 0
    best: tuple[float, dict[str, Any] | None] = (np.inf, None)
    gradient: FloatArray | None = None

    @property
    def window(self) -> int:
        """Epochs at chance level that precede the first."""
        return len(self.signals[0]) - len(self.strength)

    def observed_metrics(self) -> dict[str, float]:
        """Observed metrics of the last epoch, not clipped, by name."""
        values = self.signals[:, self.window + self.epoch - 1].tolist()
        return dict(zip(SIGNALS, values, strict=True))

    def gradient_signals(self) -> dict[str, float]:
        """Gradient signals of the last epoch, not clipped, by name; none if none are measured."""
        if self.gradient is None:
            return {}
        values = self.gradient[:, self.window + self.epoch - 1].tolist()
        return dict(zip(GRADIENT_SIGNALS, values, strict=True))

    def copy(self) -> EpisodeState:
        """An independent copy; checkpoints are shared, because they are never written to."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {k: v.copy() for k, v in values.items() if isinstance(v, np.ndarray)}
        return EpisodeState(**{**values, **arrays})


class EpisodeArrays:
    """The arrays of R episodes, each with a leading axis of R; a state holds its rows of them.

    Args:
        num_runs: Number of episodes R.
        num_epochs: Epoch budget T.
        window: Epochs at chance level that precede the first.
        size: Number of controlled hyperparameters K.
    """

    def __init__(self, num_runs: int, num_epochs: int, window: int, size: int) -> None:
        self.window = window
        self.in_force = np.zeros((num_runs, len(HYPERPARAMETERS)))
        """All hyperparameters of each run, controlled or not, in the order of `HYPERPARAMETERS`."""
        self.values = np.zeros((num_runs, num_epochs + 1, size))
        self.signals = np.zeros((num_runs, len(SIGNALS), window + num_epochs))
        self.clean = np.zeros((num_runs, len(METRICS), num_epochs + 1))
        self.strength = np.zeros((num_runs, num_epochs))
        self.flops = np.zeros((num_runs, num_epochs), np.int64)

    def fresh(
        self,
        runs: Sequence[int],
        initial: Sequence[Mapping[str, float]],
        controlled: Sequence[int],
        chance: tuple[float, float],
    ) -> list[dict[str, Any]]:
        """The rows of n runs before their first epoch, by name.

        Args:
            runs: Indices of the runs.
            initial: Initial values of all hyperparameters of each run, by name.
            controlled: Places of the controlled ones among `HYPERPARAMETERS`.
            chance: Loss and accuracy at chance level.
        """
        rows = np.array(runs)
        self.in_force[rows] = [[values[name] for name in HYPERPARAMETERS] for values in initial]
        self.values[rows] = self.in_force[rows][:, None, controlled]
        self.signals[rows, ::2] = self.clean[rows, ::2] = chance[0]
        self.signals[rows, 1::2] = self.clean[rows, 1::2] = chance[1]
        self.strength[rows] = self.flops[rows] = 0
        return [{name: getattr(self, name)[run] for name in _ARRAYS} for run in runs]

    def adopt(self, run: int, state: EpisodeState) -> EpisodeState:
        """Copies a state, the arrays into the rows of a run."""
        adopted = state.copy()
        self.in_force[run] = [state.initial[name] for name in HYPERPARAMETERS]
        for name in _ARRAYS:
            row = getattr(self, name)[run]
            row[...] = getattr(state, name)
            setattr(adopted, name, row)
        return adopted
