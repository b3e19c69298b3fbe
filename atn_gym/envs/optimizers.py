"""The three hyperparameters as they stand in the groups of a torch optimizer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from torch import nn, optim

from atn_gym.envs.hypergradient import HypergradientSGD
from atn_gym.errors import InvalidArgument, shown, unknown_name

_NOMINAL = "nominal_hyperparameters"
_GAIN = "learning_rate_gain"
_MAX_MOMENTUM = 0.999
"""The largest momentum that takes effect."""


class _WithoutCompiler(optim.Optimizer):
    """Takes its parameters without loading torch's compiler, which nothing here uses.

    Torch wraps the method so that the compiler leaves it alone, and loads the compiler for
    that: about a second, and 70 MB.
    """

    add_param_group = inspect.unwrap(optim.Optimizer.add_param_group)


_CLASSES: dict[str, tuple[type[optim.Optimizer], dict[str, Any]]] = {
    "sgd": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "fused": True}),
    "adamw": (optim.AdamW, {"fused": True}),
    "nadamw": (optim.NAdam, {"decoupled_weight_decay": True, "foreach": True}),
    "hypergradient_sgd": (HypergradientSGD, {}),
}
_EXTRA = ("schedule_free_sgd", "schedule_free_adamw", "prodigy", "dadapt_sgd")
OPTIMIZERS = (*_CLASSES, *_EXTRA)
"""Optimizers by name: those of torch and of this package, then those of the extra `optimizers`."""


@functools.cache
def check_optimizer(name: str) -> Callable[[Iterable[nn.Parameter]], optim.Optimizer]:
    """Checks that there is an optimizer of a name.

    Returns:
        What makes it.

    Raises:
        InvalidArgument: If there is none.
        DependencyUnavailable: If its package does not import.
    """
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    if name in _CLASSES:
        found, arguments = _CLASSES[name]
    else:
        from atn_gym.envs.extra_optimizers import EXTRA_OPTIMIZERS

        found, arguments = EXTRA_OPTIMIZERS[name], {}
    made = type(found.__name__, (_WithoutCompiler, found), {})
    return functools.partial(made, **arguments)


def make_optimizer(
    optimizer: str | Callable[..., optim.Optimizer],
    parameters: Iterable[nn.Parameter],
    hyperparameters: Mapping[str, float],
) -> optim.Optimizer:
    """Makes the optimizer of a run.

    Args:
        optimizer: A name in `OPTIMIZERS`, or a function from parameters to an optimizer.
        parameters: What it updates.
        hyperparameters: learning_rate, momentum and weight_decay.

    Raises:
        InvalidArgument: If it is none, or its groups lack lr, weight_decay, or both momentum and
            betas.
    """
    make = check_optimizer(optimizer) if isinstance(optimizer, str) else optimizer
    made: Any = make(parameters)
    if not isinstance(made, optim.Optimizer):
        raise InvalidArgument(
            f"optimizer must return a torch.optim.Optimizer, got {shown(made)} from {shown(make)}"
        )
    for group in made.param_groups:
        if not {"lr", "weight_decay"} <= group.keys() or not {"momentum", "betas"} & group.keys():
            raise InvalidArgument(
                "an optimizer must have groups with lr, weight_decay, and momentum or betas, "
                f"got {type(made).__name__} with {', '.join(k for k in group if k != 'params')}"
            )
    set_nominal_hyperparameters(made, hyperparameters)
    return made


def switch_optimizer(optimizer: optim.Optimizer, mode: str) -> None:
    """Calls `train()` or `eval()` of an optimizer that has these, as schedule-free ones have.

    In evaluation the parameters are those that the method returns, in training those at which it
    takes gradients. Between epochs it is in evaluation, where its momentum may change.
    """
    switch = getattr(optimizer, mode, None)
    if switch is not None:
        switch()


def set_nominal_hyperparameters(
    optimizer: optim.Optimizer, hyperparameters: Mapping[str, float], gain: float = 0.0
) -> None:
    """Sets what the controller chose, and makes it effective.

    Args:
        optimizer: The optimizer of a run.
        hyperparameters: learning_rate, momentum and weight_decay in plain units.
        gain: Decades by which every effective learning rate exceeds the one that is set.
    """
    for group in optimizer.param_groups:
        group[_NOMINAL] = dict(hyperparameters)
        group[_GAIN] = gain_factor(gain)
    set_effective_hyperparameters(optimizer, hyperparameters)


def gain_factor(gain: float) -> float:
    """Factor of a gain in decades: a power of Python's, for those of numpy round otherwise."""
    return float(10**gain)


def as_effective(learning_rate: Any, momentum: Any, factor: Any) -> tuple[Any, Any]:
    """Effective learning rate and momentum of nominal ones: numbers, or arrays over runs."""
    return learning_rate * factor, np.minimum(momentum, _MAX_MOMENTUM)


def nominal_hyperparameters(optimizer: optim.Optimizer) -> dict[str, float]:
    """What the controller chose: learning_rate, momentum and weight_decay."""
    return dict(optimizer.param_groups[0][_NOMINAL])


def set_effective_hyperparameters(
    optimizer: optim.Optimizer, hyperparameters: Mapping[str, float]
) -> None:
    """Sets what the optimizer works with until the nominal values are set again.

    Args:
        optimizer: The optimizer of a run.
        hyperparameters: learning_rate, momentum (at most 0.999 takes effect, and at least
            0.001 where the optimizer switches between training and evaluation) and
            weight_decay in plain units. The gain of the run multiplies the learning rate.
    """
    nominal = hyperparameters["learning_rate"], hyperparameters["momentum"]
    rate, momentum = map(float, as_effective(*nominal, optimizer.param_groups[0][_GAIN]))
    if hasattr(optimizer, "eval"):
        # Schedule-free optimizers divide by it.
        momentum = max(momentum, 1 - _MAX_MOMENTUM)
    for group in optimizer.param_groups:
        group["lr"] = rate
        group["weight_decay"] = hyperparameters["weight_decay"]
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


def effective_hyperparameters(optimizer: optim.Optimizer) -> dict[str, Any]:
    """What the optimizer works with: learning_rate, momentum and weight_decay."""
    group = optimizer.param_groups[0]
    return {
        "learning_rate": group["lr"],
        "momentum": group["betas"][0] if "betas" in group else group["momentum"],
        "weight_decay": group["weight_decay"],
    }
