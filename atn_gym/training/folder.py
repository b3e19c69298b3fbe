"""The folder of a training: whose it is, and the model in it."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

import atn_gym
from atn_gym.agents.algorithms import normalisation_of
from atn_gym.agents.model_card import ModelCard
from atn_gym.errors import InvalidArgument
from atn_gym.eval.storage.provenance import package_version
from atn_gym.files import StoreError, Unreadable, read_mapping, sync, write_atomically
from atn_gym.training.checkpoint import checkpoints
from atn_gym.training.checksums import check_files, write_checksums
from atn_gym.training.config import TrainingConfig

_log = logging.getLogger(__name__)
_CONFIG = "config.yaml"
_MAY_CHANGE = {"eval_envs", "eval_seeds", "eval_freq", "checkpoint_freq"}
"""Keys without which the agent becomes the same."""

_PACKAGES = ("stable_baselines3", "sb3_contrib", "torch", "gymnasium", "numpy")
# What a training resumes from, and an agent does not need.
_LEFT_OUT = ("_last_obs", "_last_original_obs", "_last_episode_starts", "ep_info_buffer")


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Makes a folder, and keeps other processes from training in it.

    Raises:
        InvalidArgument: If another process is training in it.
        StoreError: If it cannot be made or written.
    """
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise InvalidArgument(
            f"another process is training in {folder}: wait for it, or choose another experiment "
            "name"
        ) from error
    except OSError as error:
        raise StoreError(
            f"results folder {folder} cannot be made or written ({error.strerror}): choose "
            "another one"
        ) from error
    try:
        yield
    finally:
        lock.release()


def check_owner(folder: Path, config: TrainingConfig) -> None:
    """Checks that what a folder holds is of the same training.

    Raises:
        InvalidArgument: If it holds checkpoints or a model of another one, or does not say of
            which.
    """
    if not checkpoints(folder / "checkpoints") and not (folder / "model.zip").is_file():
        return
    try:
        stored = read_mapping(folder / _CONFIG)
    except Unreadable as error:
        raise InvalidArgument(
            f"{folder} must say of which config its training is, but {error}: choose another "
            "experiment name or results folder, or delete it"
        ) from error
    values = _values(config)
    changed = sorted(
        key
        for key in (values.keys() | stored.keys()) - _MAY_CHANGE
        if values.get(key) != stored.get(key)
    )
    if changed:
        raise InvalidArgument(
            f"{folder} holds a training with other values of {', '.join(changed)}: choose "
            "another experiment name or results folder, or delete it"
        )


def store_config(folder: Path, config: TrainingConfig) -> None:
    """Writes the config, before the first checkpoint or with what may change in it."""
    if not checkpoints(folder / "checkpoints"):
        # Another config may have come so far and no further.
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    write_atomically(folder / _CONFIG, yaml.safe_dump(_values(config), sort_keys=False))


def _values(config: TrainingConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"results"})


def save_model(
    model: Any, config: TrainingConfig, path: Path, started_from: ModelCard | None = None
) -> None:
    """Saves a trained model, which the controller `rl` and `SB3Policy` take.

    Args:
        model: The algorithm.
        config: How it was trained.
        path: A file that ends in ".zip".
        started_from: The card of the agent that it started from.
    """
    temporary = path.with_name(f".{path.name}")
    model.save(temporary, exclude=_LEFT_OUT)
    params = config.envs[0].params()
    ModelCard(
        algorithm=config.algorithm,
        num_timesteps=model.num_timesteps,
        window=params.window,
        hyperparameters=list(params.make_space().names),
        normalisation=normalisation_of(model),
        config=config.model_dump(mode="json", exclude={"results"}),
        versions={"atn_gym": atn_gym.__version__, **{p: package_version(p) for p in _PACKAGES}},
        started_from=started_from,
    ).write(temporary)
    sync(temporary)
    temporary.replace(path)
    write_checksums(path.parent, [path.name])


def is_complete(path: Path) -> bool:
    """Whether a training has ended with a model file, which is whole; damage is logged."""
    if not path.exists():
        return False
    try:
        check_files(path.parent)
    except Unreadable as error:
        _log.warning("%s is damaged and made again: %s", path, error)
        return False
    return True
