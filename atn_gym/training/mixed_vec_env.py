"""Several vec envs as one, to train a policy on several tasks at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import (
    VecEnvIndices,
    VecEnvObs,
    VecEnvStepReturn,
)

from atn_gym.errors import InvalidArgument
from atn_gym.training.vec_env import TuningVecEnv


class MixedVecEnv(VecEnv):
    """Vec envs of different tasks and regimes side by side: the envs of one follow the other's.

    Args:
        parts: One or more vec envs of equal observation and action spaces.

    Raises:
        InvalidArgument: If there is none, or their spaces differ.

    Example:
        >>> env = MixedVecEnv(
        ...     [
        ...         TuningVecEnv("atn_gym/DigitsCnn-Mixture-v0", num_envs=4, num_epochs=2),
        ...         TuningVecEnv("atn_gym/DigitsCnnPoorInit-Mixture-v0", num_envs=4, num_epochs=2),
        ...     ]
        ... )
        >>> env.reset().shape
        (8, 44)
    """

    def __init__(self, parts: Sequence[TuningVecEnv]) -> None:
        if not parts:
            raise InvalidArgument("parts must hold at least one vec env, got none")
        first = parts[0]
        for part in parts[1:]:
            for what in ("observation_space", "action_space"):
                ours, theirs = getattr(first, what), getattr(part, what)
                if ours != theirs:
                    raise InvalidArgument(
                        f"mixed envs must have the same {what}, got {ours} and {theirs}: give them "
                        "the same window, hyperparameters, checkpoint_rollback and classes"
                    )
        self.parts = list(parts)
        ends = np.cumsum([part.num_envs for part in parts])
        self._slices = [
            slice(int(end) - part.num_envs, int(end)) for part, end in zip(parts, ends, strict=True)
        ]
        super().__init__(int(ends[-1]), first.observation_space, first.action_space)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds env i with seed + i at the next reset."""
        seeds = super().seed(seed)
        for part, where in zip(self.parts, self._slices, strict=True):
            part.seed(seeds[where.start])
        return seeds

    def set_options(self, options: Any = None) -> None:
        """Sets the options of all envs for the next reset."""
        for part in self.parts:
            part.set_options(options)

    def reset(self) -> VecEnvObs:
        """Begins all episodes.

        Returns:
            Observations with a leading axis of num_envs; infos stand in `reset_infos`.
        """
        observations = [part.reset() for part in self.parts]
        self.reset_infos = [info for part in self.parts for info in part.reset_infos]
        return _joined(observations)

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Takes the actions of the next step."""
        for part, where in zip(self.parts, self._slices, strict=True):
            part.step_async(actions[where])

    def step_wait(self) -> VecEnvStepReturn:
        """Trains an epoch of every run.

        Returns:
            Observations, rewards (num_envs,), dones (num_envs,) and a list of infos.
        """
        steps = [part.step_wait() for part in self.parts]
        observations, rewards, dones, infos = zip(*steps, strict=True)
        listed = [info for part in infos for info in part]
        return _joined(observations), np.concatenate(rewards), np.concatenate(dones), listed

    def close(self) -> None:
        """Closes all vec envs."""
        for part in self.parts:
            part.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A picture of every run, if `render_mode="rgb_array"` was asked for."""
        return [image for part in self.parts for image in part.get_images()]

    def get_state(self) -> list[dict[str, Any]]:
        """Captures every run bit-exactly."""
        return [state for part in self.parts for state in part.get_state()]

    def set_state(self, states: Sequence[dict[str, Any]]) -> None:
        """Puts env i into the i-th of the states that `get_state` returned."""
        for part, where in zip(self.parts, self._slices, strict=True):
            part.set_state(states[where])

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the vec env that each env is in."""
        values = [value for part in self.parts for value in part.get_attr(attr_name)]
        return [values[i] for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused, as for `TuningVecEnv`."""
        self.parts[0].set_attr(attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Calls a method that returns a value for each env."""
        values = [
            value
            for part in self.parts
            for value in part.env_method(method_name, *method_args, **method_kwargs)
        ]
        return [values[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """No run of a native vector env has a wrapper of its own."""
        return [False for _ in self._get_indices(indices)]


def _joined(observations: Sequence[Any]) -> VecEnvObs:
    """Observations of all parts in one, arrays or dicts of arrays."""
    if isinstance(observations[0], dict):
        return {
            name: np.concatenate([part[name] for part in observations]) for name in observations[0]
        }
    return np.concatenate(observations)
