"""Algorithms of Stable-Baselines3 by name, the models that they saved, and their normalisation."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import stable_baselines3
from stable_baselines3.common.vec_env import VecNormalize

from atn_gym.agents.model_card import ALGORITHMS, Normalisation
from atn_gym.errors import DependencyUnavailable, InvalidArgument, one_line, unknown_name


def algorithm_class(name: str) -> Any:
    """The class of an algorithm.

    Args:
        name: One of `atn_gym.agents.model_card.ALGORITHMS`.

    Raises:
        InvalidArgument: If there is none of that name.
        DependencyUnavailable: If it is one of sb3-contrib, and that is not installed.
    """
    if name not in ALGORITHMS:
        raise unknown_name("algorithm", name, ALGORITHMS)
    if hasattr(stable_baselines3, name):
        return getattr(stable_baselines3, name)
    try:
        import sb3_contrib
    except ImportError as error:
        raise DependencyUnavailable(
            f"{name} needs sb3-contrib ({error}): pip install 'atn_gym[contrib]'"
        ) from error
    return getattr(sb3_contrib, name)


def load_model(algorithm: str, path: str, **kwargs: Any) -> Any:
    """Loads a model. A model file is a pickle: load only those that you trust.

    Args:
        algorithm: Name of its class.
        path: The file.
        **kwargs: Further arguments of the `load` of the class.

    Raises:
        InvalidArgument: If the file does not hold such a model.
        DependencyUnavailable: If the algorithm's library is not installed.
    """
    found = algorithm_class(algorithm)
    try:
        return found.load(path, device="cpu", **kwargs)
    except Exception as error:
        reason = one_line(error) or type(error).__name__
        raise InvalidArgument(
            f"{path} must be a {algorithm} model that Stable-Baselines3 saved, but it does not "
            f"load ({reason})"
        ) from error


def normalisation_of(model: Any) -> Normalisation | None:
    """How the env of a model normalises observations; None if it does not."""
    wrapper = model.get_vec_normalize_env()
    return None if wrapper is None else _statistics(wrapper)


def read_normalisation(path: Path) -> Normalisation | None:
    """Reads the file that the `save` of a `VecNormalize` wrote: a pickle, as a model file is.

    Returns:
        How it normalises observations; None if it normalises rewards only.

    Raises:
        InvalidArgument: If the file does not hold a `VecNormalize` of flat observations.
    """
    try:
        wrapper = pickle.loads(path.read_bytes())
        if not isinstance(wrapper, VecNormalize):
            raise TypeError(f"it holds a {type(wrapper).__name__}")
        return _statistics(wrapper)
    except Exception as error:
        raise InvalidArgument(
            f"normalize must be a file that VecNormalize of Stable-Baselines3 saved, but {path} "
            f"does not load ({one_line(error) or type(error).__name__})"
        ) from error


def _statistics(wrapper: VecNormalize) -> Normalisation | None:
    if not wrapper.norm_obs:
        return None
    statistics: Any = wrapper.obs_rms
    if isinstance(statistics, dict):
        raise InvalidArgument("it normalises Dict observations, and flat ones are required")
    return Normalisation(
        mean=statistics.mean.tolist(),
        variance=statistics.var.tolist(),
        epsilon=wrapper.epsilon,
        clip=wrapper.clip_obs,
    )
