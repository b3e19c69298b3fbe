"""Learning-rate schedules: torch's own scheduler classes as controllers."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import SGD, lr_scheduler

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import InvalidArgument


class ReduceLROnPlateau(Controller):
    """Lowers the learning rate when the metric stops improving.

    `torch.optim.lr_scheduler.ReduceLROnPlateau` drives a dummy optimizer; its learning
    rate is proposed. It never raises a rate, so that it cannot make up for a shift that
    asks for a larger one.

    Args:
        setting: What is known of the run.
        factor: Factor on the learning rate, in (0, 1).
        patience: Epochs without improvement that are tolerated, >= 0.
        threshold: Relative improvement that counts.
        cooldown: Epochs after a reduction in which none are counted, >= 0.
        min_lr: Lowest learning rate; the lower bound of the env if None.

    Raises:
        InvalidArgument: If an argument is refused by torch, or the learning rate is not
            among the controlled hyperparameters.
    """

    def __init__(
        self,
        setting: RunSetting,
        factor: float = 0.3,
        patience: int = 3,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float | None = None,
    ) -> None:
        super().__init__(setting)
        names = setting.hyperparameters.names
        if "learning_rate" not in names:
            raise InvalidArgument(
                "a learning-rate schedule needs learning_rate among the controlled "
                f"hyperparameters, got {', '.join(names)}"
            )
        if min_lr is None:
            low, _ = setting.hyperparameters.bounds
            min_lr = float(low[names.index("learning_rate")])
        self._arguments: dict[str, Any] = {
            "factor": factor,
            "patience": patience,
            "threshold": threshold,
            "cooldown": cooldown,
            "min_lr": min_lr,
        }
        self._optimizer = SGD([torch.zeros(1)], lr=1.0)
        self._scheduler = self._make_scheduler()
        self._started = False

    def _make_scheduler(self) -> lr_scheduler.ReduceLROnPlateau:
        try:
            return lr_scheduler.ReduceLROnPlateau(self._optimizer, **self._arguments)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(
                f"reduce_lr_on_plateau: torch refuses its arguments: {error}"
            ) from error

    def observe(self, metric: float, step: int) -> None:
        """Steps the scheduler with the metric."""
        self._scheduler.step(metric)

    def propose(self, current_params: Params) -> Params:
        """Proposes the learning rate of the dummy optimizer, which starts at the initial one."""
        if not self._started:
            self._optimizer.param_groups[0]["lr"] = current_params["learning_rate"]
            self._started = True
        return {**current_params, "learning_rate": self._optimizer.param_groups[0]["lr"]}
