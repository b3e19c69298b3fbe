"""What an episode shows: observations, infos and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atn_gym.envs.episodes.observations import Observation, ObservationView
from atn_gym.envs.episodes.state import METRICS, SIGNALS, EpisodeState
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.envs.params import TuningParams
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
        return rows_of(self.infos([state]))[0]

    def infos(self, states: Sequence[EpisodeState]) -> dict[str, Any]:
        """The infos of n episodes: by name a list of n values, or a dict of such lists."""
        clean = np.stack([s.clean[:, s.epoch] for s in states], axis=1).tolist()
        metrics = dict(zip(METRICS, clean, strict=True))
        values = np.stack([s.values[s.epoch] for s in states], axis=1).tolist()
        begun = [(s, max(s.epoch - 1, 0), s.epoch > 0) for s in states]
        classes = self._num_classes
        return {
            "epoch": [s.epoch for s in states],
            "hyperparameter_values": dict(zip(self._hyperparameters.names, values, strict=True)),
            "train_accuracy": metrics["train_accuracy"],
            "val_accuracy": metrics["val_accuracy"],
            "diverged": [s.diverged for s in states],
            "checkpoint_rollbacks": [s.checkpoint_rollbacks for s in states],
            "flops": [int(s.flops[last]) if some else 0 for s, last, some in begun],
            "gradient_steps": [self._steps_per_epoch if some else 0 for _, _, some in begun],
            "privileged": {
                "seed": [s.seed for s in states],
                "gain": [s.gain for s in states],
                **_columns([s.described for s in states]),
                "visible_classes": [
                    s.regime.visible_classes(last, classes) for s, last, _ in begun
                ],
                "strength": [float(s.strength[last]) if some else 0.0 for s, last, some in begun],
                "train_loss": metrics["train_loss"],
                "val_loss": metrics["val_loss"],
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


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Values of n dicts by name; None where a dict has not that name."""
    names = dict.fromkeys(rows[0])
    if any(row.keys() != names.keys() for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def rows_of(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """The infos of n episodes one by one, of what `EpisodeView.infos` returned."""
    lists = [rows_of(v) if isinstance(v, dict) else v for v in columns.values()]
    rows = zip(*lists, strict=True)
    return [
        {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        for row in rows
    ]
