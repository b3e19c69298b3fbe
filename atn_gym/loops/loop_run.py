"""A run of anyone's loop, as policies see the run of an env."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Any

import numpy as np
from gymnasium import spaces

from atn_gym.arrays import FloatArray
from atn_gym.envs.chance import diverged_metrics, metrics_at_chance
from atn_gym.envs.episodes.observations import Observation, ObservationView
from atn_gym.envs.gradient_signals import GradientSignals
from atn_gym.envs.hyperparameters import HyperparameterSpace


class LoopRun:
    """What was observed and set in each epoch of a run, and what policies ask of an env.

    Args:
        hyperparameters: The controlled ones.
        num_epochs: Epoch budget T.
        window: Past epochs in an observation.
        num_classes: Number of equally likely classes, > 1, at which chance has the loss of the
            untrained network.
        initial: Values of the hyperparameters at the beginning, (K,).
        signals: Gradient signals before the first epoch; None if they are not observed.

    Attributes:
        last_epoch: Number of epochs trained.
        values: Hyperparameters before and after each epoch, (T + 1, K).
        metrics: Observed metrics in the order of `SIGNALS`, (4, window + T), preceded by `window`
            epochs at chance level.
        gradient: The values of `GradientSignals`, (6, window + T), preceded by `window` epochs
            of those before the first; 0 if they are not observed.
    """

    def __init__(
        self,
        hyperparameters: HyperparameterSpace,
        num_epochs: int,
        window: int,
        num_classes: float,
        initial: FloatArray,
        signals: GradientSignals | None,
    ) -> None:
        self.hyperparameters = hyperparameters
        self.num_epochs = num_epochs
        self.window = window
        self._num_classes = num_classes
        self._measures = signals is not None
        self._view = ObservationView(
            hyperparameters, num_epochs, window, num_classes, self._measures
        )
        self.observation_space = self._view.space
        self.action_space = spaces.Box(-1, 1, (len(hyperparameters),), np.float32)
        # Policies ask an env for these; here one object is all of them.
        self.unwrapped = self.episodes = self.params = self
        self.last_epoch = 0
        self.values = np.tile(initial, (num_epochs + 1, 1))
        chance = np.array(metrics_at_chance(num_classes) * 2)
        self.metrics = np.tile(chance[:, None], window + num_epochs)
        self.gradient = np.zeros((len(fields(GradientSignals)), window + num_epochs))
        if signals is not None:
            self.gradient[:] = np.array(astuple(signals))[:, None]

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in the last epoch, by the gradient signals; 0 if there are none."""
        return int(self.gradient[-1, self.window + self.last_epoch - 1])

    def controller_seed(self, seed: int) -> int:
        """The seed itself, which an env mixes with its id."""
        return seed

    def in_force(self) -> dict[str, float]:
        """The hyperparameters that were set last, in plain units by name."""
        return self.hyperparameters.named(self.values[min(self.last_epoch + 1, self.num_epochs)])

    def observation(self) -> Observation:
        """The observation after the last epoch, as a batch of one run."""
        past = slice(self.last_epoch, self.last_epoch + self.window)
        return self._view.observation(
            self.metrics[:, None, past],
            self.values[None, self.last_epoch],
            np.array([self.last_epoch]),
            self.gradient[:-1, None, past] if self._measures else None,
        )

    def act(self, action: Any) -> None:
        """Moves the hyperparameters for the epochs that follow.

        Args:
            action: Deltas as in an env, (K,) or (1, K).
        """
        moves = np.clip(np.asarray(action, np.float64).reshape(-1), -1, 1)
        moved = self.hyperparameters.apply(self.values[self.last_epoch], moves)
        self.values[self.last_epoch + 1 :] = moved

    def record(self, metrics: FloatArray, signals: GradientSignals | None) -> None:
        """Ends an epoch; if a loss is not finite, with the metrics of one that diverged.

        Args:
            metrics: In the order of `SIGNALS`, (4,).
            signals: Gradient signals; None if they are not observed.
        """
        now = self.window + self.last_epoch
        finite = np.isfinite(metrics).all()
        self.metrics[:, now] = metrics if finite else diverged_metrics(self._num_classes) * 2
        if signals is not None:
            self.gradient[:, now] = astuple(signals)
        self.last_epoch += 1
