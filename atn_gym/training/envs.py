"""What an agent trains on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from atn_gym.envs.episodes.state import SIGNALS
from atn_gym.training import MixedVecEnv, TuningVecEnv
from atn_gym.training.config import TrainingConfig, has_flat_observations


def make_training_env(config: TrainingConfig) -> VecEnv:
    """All envs of a training side by side, monitored, and normalised if the config says so."""
    each = config.n_envs // len(config.envs)
    flat = has_flat_observations(config)
    env: VecEnv = MixedVecEnv(
        [
            TuningVecEnv(part.id, each, flat=flat, falls=config.falls, **part.kwargs)
            for part in config.envs
        ]
    )
    env.seed(config.seed)
    if config.shuffle_signals:
        params = config.envs[0].params()
        env = ShuffledSignals(env, params.window, len(params.make_space()), config.seed)
    env = VecMonitor(env)
    if config.normalize:
        env = VecNormalize(env, gamma=config.hyperparameters.get("gamma", 0.99))
    return env


class ShuffledSignals(VecEnvWrapper):
    """Shows every network the traces of one drawn at random, which may be itself.

    They are exchanged in every step, so that each is shown once. Hyperparameters and
    progress stay those of the network itself. An agent that learns no less under it makes no
    use of what it observes of the training.

    Args:
        venv: A vec env with flat observations.
        window: Its window.
        num_hyperparameters: Number of its hyperparameters.
        seed: Seed of the draws.
    """

    def __init__(self, venv: VecEnv, window: int, num_hyperparameters: int, seed: int) -> None:
        super().__init__(venv)
        self.generator = np.random.default_rng(seed)
        first = len(SIGNALS) * window
        self._own = slice(first, first + num_hyperparameters + 1)

    def reset(self) -> NDArray[np.float32]:
        """Begins all episodes."""
        return self._shuffled(self.venv.reset())

    def step_wait(self) -> Any:
        """Trains an epoch of every run."""
        observation, rewards, dones, infos = self.venv.step_wait()
        return self._shuffled(observation), rewards, dones, infos

    def _shuffled(self, observation: Any) -> NDArray[np.float32]:
        shuffled: NDArray[np.float32] = observation[self.generator.permutation(len(observation))]
        shuffled[:, self._own] = observation[:, self._own]
        return shuffled
