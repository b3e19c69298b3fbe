"""Envs that train an epoch in milliseconds, and what is said of errors that they raise."""

from typing import Any

import gymnasium
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


def assert_says(error: pytest.ExceptionInfo[Exception], *parts: str) -> None:
    for part in parts:
        assert part in str(error.value)
