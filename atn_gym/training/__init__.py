"""Training with Stable-Baselines3: its vec envs, and `atn-gym train`."""

from atn_gym.training.mixed_vec_env import MixedVecEnv
from atn_gym.training.vec_env import TuningVecEnv

__all__ = ["MixedVecEnv", "TuningVecEnv"]
