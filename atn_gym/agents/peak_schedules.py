"""Schedules of the learning rate by its share of a peak in each epoch."""

from __future__ import annotations

import math
from abc import abstractmethod

from torch.optim import lr_scheduler

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.schedulers import TorchSchedule
from atn_gym.errors import check_number


class ShareOfPeak(TorchSchedule):
    """A share of a peak of the learning rate in each epoch.

    Args:
        setting: What is known of the run.
        max_lr: The peak, >= 0; the initial learning rate of the run if None.
    """

    def __init__(self, setting: RunSetting, max_lr: float | None) -> None:
        if max_lr is not None:
            check_number("max_lr", max_lr, 0)
        self._max_lr = max_lr
        super().__init__(setting, lr_scheduler.LambdaLR, lr_lambda=self.share)

    def _make_scheduler(self, learning_rate: float) -> lr_scheduler.LRScheduler:
        return super()._make_scheduler(learning_rate if self._max_lr is None else self._max_lr)

    @abstractmethod
    def share(self, epoch: int) -> float:
        """Share of the peak in an epoch, counted from 0."""


class LinearDecay(ShareOfPeak):
    """Lowers the learning rate by the same amount every epoch, blind to any shift.

    With T the budget, after t epochs the learning rate is (1 - t / T) times its peak.

    When it fails: with a poor peak, which it only lowers; and after a late shock, when it has
    little rate left to learn from what is new.

    Args:
        setting: What is known of the run.
        max_lr: The first learning rate, >= 0; the initial one of the run if None. What is more
            than a decade from the initial one is reached in more than one epoch.

    Source:
        A. Defazio et al., Optimal Linear Decay Learning Rate Schedules and Further Refinements,
        arXiv:2310.07831, 2023.
    """

    def __init__(self, setting: RunSetting, max_lr: float | None = None) -> None:
        super().__init__(setting, max_lr)

    def share(self, epoch: int) -> float:
        """1 - t / T."""
        return 1 - epoch / self.setting.num_epochs


class WarmupCosine(ShareOfPeak):
    """Raises the learning rate to its peak and anneals it along half a cosine; blind to any shift.

    With T the budget and W the epochs of `warmup`, epoch t (counted from 0) has the share
    (t + 1) / W of the peak while t < W, and (1 + cos(pi (t - W) / (T - W))) / 2 afterwards.

    When it fails: with a poor peak, for it knows no other; and after a late shock, when it has
    little rate left to learn from what is new.

    Args:
        setting: What is known of the run.
        warmup: Share of the budget that warms up, in [0, 0.9].
        max_lr: The peak, >= 0; the initial learning rate of the run if None. What is more than a
            decade from the rate in force is reached in more than one epoch.

    Source:
        P. Goyal et al., Accurate, Large Minibatch SGD, arXiv:1706.02677, 2017, section 2.2, for
        the warm-up; I. Loshchilov and F. Hutter, SGDR, ICLR 2017, for the cosine.
    """

    making_runs = 612.0

    def __init__(
        self, setting: RunSetting, warmup: float = 0.1, max_lr: float | None = None
    ) -> None:
        check_number("warmup", warmup, 0, 0.9)
        self._warmup = round(warmup * setting.num_epochs)
        super().__init__(setting, max_lr)

    def share(self, epoch: int) -> float:
        """A ramp, then half a cosine."""
        if epoch < self._warmup:
            return (epoch + 1) / self._warmup
        left = max(self.setting.num_epochs - self._warmup, 1)
        return (1 + math.cos(math.pi * (epoch - self._warmup) / left)) / 2


class WarmupStableDecay(ShareOfPeak):
    """Warms the learning rate up, keeps it for most of the budget and lowers it at the end.

    With T the budget, W the epochs of `warmup` and D those of `decay`, epoch t (counted from 0)
    has the share (t + 1) / W of the peak while t < W, 1 until T - D, and (T - t) / (D + 1) in the
    last D epochs.

    When it fails: with a poor peak, for it knows no other; and after a shock within the last
    epochs, which it meets while the rate vanishes. Before them it is as noisy as the peak makes
    it, which costs anytime performance.

    Args:
        setting: What is known of the run.
        warmup: Share of the budget that warms up, in [0, 0.5].
        decay: Share of the budget that decays, in [0, 0.5].
        max_lr: The peak, >= 0; the initial learning rate of the run if None. What is more than a
            decade from the rate in force is reached in more than one epoch.

    Source:
        S. Hu et al., MiniCPM, arXiv:2404.06395, 2024, section 4, with a linear decay as in A.
        Haegele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations,
        NeurIPS 2024.
    """

    making_runs = 900.0

    def __init__(
        self,
        setting: RunSetting,
        warmup: float = 0.031,
        decay: float = 0.491,
        max_lr: float | None = None,
    ) -> None:
        check_number("warmup", warmup, 0, 0.5)
        check_number("decay", decay, 0, 0.5)
        self._warmup = round(warmup * setting.num_epochs)
        self._decay = round(decay * setting.num_epochs)
        super().__init__(setting, max_lr)

    def share(self, epoch: int) -> float:
        """A ramp, a plateau, and a ramp."""
        rising = (epoch + 1) / self._warmup if epoch < self._warmup else 1.0
        return min(rising, (self.setting.num_epochs - epoch) / (self._decay + 1))
