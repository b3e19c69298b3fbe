"""Model files: the model with the card that says how it must be used."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from stable_baselines3.common.vec_env import VecNormalize, unwrap_vec_normalize

import atn_gym
from atn_gym.agents.model_card import ModelCard, Normalisation
from atn_gym.training.config import TrainingConfig

_PACKAGES = ("stable_baselines3", "sb3_contrib", "torch", "gymnasium", "numpy")
# What a training goes on from, and an agent has no use for.
_LEFT_OUT = ("_last_obs", "_last_original_obs", "_last_episode_starts", "ep_info_buffer")


def save_model(model: Any, config: TrainingConfig, path: Path) -> None:
    """Saves a trained model, which the controller `rl` and `Rl` take.

    Args:
        model: The algorithm.
        config: How it was trained.
        path: A file that ends in ".zip".
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
        versions={"atn_gym": atn_gym.__version__, **{p: _version(p) for p in _PACKAGES}},
    ).write(temporary)
    temporary.replace(path)


def normalisation_of(model: Any) -> Normalisation | None:
    """How the env of a model normalises observations; None if it does not."""
    wrapper: VecNormalize | None = unwrap_vec_normalize(model.env)
    if wrapper is None:
        return None
    statistics: Any = wrapper.obs_rms
    return Normalisation(
        mean=statistics.mean.tolist(),
        variance=statistics.var.tolist(),
        epsilon=wrapper.epsilon,
        clip=wrapper.clip_obs,
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
