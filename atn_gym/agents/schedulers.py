"""The scheduler classes of torch as controllers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim import SGD, lr_scheduler

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import InvalidArgument, unknown_name

_OF_OBJECTS = ("ChainedScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR")
"""Schedulers that are made of functions or of other schedulers."""

SCHEDULERS: dict[str, type[lr_scheduler.LRScheduler]] = {
    name: found
    for name, found in vars(lr_scheduler).items()
    if isinstance(found, type)
    and issubclass(found, lr_scheduler.LRScheduler)
    and name not in ("LRScheduler", "_LRScheduler", *_OF_OBJECTS)
}
"""Every scheduler of torch that plain values can describe, by its name."""

_REHEARSED = 1.0
"""Learning rate with which arguments are tried, the largest of any env."""


class TorchSchedule(Controller):
    """Proposes the learning rate that a scheduler of torch gives to a dummy optimizer.

    Args:
        setting: What is known of the run.
        scheduler: The class of the scheduler.
        **arguments: Its arguments apart from the optimizer.

    Raises:
        InvalidArgument: If torch refuses an argument, the learning rate is below 0 at any epoch of
            the budget, or it is not among the controlled hyperparameters.
    """

    def __init__(
        self, setting: RunSetting, scheduler: type[lr_scheduler.LRScheduler], **arguments: Any
    ) -> None:
        super().__init__(setting)
        setting.require_learning_rate()
        self.observes = issubclass(scheduler, lr_scheduler.ReduceLROnPlateau)
        self._class = scheduler
        self._arguments = arguments
        self._check_arguments()
        self._scheduler = self._make_scheduler(_REHEARSED)
        self._started = False

    def _make_scheduler(self, learning_rate: float) -> lr_scheduler.LRScheduler:
        optimizer = SGD([torch.zeros(1)], lr=learning_rate, momentum=0.9)
        return self._class(optimizer, **self._arguments)

    def _check_arguments(self) -> None:
        """Steps a scheduler over the budget: torch looks at most arguments no earlier."""
        refusal = f"torch refuses the arguments of {self._class.__name__}"
        try:
            self._scheduler = self._make_scheduler(_REHEARSED)
            rates = [self._rate]
            for step in range(1, self.setting.num_epochs):
                self.observe(1.0, step)
                rates.append(self._rate)
        except Exception as error:
            raise InvalidArgument(f"{refusal} ({type(error).__name__}): {error}") from error
        for step, rate in enumerate(rates):
            if not math.isfinite(rate) or rate < 0:
                raise InvalidArgument(
                    f"the arguments of {self._class.__name__} must keep the learning rate >= 0, "
                    f"but lead to {rate:g} at epoch {step}"
                )

    @property
    def _rate(self) -> float:
        return float(self._scheduler.optimizer.param_groups[0]["lr"])

    def observe(self, metric: float, step: int) -> None:
        """Steps the scheduler, with the metric if it is one that looks at it."""
        if step >= self.setting.num_epochs:
            return
        # Torch wants a step of the optimizer before each of the scheduler.
        self._scheduler.optimizer.step()
        if isinstance(self._scheduler, lr_scheduler.ReduceLROnPlateau):
            self._scheduler.step(metric)
        else:
            self._scheduler.step()

    def propose(self, current_params: Params) -> Params:
        """Proposes the learning rate of the dummy optimizer, which starts at the initial one."""
        if not self._started:
            self._scheduler = self._make_scheduler(current_params["learning_rate"])
            self._started = True
        return self.setting.with_learning_rate(current_params, self._rate)


class Scheduler(TorchSchedule):
    """Any scheduler of `torch.optim.lr_scheduler`, by name and arguments.

    The scheduler drives a dummy optimizer that begins at the initial learning rate of the
    run; what it does to that rate is proposed, within the bounds of the env. What it does
    to momentum is not.

    When it fails: a schedule is made for a run that goes as planned. Most look at no metric,
    and none raises the rate again because the data has changed.

    Args:
        setting: What is known of the run.
        scheduler: Name of a class in `torch.optim.lr_scheduler`, but for those that are made of
            functions or of other schedulers.
        **arguments: Its arguments apart from the optimizer.

    Source:
        `torch.optim.lr_scheduler`.

    Raises:
        InvalidArgument: If there is no such scheduler, torch refuses an argument or the learning
            rate is below 0 at any epoch of the budget, or it is not among the controlled
            hyperparameters.

    Example:
        >>> from atn_gym.envs.hyperparameters import HyperparameterSpace
        >>> setting = RunSetting(HyperparameterSpace(["learning_rate"]), num_epochs=10)
        >>> controller = Scheduler(setting, "ExponentialLR", gamma=0.5)
        >>> controller.propose({"learning_rate": 0.1})
        {'learning_rate': 0.1}
        >>> controller.observe(2.3, step=1)
        >>> controller.propose({"learning_rate": 0.1})
        {'learning_rate': 0.05}
    """

    def __init__(self, setting: RunSetting, scheduler: str, **arguments: Any) -> None:
        if scheduler in _OF_OBJECTS:
            raise InvalidArgument(
                f"a scheduler must be one that plain values can describe, but {scheduler} is made "
                "of functions or of other schedulers: write a Controller of your own"
            )
        if scheduler not in SCHEDULERS:
            raise unknown_name("scheduler", scheduler, SCHEDULERS)
        super().__init__(setting, SCHEDULERS[scheduler], **arguments)
