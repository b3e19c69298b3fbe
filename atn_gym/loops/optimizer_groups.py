"""The groups of a user's torch optimizer, read and written as hyperparameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, optim

from atn_gym.arrays import FloatArray
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument


class OptimizerGroups:
    """Reads the first group of an optimizer and writes to all of them.

    Args:
        optimizer: Any optimizer whose groups hold lr.

    Raises:
        InvalidArgument: If a group has no lr, or groups differ in momentum.
    """

    def __init__(self, optimizer: optim.Optimizer) -> None:
        if not isinstance(optimizer, optim.Optimizer):
            raise InvalidArgument(
                f"optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__}"
            )
        self._optimizer = optimizer
        first = [_read(group) for group in optimizer.param_groups]
        if any("learning_rate" not in values for values in first):
            raise InvalidArgument(
                f"every group of the optimizer must hold lr, but {type(optimizer).__name__} has "
                "one without"
            )
        if len({values.get("momentum") for values in first}) > 1:
            raise InvalidArgument(
                "the groups of the optimizer must have the same momentum, got "
                f"{[values.get('momentum') for values in first]}"
            )
        self._ratios: list[dict[str, float]] = [
            {
                name: values[name] / first[0][name] if first[0][name] else 0.0
                for name in ("learning_rate", "weight_decay")
                if name in values and name in first[0]
            }
            for values in first
        ]

    def controllable(self) -> list[str]:
        """Names of the hyperparameters that the first group has, but for a weight decay of 0."""
        values = _read(self._optimizer.param_groups[0])
        return [name for name, value in values.items() if name != "weight_decay" or value > 0]

    def read(self, space: HyperparameterSpace) -> FloatArray:
        """The values of the first group.

        Raises:
            InvalidArgument: If it lacks one, or holds one that is out of bounds.
        """
        values = _read(self._optimizer.param_groups[0])
        for name in space.names:
            if name not in values:
                raise InvalidArgument(
                    f"{type(self._optimizer).__name__} has no {name}: leave it out of "
                    "hyperparameters"
                )
            low, high = space.bounds_of(name)
            if not low <= values[name] <= high:
                raise InvalidArgument(
                    f"the optimizer's {name} must be in [{low:g}, {high:g}], got "
                    f"{values[name]:g}: change it, give other bounds, or leave {name} out of "
                    "hyperparameters"
                )
        return np.array([values[name] for name in space.names])

    def write(self, values: dict[str, float]) -> None:
        """Sets hyperparameters by name in all groups."""
        for group, ratios in zip(self._optimizer.param_groups, self._ratios, strict=True):
            for name, value in values.items():
                _write(group, name, value * ratios.get(name, 1.0))


def _read(group: dict[str, Any]) -> dict[str, float]:
    values = {}
    if "lr" in group:
        values["learning_rate"] = float(group["lr"])
    if "betas" in group or "momentum" in group:
        values["momentum"] = float(group["betas"][0] if "betas" in group else group["momentum"])
    if "weight_decay" in group:
        values["weight_decay"] = float(group["weight_decay"])
    return values


def _write(group: dict[str, Any], name: str, value: float) -> None:
    if name == "momentum" and "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
        return
    key = "lr" if name == "learning_rate" else name
    if isinstance(group[key], Tensor):
        group[key].fill_(value)
    else:
        group[key] = value
