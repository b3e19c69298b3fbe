"""A method with another optimizer than that of the env."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.lookahead_oracle import LookaheadOracle
from atn_gym.agents.method_around import MethodAround
from atn_gym.agents.own_optimizer import check_optimizer_of
from atn_gym.agents.policy import Actions, Policy, RunAccount, SearchingPolicy, accounts_of
from atn_gym.agents.yoked import Yoked
from atn_gym.arrays import FloatArray
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.hyperparameters import HYPERPARAMETERS, RESOLUTION
from atn_gym.envs.optimizers import check_optimizer
from atn_gym.errors import InvalidArgument, check_number

_TUNED_RATE, _TUNING_RUNS = 0.0094, 612.0
"""The rate that was best for AdamW on Digits, and what tuning it took in whole runs."""


@dataclass(frozen=True)
class WithOptimizer(MethodAround):
    """Trains by another optimizer, whose hyperparameters a method adapts.

    The env is made with the optimizer. Its initial learning rate suits the optimizer of the task,
    so the method acts as if the run began at `learning_rate`, and the run goes there as fast as
    the env allows. With the method `fixed` this is an optimizer at one rate.

    When it fails: where the method was made for another optimizer and its learning rates, and
    where the rate does not suit the task. The default was calibrated on Digits; for MNIST, with 50
    times as many steps an epoch, it is too high.

    Args:
        method: The method: a name such as "hypergradient"; in Python also a policy, a `Method`,
            or a class of controllers. A search chooses its own initial values, and `learning_rate`
            is ignored.
        arguments: Its arguments by name, if it goes by a name.
        optimizer: Name of the optimizer, as the envs take it.
        learning_rate: Learning rate at the beginning, in [1e-5, 1]; that of the run if None. The
            default was tuned for AdamW on Digits.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019, for the
        default optimizer; `torch.optim.AdamW`.
    """

    optimizer: str = "adamw"
    learning_rate: float | None = _TUNED_RATE

    def __post_init__(self) -> None:
        check_optimizer(self.optimizer)
        if self.learning_rate is not None:
            bounds = HYPERPARAMETERS["learning_rate"].bounds
            check_number("learning_rate", self.learning_rate, *bounds)
        super().__post_init__()
        own = self.inner.env_arguments().get("optimizer")
        if own is not None:
            raise InvalidArgument(
                f"method must be one without an optimizer of its own, got {self.method!r}, which "
                f"trains by {own!r}"
            )
        if isinstance(self.inner, Yoked):
            raise InvalidArgument(
                "with_optimizer takes no yoked control: make the method of `yoked` one of "
                "with_optimizer, so that both runs have the optimizer"
            )
        if isinstance(self.inner, LookaheadOracle):
            raise InvalidArgument(
                f"with_optimizer takes no oracle, which tries actions from the values of the run, "
                f"got {self.method!r}: make the env with optimizer={self.optimizer!r} and "
                "initial={'learning_rate': ...}"
            )

    @property
    def needs_env(self) -> bool:
        """The env makes its optimizer."""
        return True

    def env_arguments(self) -> dict[str, Any]:
        """The optimizer of the env, and what the method within needs."""
        return {**self.inner.env_arguments(), "optimizer": self.optimizer}

    @property
    def making_runs(self) -> float | None:
        """What the making of the method within took, and the tuning of the default rate."""
        within = self.inner.making_runs
        default = (self.optimizer, self.learning_rate) == (type(self).optimizer, _TUNED_RATE)
        return within + _TUNING_RUNS if within is not None and default else within

    def check(self, setting: RunSetting) -> None:
        """Checks that the learning rate is controlled, and the method within."""
        setting.require_learning_rate()
        super().check(setting)

    def policy(self, env: Any, seeds: Sequence[int]) -> Policy:
        """Makes the policy of the method, which acts as if the runs began at `learning_rate`.

        Raises:
            InvalidArgument: If the env was not made with the optimizer.
        """
        check_optimizer_of(env, self.optimizer, type(self).__name__)
        policy = self.inner.policy(env, seeds)
        if self.learning_rate is None or isinstance(policy, SearchingPolicy):
            return policy
        return StartedPolicy(policy, env, self.learning_rate, len(seeds))


@dataclass(frozen=True)
class StartedState:
    """State of a policy between two calls.

    Args:
        inner: State of the policy within.
        wanted: What the policy within has set, in plain units, (K,) or (n, K).
        due: What the actions lead to, the same shape.
    """

    inner: Any
    wanted: FloatArray
    due: FloatArray


class StartedPolicy:
    """Lets a policy act as if its runs began at another learning rate.

    An action moves a hyperparameter by a decade at most. While the run is on its way to what the
    policy set, the policy observes what it set; if somebody else sets a value, it observes that.

    Args:
        policy: The policy within.
        env: The single or vector env.
        learning_rate: The learning rate at which the runs seem to begin.
        num_runs: Number of runs.
    """

    def __init__(self, policy: Policy, env: Any, learning_rate: float, num_runs: int) -> None:
        self._policy: Any = policy
        self._space = env.unwrapped.episodes.hyperparameters
        self._rate = learning_rate
        self._num_runs = num_runs

    def predict(
        self,
        observation: Observation,
        state: StartedState | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, StartedState]:
        """Actions that bring the run to what the policy within wants, or closer to it.

        Args:
            observation: The Dict observation of one run, or of n runs.
            state: What the last call returned; None begins episodes everywhere.
            episode_start: Handed on; runs at progress 0 begin an episode anyway.
            deterministic: Handed on.
        """
        if not isinstance(observation, Mapping):
            raise InvalidArgument(
                "with_optimizer needs the Dict observation of the env, got "
                f"{type(observation).__name__}: give it the env without FlatObservation"
            )
        logs = observation["hyperparameters"]
        values = self._space.from_log10(logs)
        begins = observation["progress"] == 0
        held = np.where(begins, self._started(values), values if state is None else state.wanted)
        undisturbed = begins if state is None else begins | ~self._differ(state.due, logs)
        pretends = self._differ(held, logs) & undisturbed
        held = np.where(pretends, held, values)
        seen = np.where(pretends, self._space.log10(held).astype(np.float32), logs)
        actions, inner = self._policy.predict(
            {**observation, "hyperparameters": seen},
            state.inner if state else None,
            episode_start,
            deterministic,
        )
        actions, size = np.array(actions, np.float32), len(self._space)
        wanted = self._space.apply(held, actions[..., :size].astype(np.float64))
        moves = self._space.deltas(values, wanted)
        actions[..., :size] = np.where(pretends, moves, actions[..., :size])
        due = self._space.apply(values, actions[..., :size].astype(np.float64))
        return actions, StartedState(inner, wanted, due)

    def _started(self, values: FloatArray) -> FloatArray:
        """The values with the learning rate at which the runs seem to begin."""
        started = values.copy()
        started[..., self._space.names.index("learning_rate")] = self._rate
        return started

    def _differ(self, values: FloatArray, logs: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Where values are not those observed, up to rounding."""
        differ: NDArray[np.bool_] = np.abs(self._space.log10(values) - logs) > RESOLUTION
        return differ

    def accounts(self, state: StartedState) -> list[RunAccount]:
        """What the policy within did and spent."""
        return accounts_of(self._policy, state.inner, self._num_runs)
