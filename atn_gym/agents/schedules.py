"""Presets of torch's schedulers, which span the budget of a run."""

from __future__ import annotations

from torch.optim import lr_scheduler

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.schedulers import TorchSchedule
from atn_gym.errors import check_count, check_number, check_positive_integer


class ReduceLROnPlateau(TorchSchedule):
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

    making_runs = 1_188.0

    def __init__(
        self,
        setting: RunSetting,
        factor: float = 0.793,
        patience: int = 0,
        threshold: float = 0.0006,
        cooldown: int = 0,
    ) -> None:
        check_number("factor", factor, 0)
        check_count("patience", patience)
        check_count("cooldown", cooldown)
        super().__init__(
            setting,
            lr_scheduler.ReduceLROnPlateau,
            factor=factor,
            patience=patience,
            threshold=threshold,
            cooldown=cooldown,
        )


class Cosine(TorchSchedule):
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

    making_runs = 612.0

    def __init__(self, setting: RunSetting, eta_min: float = 1.4e-5) -> None:
        super().__init__(
            setting, lr_scheduler.CosineAnnealingLR, T_max=setting.num_epochs, eta_min=eta_min
        )


class Step(TorchSchedule):
    """Multiplies the learning rate by a factor at equal intervals, blind to any shift.

    When it fails: with a poor initial rate, which it only lowers; and after a late shock,
    when it has little rate left to learn from what is new.

    Args:
        setting: What is known of the run.
        step_size: Interval in epochs, >= 1; a sixth of the budget if None.
        gamma: The factor, >= 0.

    Source:
        `torch.optim.lr_scheduler.StepLR`.
    """

    making_runs = 900.0

    def __init__(
        self, setting: RunSetting, step_size: int | None = None, gamma: float = 0.573
    ) -> None:
        interval = max(setting.num_epochs // 6, 1) if step_size is None else step_size
        check_positive_integer("step_size", interval)
        check_number("gamma", gamma, 0)
        super().__init__(setting, lr_scheduler.StepLR, step_size=interval, gamma=gamma)


class OneCycle(TorchSchedule):
    """Raises the learning rate to a peak and anneals it, over the budget; blind to any shift.

    Its rates depend only on `max_lr`, not on the initial rate of the run, which makes it one
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

    making_runs = 1_188.0

    def __init__(
        self,
        setting: RunSetting,
        max_lr: float = 0.046,
        pct_start: float = 0.075,
        div_factor: float = 2.2,
    ) -> None:
        super().__init__(
            setting,
            lr_scheduler.OneCycleLR,
            max_lr=max_lr,
            total_steps=setting.num_epochs,
            pct_start=pct_start,
            div_factor=div_factor,
            cycle_momentum=False,
        )


class WarmRestarts(TorchSchedule):
    """Anneals the learning rate along half cosines, one after the other, blind to any shift.

    Each cycle begins at the initial learning rate lr_0. With T_i the length of cycle i, after t
    epochs of it the learning rate is

        eta_min + (lr_0 - eta_min) (1 + cos(pi t / T_i)) / 2,        T_{i+1} = growth T_i.

    When it fails: a restart comes by the calendar. One that comes before the shock costs what
    annealing had won, and one that comes long after it leaves the new data to a rate of nothing.

    Args:
        setting: What is known of the run.
        period: Epochs of the first cycle, >= 1; half of the budget if None.
        growth: Length of a cycle in units of the one before, an integer >= 1.
        eta_min: Learning rate that the end of a cycle approaches, >= 0.

    Source:
        I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR
        2017, equation 5.
    """

    making_runs = 1_188.0

    def __init__(
        self,
        setting: RunSetting,
        period: int | None = None,
        growth: int = 1,
        eta_min: float = 3e-5,
    ) -> None:
        first = max(setting.num_epochs // 2, 1) if period is None else period
        check_positive_integer("period", first)
        check_positive_integer("growth", growth)
        super().__init__(
            setting,
            lr_scheduler.CosineAnnealingWarmRestarts,
            T_0=first,
            T_mult=growth,
            eta_min=eta_min,
        )
