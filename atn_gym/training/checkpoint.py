"""Checkpoints of a training: all that it needs to resume as if it had never stopped.

A checkpoint is a folder named by its number of steps, with the model, the replay buffer if
there is one, `state.pickle`: runs, statistics of the wrappers and random generators, and the
checksums of these files.
"""

from __future__ import annotations

import logging
import pickle
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from atn_gym.agents.algorithms import load_model
from atn_gym.files import Unreadable, sync
from atn_gym.training.checksums import check_files, write_checksums
from atn_gym.training.envs import ShuffledSignals

_log = logging.getLogger(__name__)
_KEPT = 2
_MODEL, _BUFFER, _STATE = "model.zip", "replay_buffer.pkl", "state.pickle"
_WRAPPER_STATE = {
    VecNormalize: ("obs_rms", "ret_rms", "returns", "old_obs", "old_reward"),
    VecMonitor: ("episode_returns", "episode_lengths", "episode_count"),
    ShuffledSignals: ("generator",),
}
"""What changes in a wrapper while it is used."""
_LOGGED = ("name_to_value", "name_to_count", "name_to_excluded")
"""What a logger holds for its next row."""
Logged = dict[str, dict[str, Any]]


def save_checkpoint(model: Any, folder: Path) -> None:
    """Saves a training between two rollouts, and drops all but the newest checkpoints.

    Args:
        model: The algorithm with its env.
        folder: Of the checkpoints of this training.
    """
    temporary = folder / ".writing"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    files = [_MODEL, _STATE]
    model.save(temporary / _MODEL)
    if isinstance(model, OffPolicyAlgorithm):
        files.append(_BUFFER)
        model.save_replay_buffer(temporary / _BUFFER)
    state = {
        "random": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - the generator of Stable-Baselines3
        "torch": torch.get_rng_state(),
        "actions": model.action_space.np_random.bit_generator.state,
        # What a model saves of itself, its own set-up overwrites when it is loaded.
        "recurrent": getattr(model, "_last_lstm_states", None),
        "env": _env_state(model.env),
        "logged": {name: dict(getattr(model.logger, name)) for name in _LOGGED},
    }
    (temporary / _STATE).write_bytes(pickle.dumps(state))
    write_checksums(temporary, files)
    temporary.rename(folder / f"{model.num_timesteps:012d}")
    sync(folder)
    for old in checkpoints(folder)[:-_KEPT]:
        shutil.rmtree(old)


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def newest_whole(folder: Path) -> Path | None:
    """The newest checkpoint whose files are whole; None if there is none.

    Damaged ones are named in the log, and renamed, so that they no longer count.

    Args:
        folder: Of the checkpoints of a training.
    """
    for checkpoint in reversed(checkpoints(folder)):
        try:
            check_files(checkpoint)
        except Unreadable as error:
            aside = folder / f"damaged-{checkpoint.name}"
            _log.warning(
                "checkpoint %s is damaged (%s): it is renamed to %s, and training resumes from "
                "the one before",
                checkpoint,
                error,
                aside.name,
            )
            shutil.rmtree(aside, ignore_errors=True)
            checkpoint.rename(aside)
        else:
            return checkpoint
    return None


def load_checkpoint(algorithm: str, checkpoint: Path, env: VecEnv) -> tuple[Any, Logged]:
    """Goes back to a checkpoint. It holds pickles: load only those that you trust.

    Args:
        algorithm: Name of the class of the model.
        checkpoint: Its folder, which `newest_whole` has checked.
        env: A fresh env, made as that of the checkpoint was.

    Returns:
        The model, which resumes by `learn(..., reset_num_timesteps=False)`, and what its logger
        held, for `restore_logged`.
    """
    # Loading seeds the env and all generators; their states are set after it.
    model = load_model(algorithm, str(checkpoint / _MODEL), env=env, force_reset=False)
    if isinstance(model, OffPolicyAlgorithm):
        model.load_replay_buffer(checkpoint / _BUFFER, truncate_last_traj=False)
    state = pickle.loads((checkpoint / _STATE).read_bytes())
    _set_env_state(model.env, state["env"])
    if state["recurrent"] is not None:
        model._last_lstm_states = state["recurrent"]
    model.action_space.np_random.bit_generator.state = state["actions"]
    random.setstate(state["random"])
    np.random.set_state(state["numpy"])  # noqa: NPY002 - the generator of Stable-Baselines3
    torch.set_rng_state(state["torch"])
    return model, state["logged"]


def restore_logged(logger: Logger, logged: Logged) -> None:
    """Has the next row of a logger hold what was recorded before a checkpoint."""
    for name, values in logged.items():
        getattr(logger, name).update(values)


def _env_state(env: Any) -> list[Any]:
    """States of all wrappers, the outermost first, and of the runs."""
    if not isinstance(env, VecEnvWrapper):
        return [env.get_state()]
    names = _WRAPPER_STATE[type(env)]
    return [{name: getattr(env, name) for name in names}, *_env_state(env.venv)]


def _set_env_state(env: Any, states: list[Any]) -> None:
    if not isinstance(env, VecEnvWrapper):
        env.set_state(states[0])
        return
    for name, value in states[0].items():
        setattr(env, name, value)
    _set_env_state(env.venv, states[1:])
