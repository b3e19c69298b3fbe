"""What is shown of an episode: to its policy, to whoever asks, and in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atn_gym.envs.episodes.observations import Observation, ObservationView
from atn_gym.envs.episodes.state import SIGNALS, EpisodeState
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.envs.params import TuningParams
from atn_gym.envs.regimes import in_numbers
from atn_gym.envs.rendering import RunTrace


class EpisodeView:
    """Shows the episodes of one env.

    Args:
        params: What is fixed for all episodes.
        hyperparameters: The controlled ones.
        num_epochs: Epoch budget.
        num_classes: Number of classes C.
        steps_per_epoch: Gradient steps of an epoch.
    """

    def __init__(
        self,
        params: TuningParams,
        hyperparameters: HyperparameterSpace,
        num_epochs: int,
        num_classes: int,
        steps_per_epoch: int,
    ) -> None:
        self._params = params
        self._hyperparameters = hyperparameters
        self._num_epochs = num_epochs
        self._num_classes = num_classes
        self._steps_per_epoch = steps_per_epoch
        self._observations = ObservationView(
            hyperparameters, num_epochs, params.window, num_classes
        )
        self.observation_space = self._observations.space

    def observation(self, states: Sequence[EpisodeState]) -> Observation:
        """Observations of n episodes: fresh float32 arrays with a leading axis of n."""
        window = self._params.window
        return self._observations.observation(
            np.stack([s.signals[:, s.epoch : s.epoch + window] for s in states], axis=1),
            np.stack([s.values[s.epoch] for s in states]),
            np.array([s.epoch for s in states]),
        )

    def info(self, state: EpisodeState) -> dict[str, Any]:
        """Plain values of the last epoch, without NaN and without wall-clock.

        Before the first, metrics are those of chance, as in the observation, and nothing is spent.
        """
        clean = state.clean_metrics()
        begun = state.epoch > 0
        return {
            "epoch": state.epoch,
            "hyperparameter_values": self._hyperparameters.named(state.values[state.epoch]),
            "train_accuracy": clean["train_accuracy"],
            "val_accuracy": clean["val_accuracy"],
            "diverged": state.diverged,
            "checkpoint_rollbacks": state.checkpoint_rollbacks,
            "flops": int(state.flops[state.epoch - 1]) if begun else 0,
            "gradient_steps": self._steps_per_epoch if begun else 0,
            "privileged": {
                "seed": state.seed,
                "gain": state.gain,
                **in_numbers(state.regime),
                "visible_classes": state.regime.visible_classes(
                    max(state.epoch - 1, 0), self._num_classes
                ),
                "strength": float(state.strength[state.epoch - 1]) if begun else 0.0,
                "train_loss": clean["train_loss"],
                "val_loss": clean["val_loss"],
            },
        }

    def trace(self, state: EpisodeState) -> RunTrace:
        """The run so far, for drawing."""
        epochs, shock = state.epoch, state.regime.shock_epoch
        signals = state.signals[:, state.window : state.window + epochs]
        names = self._hyperparameters.names
        return RunTrace(
            title=f"{self._params.task}-{self._params.regime} ({state.regime.kind})",
            num_epochs=self._num_epochs,
            num_classes=self._num_classes,
            signals=dict(zip(SIGNALS, signals.copy(), strict=True)),
            hyperparameters=dict(zip(names, state.values[: epochs + 1].T.copy(), strict=True)),
            shock_epoch=shock if shock is not None and shock < epochs else None,
            diverged=state.diverged,
        )
