"""Arguments of the algorithms, with the names that RL Baselines3 Zoo gives them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.utils import LinearSchedule
from torch import nn

from atn_gym.agents.algorithms import algorithm_class
from atn_gym.errors import InvalidArgument, check_number, did_you_mean, unknown_name

_LINEAR = "lin_"
_ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "leaky_relu": nn.LeakyReLU}
_GIVEN = frozenset(
    {
        "self",
        "policy",
        "env",
        "seed",
        "device",
        "verbose",
        "tensorboard_log",
        "_init_setup_model",
        "action_noise",
        "monitor_wrapper",
        "stats_window_size",
    }
)
"""Arguments that the training config has other keys for, or that training sets."""


def algorithm_arguments(
    algorithm: str, hyperparameters: Mapping[str, Any], action_size: int
) -> dict[str, Any]:
    """Arguments for the class of an algorithm.

    Args:
        algorithm: Its name.
        hyperparameters: Its arguments by name. A text "lin_x" is a schedule from x to 0;
            `policy_kwargs` is a mapping and may name its `activation_fn` ("tanh", "relu",
            "elu", "leaky_relu"); algorithms with `action_noise` take `noise_std` for normal
            noise, and `noise_type`, which must be "normal".
        action_size: Number of components of an action.

    Raises:
        InvalidArgument: If a name or a value is none that the algorithm knows.
    """
    known = inspect.signature(algorithm_class(algorithm).__init__).parameters
    names = [name for name in known if name not in _GIVEN]
    if "action_noise" in known:
        names += ["noise_type", "noise_std"]
    arguments: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        if name not in names:
            raise InvalidArgument(
                f"{algorithm} has no hyperparameter {name!r}; {did_you_mean(name, names)}"
            )
        if name == "noise_type":
            _check_noise(value, "noise_std" in hyperparameters)
        elif name == "noise_std":
            check_number(name, value, 0)
            arguments["action_noise"] = NormalActionNoise(
                np.zeros(action_size), np.full(action_size, float(value))
            )
        elif name == "policy_kwargs":
            arguments[name] = _policy_arguments(value)
        elif name == "train_freq" and isinstance(value, list):
            arguments[name] = tuple(value)
        else:
            _check_type(name, value, known[name].annotation)
            arguments[name] = _schedule(name, value)
    return arguments


def _check_noise(noise_type: Any, has_std: bool) -> None:
    if noise_type != "normal":
        # Stable-Baselines3 resets the state of other noise when a training resumes.
        raise InvalidArgument(
            f"noise_type must be 'normal', the only noise without a state, got {noise_type!r}"
        )
    if not has_std:
        raise InvalidArgument("noise_type 'normal' needs noise_std, the deviation of the noise")


def _check_type(name: str, value: Any, annotation: Any) -> None:
    """Checks a plain argument; algorithms look at some only after thousands of steps."""
    if annotation is float:
        check_number(name, value)
    elif annotation is int and type(value) is not int:
        raise InvalidArgument(f"{name} must be an integer, got {value!r}")
    elif annotation is bool and not isinstance(value, bool):
        raise InvalidArgument(f"{name} must be true or false, got {value!r}")


def _policy_arguments(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidArgument(f"policy_kwargs must be a mapping, got {value!r}")
    arguments = dict(value)
    activation = arguments.get("activation_fn")
    if activation is not None:
        if activation not in _ACTIVATIONS:
            raise unknown_name("activation_fn", activation, _ACTIVATIONS)
        arguments["activation_fn"] = _ACTIVATIONS[activation]
    return arguments


def _schedule(name: str, value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_LINEAR):
        return value
    try:
        start = float(value.removeprefix(_LINEAR))
    except ValueError as error:
        raise InvalidArgument(
            f"{name} must be a number or a schedule such as 'lin_3e-4', got {value!r}"
        ) from error
    return LinearSchedule(start, 0.0, 1.0)
