"""Algorithms of Stable-Baselines3 by name, and the models that they saved."""

from __future__ import annotations

from typing import Any

import stable_baselines3

from atn_gym.agents.model_card import ALGORITHMS
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
    """Loads a model. A model file is a pickle: load none that you do not trust.

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
