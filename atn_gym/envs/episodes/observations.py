"""What a policy observes of a run, in an env and in any other loop."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.envs.chance import largest_loss
from atn_gym.envs.episodes.state import SIGNALS
from atn_gym.envs.gradient_signals import GRADIENT_SIGNALS, observed_signals, signal_boxes
from atn_gym.envs.hyperparameters import HyperparameterSpace

Observation = dict[str, NDArray[np.float32]]


class ObservationView:
    """Makes observations of metrics and hyperparameters.

    Args:
        hyperparameters: The controlled ones.
        num_epochs: Epoch budget.
        window: Past epochs in an observation.
        num_classes: Number of classes C; losses are observed up to 5 ln C.
        measures: Whether gradient signals are observed too.
    """

    def __init__(
        self,
        hyperparameters: HyperparameterSpace,
        num_epochs: int,
        window: int,
        num_classes: float,
        measures: bool = False,
    ) -> None:
        self.window = window
        self._hyperparameters = hyperparameters
        self._num_epochs = num_epochs
        loss = spaces.Box(0, np.float32(largest_loss(num_classes)), (window,), np.float32)
        accuracy = spaces.Box(0, 1, (window,), np.float32)
        boxes = {
            **dict(zip(SIGNALS, (loss, accuracy) * 2, strict=True)),
            "hyperparameters": hyperparameters.log10_box(),
            "progress": spaces.Box(0, 1, (1,), np.float32),
            **(signal_boxes(window) if measures else {}),
        }
        # In the order in which spaces.Dict sorts its keys.
        self._boxes = dict(sorted(boxes.items()))
        self.space = spaces.Dict(dict[str, spaces.Space[Any]](self._boxes))

    def observation(
        self,
        signals: FloatArray,
        values: FloatArray,
        epochs: NDArray[np.int64],
        gradient: FloatArray | None = None,
    ) -> Observation:
        """Observations of n runs: fresh float32 arrays with a leading axis of n.

        Args:
            signals: Observed metrics in the order of `SIGNALS`, (4, n, window), newest last.
            values: Hyperparameters in force in the last epoch, (n, K).
            epochs: Epochs trained, (n,).
            gradient: Gradient signals in the order of `GRADIENT_SIGNALS`, (5, n, window); None
                if they are not observed.
        """
        raw = {
            **dict(zip(SIGNALS, signals, strict=True)),
            "hyperparameters": self._hyperparameters.log10(values),
            "progress": (epochs / self._num_epochs)[:, None],
        }
        if gradient is not None:
            raw.update(zip(GRADIENT_SIGNALS, observed_signals(gradient), strict=True))
        return {
            name: np.clip(raw[name], box.low, box.high).astype(np.float32)
            for name, box in self._boxes.items()
        }
