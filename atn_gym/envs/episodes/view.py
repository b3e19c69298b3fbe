"""What an episode shows: observations, infos and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atn_gym.envs.episodes.observations import Observation, ObservationView
from atn_gym.envs.episodes.state import METRICS, SIGNALS, EpisodeArrays, EpisodeState
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.envs.params import TuningParams
from atn_gym.envs.rendering import RunTrace


class EpisodeView:
    """Shows the episodes of one env.

    Args:
        params: What is fixed for all episodes.
        hyperparameters: The controlled ones.
        arrays: Arrays of all episodes.
        num_epochs: Epoch budget.
        num_classes: Number of classes C.
        steps_per_epoch: Gradient steps of an epoch.
    """

    def __init__(
        self,
        params: TuningParams,
        hyperparameters: HyperparameterSpace,
        arrays: EpisodeArrays,
        num_epochs: int,
        num_classes: int,
        steps_per_epoch: int,
    ) -> None:
        self._params = params
        self._hyperparameters = hyperparameters
        self._arrays = arrays
        self._num_epochs = num_epochs
        self._num_classes = num_classes
        self._steps_per_epoch = steps_per_epoch
        self._observations = ObservationView(
            hyperparameters, num_epochs, params.window, num_classes, params.measures
        )
        self.observation_space = self._observations.space
        self._fixed: tuple[list[EpisodeState], dict[str, Any]] = [], {}

    def observation(self, runs: Sequence[int], states: Sequence[EpisodeState]) -> Observation:
        """Observations of n episodes: fresh float32 arrays with a leading axis of n."""
        rows, epochs = np.array(runs), np.array([state.epoch for state in states])
        last = epochs[:, None] + np.arange(self._params.window)
        signals = self._arrays.signals[rows[:, None], :, last]
        window = self._params.window
        measured = [s.gradient[:, s.epoch :][:, :window] for s in states if s.gradient is not None]
        return self._observations.observation(
            signals.transpose(2, 0, 1),
            self._arrays.values[rows, epochs],
            epochs,
            np.stack(measured, axis=1) if measured else None,
        )

    def infos(self, runs: Sequence[int], states: list[EpisodeState]) -> dict[str, Any]:
        """The infos of n episodes: by name a column of n values, or a dict of such columns.

        A column is an array, or a list that has None where an episode lacks the value.
        """
        rows, epochs = np.array(runs), np.array([state.epoch for state in states])
        last, begun = np.maximum(epochs - 1, 0), epochs > 0
        metrics = dict(zip(METRICS, self._arrays.clean[rows, :, epochs].T, strict=True))
        values = self._arrays.values[rows, epochs].T
        classes = self._num_classes
        visible = zip(states, last.tolist(), strict=True)
        return {
            "epoch": epochs,
            "hyperparameter_values": dict(zip(self._hyperparameters.names, values, strict=True)),
            "train_accuracy": metrics["train_accuracy"],
            "val_accuracy": metrics["val_accuracy"],
            "diverged": np.array([state.diverged for state in states]),
            "checkpoint_rollbacks": np.array([state.checkpoint_rollbacks for state in states]),
            "flops": self._arrays.flops[rows, last] * begun,
            "gradient_steps": self._steps_per_epoch * begun,
            "privileged": {
                **self._fixed_columns(states),
                "visible_classes": np.array(
                    [state.regime.visible_classes(epoch, classes) for state, epoch in visible]
                ),
                "strength": self._arrays.strength[rows, last] * begun,
                "train_loss": metrics["train_loss"],
                "val_loss": metrics["val_loss"],
            },
        }

    def _fixed_columns(self, states: list[EpisodeState]) -> dict[str, Any]:
        """What stays the same within an episode, kept for those asked for last."""
        if self._fixed[0] != states:
            columns = {
                "seed": np.array([state.seed for state in states]),
                "gain": np.array([state.gain for state in states], np.float64),
                **_columns([state.described for state in states]),
            }
            self._fixed = states, columns
        return self._fixed[1]

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


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Values of n dicts by name; a list with None where a dict has not that name."""
    names = dict.fromkeys(rows[0])
    if any(row.keys() != names.keys() for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}
    return {name: np.array([row[name] for row in rows]) for name in names}


def rows_of(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """The infos of n episodes one by one, of what `EpisodeView.infos` returned."""
    lists = [
        rows_of(v) if isinstance(v, dict) else v.tolist() if isinstance(v, np.ndarray) else v
        for v in columns.values()
    ]
    rows = zip(*lists, strict=True)
    return [
        {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        for row in rows
    ]
