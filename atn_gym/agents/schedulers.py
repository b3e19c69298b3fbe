"""Learning-rate schedules: torch's own scheduler classes as controllers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim import SGD, lr_scheduler

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import (
    InvalidArgument,
    check_count,
    check_number,
    check_positive_integer,
    unknown_name,
)

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


class Scheduler(Controller):
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
        super().__init__(setting)
        if scheduler in _OF_OBJECTS:
            raise InvalidArgument(
                f"a scheduler must be one that plain values can describe, but {scheduler} is made "
                "of functions or of other schedulers: write a Controller of your own"
            )
        if scheduler not in SCHEDULERS:
            raise unknown_name("scheduler", scheduler, SCHEDULERS)
        setting.require_learning_rate()
        self._class = SCHEDULERS[scheduler]
        self._arguments = arguments
        low, high = setting.hyperparameters.bounds
        place = setting.hyperparameters.names.index("learning_rate")
        self._low, self._high = float(low[place]), float(high[place])
        self._rehearse()
        self._scheduler = self._make_scheduler(self._high)
        self._started = False

    def _make_scheduler(self, learning_rate: float) -> lr_scheduler.LRScheduler:
        optimizer = SGD([torch.zeros(1)], lr=learning_rate, momentum=0.9)
        return self._class(optimizer, **self._arguments)

    def _rehearse(self) -> None:
        """Steps a scheduler over the budget: torch looks at most arguments no earlier."""
        told = f"torch refuses the arguments of {self._class.__name__}"
        try:
            self._scheduler = self._make_scheduler(self._high)
            rates = [self._rate]
            for step in range(1, self.setting.num_epochs):
                self.observe(1.0, step)
                rates.append(self._rate)
        except Exception as error:
            raise InvalidArgument(f"{told} ({type(error).__name__}): {error}") from error
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
        return {**current_params, "learning_rate": min(max(self._rate, self._low), self._high)}


class ReduceLROnPlateau(Scheduler):
    """Lowers the learning rate when the metric stops improving.

    After more than `patience` epochs in a row without an observed validation loss below
    (1 - threshold) times the best so far, the learning rate is multiplied by `factor`.

    When it fails: it never raises a rate, so that it cannot make up for a shift that asks for
    a larger one; and as the loss after a shock may never come below the best from before,
    every few epochs look like a plateau, until the rate is nothing.

    Args:
        setting: What is known of the run.
        factor: Factor on the learning rate, in [0, 1).
        patience: Epochs without improvement that are tolerated, >= 0.
        threshold: Relative improvement that counts.
        cooldown: Epochs after a reduction in which none are counted, >= 0.

    Source:
        `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    """

    def __init__(
        self,
        setting: RunSetting,
        factor: float = 0.3,
        patience: int = 3,
        threshold: float = 1e-4,
        cooldown: int = 0,
    ) -> None:
        check_number("factor", factor, 0)
        check_count("patience", patience)
        check_count("cooldown", cooldown)
        super().__init__(
            setting,
            "ReduceLROnPlateau",
            factor=factor,
            patience=patience,
            threshold=threshold,
            cooldown=cooldown,
        )


class Cosine(Scheduler):
    """Anneals the learning rate along half a cosine over the budget, blind to any shift.

    With T the budget and lr_0 the initial learning rate, after t epochs it is

        eta_min + (lr_0 - eta_min) (1 + cos(pi t / T)) / 2.

    When it fails: with a poor initial rate, which it only lowers; and after a late shock,
    when it has little rate left to learn from what is new.

    Args:
        setting: What is known of the run.
        eta_min: Learning rate that the end of the budget approaches, >= 0.

    Source:
        I. Loshchilov and F. Hutter, SGDR, ICLR 2017, without restarts.
    """

    def __init__(self, setting: RunSetting, eta_min: float = 1e-5) -> None:
        super().__init__(setting, "CosineAnnealingLR", T_max=setting.num_epochs, eta_min=eta_min)


class Step(Scheduler):
    """Multiplies the learning rate by a factor at equal intervals, blind to any shift.

    When it fails: with a poor initial rate, which it only lowers; and after a late shock,
    when it has little rate left to learn from what is new.

    Args:
        setting: What is known of the run.
        step_size: Interval in epochs, >= 1; a third of the budget if None.
        gamma: The factor, >= 0.

    Source:
        `torch.optim.lr_scheduler.StepLR`.
    """

    def __init__(
        self, setting: RunSetting, step_size: int | None = None, gamma: float = 0.3
    ) -> None:
        interval = max(setting.num_epochs // 3, 1) if step_size is None else step_size
        check_positive_integer("step_size", interval)
        check_number("gamma", gamma, 0)
        super().__init__(setting, "StepLR", step_size=interval, gamma=gamma)


class OneCycle(Scheduler):
    """Raises the learning rate to a peak and anneals it, over the budget; blind to any shift.

    Its rates hang on `max_lr` alone, not on the initial rate of the run, which makes it one
    of the few that a poor beginning does not harm.

    When it fails: where the peak is too high for the task, or meets a shock that makes the
    optimizer more sensitive; after a late shock it has little rate left.

    Args:
        setting: What is known of the run.
        max_lr: Learning rate at the peak, >= 0.
        pct_start: Share of the budget before the peak.
        div_factor: The first learning rate is `max_lr` divided by it. What is more than a
            decade from the initial one is reached in more than one epoch.

    Source:
        L. N. Smith and N. Topin, Super-Convergence, arXiv:1708.07120, 2017.
    """

    def __init__(
        self,
        setting: RunSetting,
        max_lr: float = 0.1,
        pct_start: float = 0.3,
        div_factor: float = 10.0,
    ) -> None:
        super().__init__(
            setting,
            "OneCycleLR",
            max_lr=max_lr,
            total_steps=setting.num_epochs,
            pct_start=pct_start,
            div_factor=div_factor,
            cycle_momentum=False,
        )
