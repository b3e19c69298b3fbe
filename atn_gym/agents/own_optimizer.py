"""Methods that bring an optimizer of their own, with which the env is made."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.agents.method import ControllerMethod, Method
from atn_gym.agents.policy import Policy
from atn_gym.errors import InvalidArgument, check_number


def check_optimizer_of(env: Any, optimizer: str, method: str) -> None:
    """Checks that an env was made with the optimizer of a method.

    Args:
        env: A single or vector env.
        optimizer: Name of the optimizer.
        method: Name of the method.

    Raises:
        InvalidArgument: If it was not.
    """
    found = env.unwrapped.episodes.task.optimizer
    if found != optimizer:
        raise InvalidArgument(
            f"{method} needs an env with the optimizer {optimizer!r}, got {found!r}: make the env "
            f"with optimizer={optimizer!r}"
        )


class Towards(Controller):
    """Goes to a learning rate as fast as the env allows, and stays there.

    Args:
        setting: What is known of the run.
        learning_rate: The learning rate; the initial one of the run if None.
    """

    observes = False

    def __init__(self, setting: RunSetting, learning_rate: float | None) -> None:
        super().__init__(setting)
        if learning_rate is not None:
            setting.require_learning_rate()
        self._learning_rate = learning_rate

    def observe(self, metric: float, step: int) -> None:
        """Ignores the metric: the optimizer adapts, within the epochs."""

    def propose(self, current_params: Params) -> Params:
        """The learning rate, the same in every epoch."""
        if self._learning_rate is None:
            return current_params
        return self.setting.with_learning_rate(current_params, self._learning_rate)


@dataclass(frozen=True)
class OwnOptimizer(Method):
    """An optimizer, and the learning rate to use it with.

    Args:
        learning_rate: Learning rate, in [1e-5, 1]; the initial one of the run if None.

    Raises:
        InvalidArgument: If the learning rate breaks its requirement.
    """

    learning_rate: float | None = None
    optimizer: ClassVar[str]
    tuning_runs: ClassVar[float] = 0.0
    """What tuning took, in whole runs."""

    def __post_init__(self) -> None:
        if self.learning_rate is not None:
            check_number("learning_rate", self.learning_rate, 1e-5, 1)

    @property
    def needs_env(self) -> bool:
        """The env makes its optimizer."""
        return True

    @property
    def making_runs(self) -> float | None:
        """What tuning took."""
        return self.tuning_runs

    def env_arguments(self) -> dict[str, Any]:
        """The optimizer of the env."""
        return {"optimizer": self.optimizer}

    def policy(self, env: Any, seeds: Sequence[int]) -> Policy:
        """Makes the policy of the runs of an env.

        Raises:
            InvalidArgument: If the env was not made with the optimizer.
        """
        check_optimizer_of(env, self.optimizer, type(self).__name__)
        return self._towards.policy(env, seeds)

    def check(self, setting: RunSetting) -> None:
        """Checks that the learning rate is controlled, if it is to be set."""
        self._towards.check(setting)

    @property
    def _towards(self) -> ControllerMethod:
        return ControllerMethod(functools.partial(Towards, learning_rate=self.learning_rate))


@dataclass(frozen=True)
class ScheduleFreeSGD(OwnOptimizer):
    """Trains by schedule-free SGD, whose weights are an average over the run.

    Gradients are taken between the average and the sequence of plain SGD; the average takes the
    place of an annealed learning rate, and is what is evaluated. The learning rate stays constant.
    It has to be larger than that of SGD with momentum.

    When it fails: the average is over the whole run, so that weights from before a shock count
    as long as the run has lasted. It adapts no learning rate, and a poor one stays poor.

    Args:
        learning_rate: Learning rate, in [1e-5, 1]; the initial one of the run if None. What is
            more than a decade from the initial one is reached in more than one epoch.

    Source:
        A. Defazio et al., The Road Less Scheduled, NeurIPS 2024; `SGDScheduleFree` of the authors'
        package `schedulefree`.
    """

    learning_rate: float | None = 0.59
    optimizer: ClassVar[str] = "schedule_free_sgd"
    tuning_runs: ClassVar[float] = 612.0


@dataclass(frozen=True)
class ScheduleFreeAdamW(OwnOptimizer):
    """Trains by schedule-free AdamW, whose weights are an average over the run.

    As `schedule_free_sgd`, with the normalised steps of Adam.

    When it fails: the average is over the whole run, so that weights from before a shock count
    as long as the run has lasted. It adapts no learning rate, and a poor one stays poor.

    Args:
        learning_rate: Learning rate, in [1e-5, 1]; the initial one of the run if None. What is
            more than a decade from the initial one is reached in more than one epoch.

    Source:
        A. Defazio et al., The Road Less Scheduled, NeurIPS 2024; `AdamWScheduleFree` of the
        authors' package `schedulefree`.
    """

    learning_rate: float | None = 0.01
    optimizer: ClassVar[str] = "schedule_free_adamw"
    tuning_runs: ClassVar[float] = 612.0


@dataclass(frozen=True)
class Prodigy(OwnOptimizer):
    """Trains by Prodigy, which estimates the step size of Adam from how far the weights have gone.

    The estimate d of the distance to the solution only grows; the step size is d times the learning
    rate, which is 1 unless there is a reason.

    When it fails: d never shrinks, so that it cannot follow a shock that asks for smaller steps,
    and nothing anneals. The hidden gain of an env multiplies the learning rate, and d does not
    make up for it.

    Args:
        learning_rate: Factor on the estimate, in [1e-5, 1]; the initial learning rate of the run if
            None. What is more than a decade from the initial one is reached in more than one epoch.

    Source:
        K. Mishchenko and A. Defazio, Prodigy: An Expeditiously Adaptive Parameter-Free Learner,
        ICML 2024; `Prodigy` of the authors' package `prodigyopt`.
    """

    learning_rate: float | None = 0.26
    optimizer: ClassVar[str] = "prodigy"
    tuning_runs: ClassVar[float] = 612.0


@dataclass(frozen=True)
class DAdaptSGD(OwnOptimizer):
    """Trains by SGD with D-Adaptation, which estimates its step size from a bound on the distance.

    The estimate d of the distance to the solution only grows; the step size is d times the learning
    rate, over the norm of the first gradient.

    When it fails: d never shrinks, and the norm of the first gradient, which the initial weights
    decide, scales all steps. The hidden gain of an env multiplies the learning rate, and d does not
    make up for it.

    Args:
        learning_rate: Factor on the estimate, in [1e-5, 1]; the initial learning rate of the run if
            None. What is more than a decade from the initial one is reached in more than one epoch.

    Source:
        A. Defazio and K. Mishchenko, Learning-Rate-Free Learning by D-Adaptation, ICML 2023;
        `DAdaptSGD` of the authors' package `dadaptation`.
    """

    learning_rate: float | None = 0.16
    optimizer: ClassVar[str] = "dadapt_sgd"
    tuning_runs: ClassVar[float] = 612.0


@dataclass(frozen=True)
class HypergradientSGD(OwnOptimizer):
    """Trains by SGD that raises its learning rate while successive directions agree.

    At every step a factor on the learning rate is multiplied by 1 + 0.02 c, with c the cosine
    between the gradient and the direction of the step before. It makes up for a poor learning rate
    or a hidden gain, within the epochs.

    When it fails: the cosine of noisy gradients is near 0, and the factor moves slowly; where the
    rate is far too high, the run may diverge before it has come down.

    Args:
        learning_rate: Learning rate at the beginning, in [1e-5, 1]; the initial one of the run if
            None.

    Source:
        A. G. Baydin et al., Online Learning Rate Adaptation with Hypergradient Descent, ICLR 2018:
        the multiplicative rule, with momentum.
    """

    optimizer: ClassVar[str] = "hypergradient_sgd"


@dataclass(frozen=True)
class NAdamW(OwnOptimizer):
    """Trains by Adam with Nesterov momentum and decoupled weight decay, at a calibrated rate.

    When it fails: the rate is that of the tasks it was calibrated on, and stays as it is.

    Args:
        learning_rate: Learning rate, in [1e-5, 1]; the initial one of the run if None. What is
            more than a decade from the initial one is reached in more than one epoch.

    Source:
        T. Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop 2016; I. Loshchilov and
        F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019; `torch.optim.NAdam`.
    """

    learning_rate: float | None = 0.0094
    optimizer: ClassVar[str] = "nadamw"
    tuning_runs: ClassVar[float] = 612.0
