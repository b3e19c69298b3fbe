"""Policies, which the benchmark runs, and the accounts that they give of what they did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from atn_gym.agents.controller import Params
from atn_gym.errors import AtnGymError

Actions = NDArray[np.float32]


class Policy(Protocol):
    """Anything with Stable-Baselines3's `predict`."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Maps observations to actions and the state to hand in next."""


class ControllerError(AtnGymError, RuntimeError):
    """A controller raised, or proposed what it must not."""


@dataclass
class RunAccount:
    """What a policy did to one run and spent on it, beyond training it once.

    Args:
        restarts: Runs spent before the one that is scored.
        rollbacks: Returns to earlier hyperparameters.
        overrides: Steps that a guard cut short.
        optimizer_evaluations: Metrics reported to the method's optimizer.
        gradient_steps: Further gradient steps.
        flops: Further floating-point operations.
        observes: Whether what it does may depend on what it observes.
        error: Why the policy gave the run up; None if it did not.
    """

    restarts: int = 0
    rollbacks: int = 0
    overrides: int = 0
    optimizer_evaluations: int = 0
    gradient_steps: int = 0
    flops: int = 0
    observes: bool = True
    error: ControllerError | None = None


@runtime_checkable
class AccountablePolicy(Policy, Protocol):
    """A policy that can tell what it did, beyond its actions."""

    def accounts(self, state: Any) -> list[RunAccount]:
        """The account of every run, from what `predict` returned last."""


def accounts_of(policy: Policy, state: Any, num_runs: int) -> list[RunAccount]:
    """The account of every run; empty ones if the policy gives none.

    Args:
        policy: What controlled the runs.
        state: What its `predict` returned last.
        num_runs: Number of runs.
    """
    if isinstance(policy, AccountablePolicy):
        return policy.accounts(state)
    return [RunAccount() for _ in range(num_runs)]


@runtime_checkable
class SearchingPolicy(Policy, Protocol):
    """A policy that spends runs of its own before the scored ones begin."""

    def search(self) -> list[Params]:
        """Finds the initial hyperparameters of every scored run."""
