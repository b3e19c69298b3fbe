"""Envs that train an epoch in milliseconds."""

from typing import Any

import gymnasium

from atn_gym.envs.tuning_env import TuningEnv

DATA_SHIFT = "atn_gym/DigitsCnn-DataShift-v0"
SMALL: dict[str, Any] = {"num_epochs": 3, "train_size": 128}


def make_env(pair: str = "DigitsCnn-Stationary", **kwargs: Any) -> TuningEnv:
    """A small env without wrappers."""
    env = gymnasium.make(f"atn_gym/{pair}-v0", **{**SMALL, **kwargs}).unwrapped
    assert isinstance(env, TuningEnv)
    return env


def make_vector_env(env_id: str = DATA_SHIFT, num_envs: int = 2, **kwargs: Any) -> Any:
    """A small vector env, typed Any for its attributes beyond the base class."""
    kwargs = {**SMALL, "autoreset_mode": "Disabled", **kwargs}
    return gymnasium.make_vec(env_id, num_envs=num_envs, **kwargs)
