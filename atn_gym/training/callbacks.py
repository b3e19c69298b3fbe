"""What happens while an agent trains: checkpoints, evaluations and progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
from stable_baselines3.common.callbacks import BaseCallback

from atn_gym.agents.method import Method
from atn_gym.agents.model_card import Normalisation
from atn_gym.agents.policy import Policy
from atn_gym.agents.rl import ModelPolicy
from atn_gym.config import EnvConfig
from atn_gym.eval.running.evaluate import evaluate
from atn_gym.training.checkpoint import save_checkpoint
from atn_gym.training.config import TrainingConfig, evaluation_names
from atn_gym.training.model_file import normalisation_of

OnSteps = Callable[[int], None]


@dataclass(frozen=True)
class _Trained(Method):
    """The model as it is at this moment.

    Args:
        model: The algorithm.
        normalisation: Of its observations.
    """

    model: Any
    normalisation: Normalisation | None

    def policy(self, env: Any, seeds: Sequence[int]) -> Policy:
        return ModelPolicy(self.model, env, "in training", self.normalisation)


class TrainingCallback(BaseCallback):
    """Saves checkpoints, evaluates, and tells how far training is, always between rollouts.

    Args:
        config: The training.
        checkpoints: Folder of the checkpoints.
        on_steps: Called with the number of steps taken.

    Attributes:
        raised: What `on_steps` raised, which is no failure of the training.
    """

    def __init__(self, config: TrainingConfig, checkpoints: Path, on_steps: OnSteps) -> None:
        super().__init__()
        self._config = config
        self._checkpoints = checkpoints
        self._on_steps = on_steps
        self.raised: Exception | None = None
        self._next_checkpoint = 0
        self._next_evaluation = 0

    def _on_training_start(self) -> None:
        config = self._config
        self._next_checkpoint = _following(self.num_timesteps, config.checkpoint_freq)
        self._next_evaluation = _following(self.num_timesteps, config.eval_freq)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self._tell()
        if self.num_timesteps >= self._next_evaluation:
            self._next_evaluation = _following(self.num_timesteps, self._config.eval_freq)
            self._evaluate()
        if self.num_timesteps >= self._next_checkpoint:
            self._next_checkpoint = _following(self.num_timesteps, self._config.checkpoint_freq)
            save_checkpoint(self.model, self._checkpoints)

    def _on_training_end(self) -> None:
        self._tell()
        self._evaluate()
        save_checkpoint(self.model, self._checkpoints)

    def _tell(self) -> None:
        try:
            self._on_steps(self.num_timesteps)
        except Exception as error:
            self.raised = error
            raise

    def _evaluate(self) -> None:
        method = _Trained(self.model, normalisation_of(self.model))
        envs = self._config.eval_envs
        for env, name in zip(envs, evaluation_names(envs), strict=True):
            found = evaluate(method, env.id, self._config.eval_seeds, twins=False, **env.kwargs)
            for metric in ("anytime_performance", "collapsed"):
                self.logger.record(f"eval/{name}/{metric}", found.mean(metric))
        self.logger.dump(self.num_timesteps)


def check_evaluations(model: Any, envs: Sequence[EnvConfig]) -> None:
    """Makes every env that a model is evaluated on once, to find before training what is wrong.

    Raises:
        AtnGymError: If one cannot be made, or the model does not suit it.
    """
    for env in envs:
        with closing(gymnasium.make_vec(env.id, num_envs=1, **env.kwargs)) as vector:
            ModelPolicy(model, vector, f"to be evaluated on {env.id}")


def _following(steps: int, interval: int) -> int:
    """The next multiple of an interval."""
    return (steps // interval + 1) * interval
