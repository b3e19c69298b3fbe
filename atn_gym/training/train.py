"""Trains an agent, and resumes an interrupted training."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from atn_gym.agents.algorithms import algorithm_class, normalisation_of
from atn_gym.agents.method import Method
from atn_gym.agents.model_card import Normalisation
from atn_gym.agents.model_policy import ModelPolicy
from atn_gym.agents.policy import Policy
from atn_gym.config import EnvConfig
from atn_gym.errors import AtnGymError, DependencyUnavailable, InvalidArgument, one_line
from atn_gym.eval.running.evaluate import evaluate
from atn_gym.training.checkpoint import (
    Logged,
    load_checkpoint,
    newest_whole,
    restore_logged,
    save_checkpoint,
)
from atn_gym.training.config import TrainingConfig, check_training, evaluation_names
from atn_gym.training.envs import make_training_env
from atn_gym.training.folder import (
    check_owner,
    is_complete,
    locked_folder,
    save_model,
    store_config,
)
from atn_gym.training.hyperparameters import algorithm_arguments
from atn_gym.training.log import LOG, TrainingLog, tensorboard_output
from atn_gym.training.start import start_from, starting_card

OnSteps = Callable[[int], None]


class TrainingError(AtnGymError, RuntimeError):
    """A training failed on its way."""


def train(config: TrainingConfig, folder: Path, on_steps: OnSteps = lambda steps: None) -> Path:
    """Trains an agent.

    The folder gets `config.yaml`, `log.jsonl`, `tensorboard/`, `checkpoints/` and, at the end,
    `model.zip`. If it holds checkpoints, training resumes from the last that is whole: on the
    same machine and versions, the agent becomes the same as without the interruption. What does
    not change the agent, such as how often it is evaluated, may differ from then on.

    Args:
        config: What to train, and how.
        folder: Of this training.
        on_steps: Called with the number of steps taken; what it raises, `train` raises.

    Returns:
        The model file.

    Raises:
        InvalidArgument: If the config is invalid, the folder holds the training of another one,
            or the algorithm refuses a hyperparameter.
        StoreError: If the folder cannot be made or written.
        TrainingError: If training fails on its way; its checkpoints are kept.
    """
    check_training(config)
    earlier = None if config.start_from is None else starting_card(config.start_from)
    path = folder / "model.zip"
    with locked_folder(folder):
        check_owner(folder, config)
        if not is_complete(path):
            with contextlib.closing(make_training_env(config)) as env:
                model, logged = _make_or_resume(config, folder, env)
                check_evaluations(model, config.eval_envs)
                callback = TrainingCallback(config, folder / "checkpoints", on_steps)
                with _explained(model, callback):
                    _train(model, config, folder, callback, logged)
                    save_model(model, config, path, earlier)
        return path


def _train(
    model: Any, config: TrainingConfig, folder: Path, callback: TrainingCallback, logged: Logged
) -> None:
    # Envs and model were made, so that the config is valid: from now on the folder is its own.
    store_config(folder, config)
    board = tensorboard_output(folder / "tensorboard", model.num_timesteps)
    formats: list[KVWriter] = [TrainingLog(folder / LOG, model.num_timesteps), board]
    model.set_logger(Logger(str(folder), formats))
    restore_logged(model.logger, logged)
    # Off-policy algorithms count episodes, on-policy ones rollouts, of which none is left out.
    interval = {"log_interval": 1} if isinstance(model, OnPolicyAlgorithm) else {}
    remaining = config.n_timesteps - model.num_timesteps
    try:
        if remaining > 0:
            model.learn(remaining, callback=callback, reset_num_timesteps=False, **interval)
    finally:
        model.logger.close()


@contextlib.contextmanager
def _explained(model: Any, callback: TrainingCallback) -> Iterator[None]:
    """Says when a training failed, and what is left of it."""
    try:
        yield
    except Exception as error:
        if error is callback.raised or isinstance(error, DependencyUnavailable):
            raise
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 240)
        remedy = "rerun the command to resume from the last of them"
        if isinstance(error, OSError):
            remedy = "make room in its folder, and run the same command again"
        elif isinstance(error, ValueError):
            remedy = (
                "change its hyperparameters, such as to a smaller learning_rate, under another "
                "experiment name"
            )
        raise TrainingError(
            f"training failed at step {model.num_timesteps} ({reason}); its checkpoints are kept: "
            f"{remedy}"
        ) from error


def _make_or_resume(config: TrainingConfig, folder: Path, env: VecEnv) -> tuple[Any, Logged]:
    stored = newest_whole(folder / "checkpoints")
    if stored is not None:
        return load_checkpoint(config.algorithm, stored, env)
    assert env.action_space.shape is not None
    arguments = algorithm_arguments(
        config.algorithm, config.hyperparameters, env.action_space.shape[0]
    )
    try:
        made = algorithm_class(config.algorithm)(
            config.policy, env, seed=config.seed, device="cpu", **arguments
        )
    except Exception as error:
        raise InvalidArgument(
            f"{config.algorithm} does not accept its hyperparameters: {one_line(error)}"
        ) from error
    if config.start_from is not None:
        start_from(made, config.algorithm, config.start_from)
    return made, {}


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
    """Saves checkpoints, evaluates, and reports how far training is, always between rollouts.

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
        with contextlib.closing(gymnasium.make_vec(env.id, num_envs=1, **env.kwargs)) as vector:
            ModelPolicy(model, vector, f"to be evaluated on {env.id}")


def _following(steps: int, interval: int) -> int:
    """The next multiple of an interval."""
    return (steps // interval + 1) * interval
