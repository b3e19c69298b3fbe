"""Trains an agent, from the beginning or from where it was interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from stable_baselines3.common.vec_env import VecEnv

from atn_gym.agents.sb3.algorithms import algorithm_class
from atn_gym.errors import InvalidArgument
from atn_gym.eval.store import write_atomically
from atn_gym.training.callbacks import TrainingCallback
from atn_gym.training.checkpoint import checkpoints, load_checkpoint
from atn_gym.training.config import TrainingConfig
from atn_gym.training.envs import make_training_env
from atn_gym.training.hyperparameters import algorithm_arguments
from atn_gym.training.log import LOG, TrainingLog
from atn_gym.training.model_file import save_model


def train(
    config: TrainingConfig, folder: Path, on_steps: Callable[[int], None] = lambda steps: None
) -> Path:
    """Trains an agent.

    The folder gets `config.yaml`, `log.jsonl`, `tensorboard/`, `checkpoints/` and, at the end,
    `model.zip`. If it holds checkpoints, training goes on from the last: on the same machine
    and versions, the agent becomes the same as without the interruption.

    Args:
        config: What to train, and how.
        folder: Of this training.
        on_steps: Called with the number of steps taken.

    Returns:
        The model file.

    Raises:
        InvalidArgument: If the folder holds the training of another config, or the algorithm
            refuses a hyperparameter.
    """
    _check_config(folder, config)
    with _alone_in(folder):
        path = folder / "model.zip"
        if not path.is_file():
            _train(config, folder, path, on_steps)
        return path


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    try:
        with FileLock(folder / ".lock", blocking=False):
            yield
    except Timeout as error:
        raise InvalidArgument(
            f"another process is training in {folder}: wait for it, or choose another experiment "
            "name"
        ) from error


def _train(
    config: TrainingConfig, folder: Path, path: Path, on_steps: Callable[[int], None]
) -> None:
    env = make_training_env(config)
    model = _make_or_resume(config, folder, env)
    log = TrainingLog(folder / LOG, model.num_timesteps)
    formats: list[KVWriter] = [log, TensorBoardOutputFormat(str(folder / "tensorboard"))]
    model.set_logger(Logger(str(folder), formats))
    callback = TrainingCallback(config, folder / "checkpoints", on_steps)
    try:
        remaining = config.n_timesteps - model.num_timesteps
        if remaining > 0:
            model.learn(remaining, callback=callback, reset_num_timesteps=False)
        save_model(model, config, path)
    finally:
        model.logger.close()
        env.close()


def _check_config(folder: Path, config: TrainingConfig) -> None:
    """Makes the folder, or checks that it is of the same training."""
    values = config.model_dump(mode="json", exclude={"results"})
    path = folder / "config.yaml"
    if path.is_file():
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
        if stored != values:
            changed = sorted(
                key for key in values.keys() | stored.keys() if values.get(key) != stored.get(key)
            )
            raise InvalidArgument(
                f"{folder} holds a training with other values of {', '.join(changed)}: choose "
                "another experiment name or results folder, or delete it"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, yaml.safe_dump(values, sort_keys=False))


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
    except (AssertionError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InvalidArgument(
            f"{config.algorithm} does not accept its hyperparameters: {reason}"
        ) from error
