"""Training with Stable-Baselines3: its vec envs, and `atn-gym train`."""

from atn_gym.errors import DependencyUnavailable

try:
    from atn_gym.training.mixed_vec_env import MixedVecEnv
    from atn_gym.training.vec_env import TuningVecEnv
except ImportError as error:
    raise DependencyUnavailable(
        f"atn_gym.training needs Stable-Baselines3 ({error}): pip install 'atn_gym[rl]'"
    ) from error

__all__ = ["MixedVecEnv", "TuningVecEnv"]
