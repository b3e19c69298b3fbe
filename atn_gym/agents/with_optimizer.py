"""A method with another optimizer than that of the env."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.method_around import MethodAround
from atn_gym.agents.own_optimizer import check_optimizer_of
from atn_gym.agents.policy import Actions, Policy, RunAccount, SearchingPolicy, accounts_of
from atn_gym.arrays import FloatArray
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.hyperparameters import HYPERPARAMETERS, RESOLUTION
from atn_gym.envs.optimizers import check_optimizer
from atn_gym.errors import InvalidArgument, check_number


@dataclass(frozen=True)
class WithOptimizer(MethodAround):
    """Trains by another optimizer, whose hyperparameters a method adapts.

    The env is made with the optimizer. Its initial learning rate suits the optimizer of the task,
    so the method acts as if the run began at `learning_rate`, and the run goes there as fast as
    the env allows. With the method `fixed` this is an optimizer at one rate.

    When it fails: where the method was made for another optimizer and its learning rates. A rate
    that was calibrated on some tasks need not suit others.

    Args:
        method: The method: a name such as "hypergradient"; in Python also a policy, a `Method`,
            or a class of controllers. A search finds its own beginnings, as it does otherwise.
        arguments: Its arguments by name, if it goes by a name.
        optimizer: Name of the optimizer, as the envs take it.
        learning_rate: Learning rate at the beginning, in [1e-5, 1].

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019, for the
        default optimizer; `torch.optim.AdamW`.
    """

    optimizer: str = "adamw"
    learning_rate: float = 0.0094

    def __post_init__(self) -> None:
        check_optimizer(self.optimizer)
        check_number("learning_rate", self.learning_rate, *HYPERPARAMETERS["learning_rate"].bounds)
        super().__post_init__()
        other = self.inner.env_arguments().get("optimizer", self.optimizer)
        if other != self.optimizer:
            raise InvalidArgument(
                f"method must be one without an optimizer of its own, got {self.method!r}, which "
                f"trains by {other!r}"
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
        """What the making of the method within took, and the choice of the learning rate."""
        within = self.inner.making_runs
        return None if within is None else within + 612.0

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
        if isinstance(policy, SearchingPolicy):
            return policy
        return StartedPolicy(policy, env, self.learning_rate, len(seeds))


@dataclass(frozen=True)
class StartedState:
    """State of a policy between two calls.

    Args:
        inner: State of the policy within.
        values: What the policy within has set, in plain units, (K,) or (n, K).
    """

    inner: Any
    values: FloatArray


class StartedPolicy:
    """Lets a policy act as if its runs began at another learning rate.

    An action moves a hyperparameter by a decade at most. Until the run has caught up with what the
    policy set, the policy observes what it set.

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
        logs = observation["hyperparameters"]
        values = self._space.from_log10(logs)
        start = values.copy()
        start[..., self._space.names.index("learning_rate")] = self._rate
        held = np.where(observation["progress"] == 0, start, state.values if state else values)
        caught_up = np.abs(self._space.log10(held) - logs) <= RESOLUTION
        held = np.where(caught_up, values, held)
        seen = np.where(caught_up, logs, self._space.log10(held).astype(np.float32))
        actions, inner = self._policy.predict(
            {**observation, "hyperparameters": seen},
            state.inner if state else None,
            episode_start,
            deterministic,
        )
        actions, size = np.array(actions, np.float32), len(self._space)
        wanted = self._space.apply(held, actions[..., :size].astype(np.float64))
        moves = self._space.deltas(values, wanted)
        actions[..., :size] = np.where(caught_up, actions[..., :size], moves)
        return actions, StartedState(inner, wanted)

    def accounts(self, state: StartedState) -> list[RunAccount]:
        """What the policy within did and spent."""
        return accounts_of(self._policy, state.inner, self._num_runs)
