"""Envs that train an epoch in milliseconds, and what is said of errors that they raise."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from atn_gym.envs.tuning_env import TuningEnv

DATA_SHIFT = "atn_gym/DigitsCnn-DataShift-v0"
SMALL: dict[str, Any] = {"num_epochs": 3, "train_size": 128}


def make_wrapped_env(**kwargs: Any) -> gymnasium.Env[Any, Any]:
    """A small env with the wrappers of `gymnasium.make`."""
    return gymnasium.make(DATA_SHIFT, **{**SMALL, **kwargs})


def make_env(pair: str = "DigitsCnn-Stationary", **kwargs: Any) -> TuningEnv:
    """A small env without wrappers."""
    env = gymnasium.make(f"atn_gym/{pair}-v0", **{**SMALL, **kwargs}).unwrapped
    assert isinstance(env, TuningEnv)
    return env


def make_vector_env(num_envs: int = 2, **kwargs: Any) -> Any:
    """A small vector env, typed Any for its attributes beyond the base class."""
    return gymnasium.make_vec(DATA_SHIFT, num_envs=num_envs, **{**SMALL, **kwargs})


def follow(env: TuningEnv, actions: np.ndarray) -> list[Any]:
    """Steps along the actions, as wide as the env takes them, up to the end of the episode."""
    assert env.action_space.shape is not None
    returned = []
    for action in actions[:, : env.action_space.shape[0]]:
        returned.append(env.step(action))
        if returned[-1][2]:
            break
    return returned


def run_episode(env: TuningEnv, seed: int | None, actions: np.ndarray) -> list[Any]:
    """What `reset` and each `step` return."""
    return [env.reset(seed=seed), *follow(env, actions)]


def assert_says(error: pytest.ExceptionInfo[Exception], *parts: str) -> None:
    for part in parts:
        assert part in str(error.value)
