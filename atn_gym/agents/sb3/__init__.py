"""Stable-Baselines3: envs for its algorithms, and the agents that they make.

This package and `atn_gym.training` are the only ones that import it (the extra `rl`).
"""

from atn_gym.agents.sb3.mixed_vec_env import MixedVecEnv
from atn_gym.agents.sb3.vec_env import TuningVecEnv

__all__ = ["MixedVecEnv", "TuningVecEnv"]
