"""Policies of the user's own, as methods."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gymnasium import spaces

from atn_gym.agents.method import Method, construction_errors
from atn_gym.agents.model_policy import ModelPolicy
from atn_gym.agents.policy import Policy
from atn_gym.errors import InvalidArgument


@dataclass(frozen=True)
class PolicyMethod(Method):
    """Anything with the `predict` of Stable-Baselines3, on any env.

    If it has an observation space and an action space, as a model of Stable-Baselines3 has, they
    must be those of the env, and a model with flat observations gets flat ones. Otherwise it gets
    the batches of observations of the env.

    Args:
        make: Makes the policy; called for each env.
        name: What errors call it.
    """

    make: Callable[[], Any]
    name: str

    @classmethod
    def of(cls, policy: Policy) -> PolicyMethod:
        """The method of a policy that exists already; it can be pickled if the policy can."""
        return cls(functools.partial(_unchanged, policy), type(policy).__name__)

    def policy(self, env: Any, seeds: Sequence[int]) -> Policy:
        """Makes the policy of the runs of an env."""
        policy = self._make()
        declared = (getattr(policy, name, None) for name in ("observation_space", "action_space"))
        if not all(isinstance(space, spaces.Space) for space in declared):
            return policy
        normalisation = None
        if hasattr(policy, "get_vec_normalize_env"):
            from atn_gym.agents.algorithms import normalisation_of

            normalisation = normalisation_of(policy)
        return ModelPolicy(policy, env, self.name, normalisation)

    @property
    def making_runs(self) -> float | None:
        """Unknown, unless the policy itself has this attribute."""
        return None

    def digest(self) -> str | None:
        """The `digest()` of the policy, if it has one."""
        digest = getattr(self._make(), "digest", None)
        return str(digest()) if callable(digest) else None

    def check(self, setting: Any) -> None:
        """Makes the policy, which checks its arguments."""
        self._make()

    def _make(self) -> Policy:
        with construction_errors(f"policy {self.name}"):
            made = self.make()
        if isinstance(made, type) or not callable(getattr(made, "predict", None)):
            raise InvalidArgument(
                f"{self.name} must make an object with predict(observation, state, "
                f"episode_start, deterministic), got {made!r}"
            )
        policy: Policy = made
        return policy


def _unchanged(policy: Policy) -> Policy:
    return policy
