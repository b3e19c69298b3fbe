"""The vector env as a `VecEnv` of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import (
    VecEnvIndices,
    VecEnvObs,
    VecEnvStepReturn,
)

from atn_gym.envs.arguments import MakeArguments
from atn_gym.envs.episodes.view import rows_of
from atn_gym.envs.vector_env import TuningVectorEnv
from atn_gym.envs.wrappers import VectorFlatObservation
from atn_gym.errors import InvalidArgument


class TuningVecEnv(VecEnv):
    """A native vector env for the algorithms and wrappers of Stable-Baselines3.

    One process trains all networks. An episode that ends is reset in the same step: its last
    observation and info come as `terminal_observation` and the info of that step. Seeds are
    those of `DummyVecEnv`: env i is seeded with seed + i at the next reset.

    Args:
        env_id: Id of the env.
        num_envs: Number of runs.
        flat: Whether observations are the normalised vector of `FlatObservation`; the Dict of
            the env otherwise, for "MultiInputPolicy".
        **kwargs: Further arguments of the env.

    Example:
        >>> from stable_baselines3 import PPO
        >>> env = TuningVecEnv("atn_gym/DigitsCnn-Mixture-v0", num_envs=8, split="train")
        >>> model = PPO("MlpPolicy", env, n_steps=30, batch_size=60)
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        flat: bool = True,
        falls: bool = False,
        **kwargs: Unpack[MakeArguments],
    ) -> None:
        vector: Any = gymnasium.make_vec(
            env_id, num_envs=num_envs, autoreset_mode=AutoresetMode.SAME_STEP, **kwargs
        )
        self._native: TuningVectorEnv = vector.unwrapped
        self.venv: TuningVectorEnv | VectorFlatObservation = (
            VectorFlatObservation(vector, falls) if flat else vector
        )
        self._actions = np.empty(0, np.float32)
        super().__init__(
            num_envs, self.venv.single_observation_space, self.venv.single_action_space
        )

    def reset(self) -> VecEnvObs:
        """Begins all episodes, with the seeds and options set before.

        Returns:
            Observations with a leading axis of num_envs; infos stand in `reset_infos`.
        """
        if any(options != self._options[0] for options in self._options):
            raise InvalidArgument(
                f"options must be the same for all envs, got {self._options}: initial "
                "hyperparameters may be arrays with a value for each env"
            )
        observation, _ = self.venv.reset(seed=list(self._seeds), options=self._options[0] or None)
        self.reset_infos = self._infos()
        self._reset_seeds()
        self._reset_options()
        return observation

    def _infos(self) -> list[dict[str, Any]]:
        return rows_of(self._native.episodes.infos(range(self.num_envs)))

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Takes the actions of the next step."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Trains an epoch of every run.

        Returns:
            Observations, rewards (num_envs,), dones (num_envs,) and a list of infos.
        """
        observation, rewards, terminations, truncations, infos = self.venv.step(self._actions)
        dones = terminations | truncations
        current = self._infos()
        listed = [
            {
                **_of_env(infos["final_info"], i),
                "terminal_observation": infos["final_obs"][i],
                "TimeLimit.truncated": bool(truncations[i] and not terminations[i]),
            }
            if dones[i]
            else {**current[i], "TimeLimit.truncated": False}
            for i in range(self.num_envs)
        ]
        return observation, rewards.astype(np.float32), dones, listed

    def close(self) -> None:
        """Closes the vector env."""
        self.venv.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A picture of every run, if `render_mode="rgb_array"` was asked for."""
        return self._native.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of each env: its own space for a space, else what all envs share."""
        spaces = {"observation_space", "action_space"}
        value = getattr(self.venv, f"single_{attr_name}" if attr_name in spaces else attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: the runs of a native vector env have no attributes of their own."""
        raise InvalidArgument(
            f"{attr_name!r} must be an argument of the env: its runs share all attributes"
        )

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Calls a method of the vector env that returns a value for each env.

        Example: `env_method("test_metrics")`.
        """
        values = getattr(self._native, method_name)(*method_args, **method_kwargs)
        return [values[i] for i in self._get_indices(indices)]

    def get_state(self) -> list[dict[str, Any]]:
        """Captures every run bit-exactly."""
        return self._native.get_state()

    def set_state(self, states: Sequence[dict[str, Any]]) -> None:
        """Puts env i into the i-th of the states that `get_state` returned."""
        self._native.set_state(states)

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """No run of a native vector env has a wrapper of its own."""
        return [False for _ in self._get_indices(indices)]


def _of_env(infos: dict[str, Any], env: int) -> dict[str, Any]:
    """The plain info of one env out of the arrays and masks of all."""
    return {
        name: _of_env(values, env) if isinstance(values, dict) else np.asarray(values[env]).item()
        for name, values in infos.items()
        if not name.startswith("_")
    }
