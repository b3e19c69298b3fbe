"""Trains an agent, from the beginning or from where it was interrupted."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from atn_gym.agents.sb3.algorithms import algorithm_class
from atn_gym.errors import AtnGymError, InvalidArgument, one_line
from atn_gym.training.callbacks import TrainingCallback, check_evaluations
from atn_gym.training.checkpoint import checkpoints, load_checkpoint
from atn_gym.training.config import TrainingConfig, check_training
from atn_gym.training.envs import make_training_env
from atn_gym.training.folder import alone_in, check_owner, claim
from atn_gym.training.hyperparameters import algorithm_arguments
from atn_gym.training.log import LOG, TrainingLog
from atn_gym.training.model_file import save_model


class TrainingError(AtnGymError, RuntimeError):
    """A training failed on its way."""


def train(
    config: TrainingConfig, folder: Path, on_steps: Callable[[int], None] = lambda steps: None
) -> Path:
    """Trains an agent.

    The folder gets `config.yaml`, `log.jsonl`, `tensorboard/`, `checkpoints/` and, at the end,
    `model.zip`. If it holds checkpoints, training goes on from the last: on the same machine
    and versions, the agent becomes the same as without the interruption. What does not change
    the agent, such as how often it is evaluated, may differ from then on.

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
    path = folder / "model.zip"
    with alone_in(folder):
        check_owner(folder, config)
        if not path.is_file():
            with contextlib.closing(make_training_env(config)) as env:
                model = _make_or_resume(config, folder, env)
                check_evaluations(model, config.eval_envs)
                callback = TrainingCallback(config, folder / "checkpoints", on_steps)
                with _explained(model, callback):
                    _train(model, config, folder, callback)
                    save_model(model, config, path)
        return path


def _train(model: Any, config: TrainingConfig, folder: Path, callback: TrainingCallback) -> None:
    # What the config alone does not show to be invalid has been found: the folder is claimed.
    claim(folder, config)
    log = TrainingLog(folder / LOG, model.num_timesteps)
    formats: list[KVWriter] = [log, TensorBoardOutputFormat(str(folder / "tensorboard"))]
    model.set_logger(Logger(str(folder), formats))
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
    """Says of whatever fails within a training when it did, and what is left."""
    try:
        yield
    except Exception as error:
        if error is callback.raised:
            raise
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 240)
        remedy = (
            "make room in its folder, and run the same command again"
            if isinstance(error, OSError)
            else "change its hyperparameters, such as to a smaller learning_rate, under another "
            "experiment name"
        )
        raise TrainingError(
            f"training failed at step {model.num_timesteps} ({reason}); its checkpoints are kept: "
            f"{remedy}"
        ) from error


def _make_or_resume(config: TrainingConfig, folder: Path, env: VecEnv) -> Any:
    stored = checkpoints(folder / "checkpoints")
    if stored:
        return load_checkpoint(config.algorithm, stored[-1], env)
    assert env.action_space.shape is not None
    arguments = algorithm_arguments(
        config.algorithm, config.hyperparameters, env.action_space.shape[0]
    )
    try:
        return algorithm_class(config.algorithm)(
            config.policy, env, seed=config.seed, device="cpu", **arguments
        )
    except Exception as error:
        raise InvalidArgument(
            f"{config.algorithm} does not accept its hyperparameters: {one_line(error)}"
        ) from error
