"""Measures gradient signals in anyone's training loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, optim

from atn_gym.envs.engines.gradient_meter import GradientMeter, moved
from atn_gym.envs.gradient_signals import GRADIENT_SIGNALS, GradientSignals


class SignalMeter:
    """Measures the gradient signals of an epoch at every step of a torch optimizer.

    It looks at gradients and weights before each `optimizer.step()`, and holds two copies of the
    weights. `epoch` gives what `HyperparameterScheduler.step` takes as `signals`.

    Args:
        optimizer: The optimizer, before the first step of the epoch.
        initial: The initial parameters in the order of the groups, if training resumes: the
            attribute `initial` of the first meter. The present ones if None.

    Example:
        >>> import torch
        >>> network = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        >>> meter = SignalMeter(optimizer)
        >>> for _ in range(3):
        ...     optimizer.zero_grad()
        ...     network(torch.ones(4, 2)).square().mean().backward()
        ...     optimizer.step()
        >>> meter.epoch().steps
        3
    """

    def __init__(self, optimizer: optim.Optimizer, initial: Sequence[Tensor] | None = None) -> None:
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        found = self._parameters if initial is None else initial
        self.initial = [parameter.detach().clone() for parameter in found]
        """The parameters with which the run began."""
        self._begin()
        optimizer.register_step_pre_hook(self._look)

    def _begin(self) -> None:
        self._meter, self._steps = GradientMeter(self._parameters), 0

    def _look(self, *_: Any) -> None:
        self._meter.look()
        self._steps += 1

    def epoch(self) -> GradientSignals:
        """The signals since the last call, or since the meter was made; a new epoch begins."""
        if not self._steps:
            return initial_signals(self._parameters)
        values = self._meter.signals(self.initial).tolist()
        signals = GradientSignals(
            **dict(zip(GRADIENT_SIGNALS, values, strict=True)), steps=self._steps
        )
        self._begin()
        return signals


def initial_signals(parameters: Sequence[Tensor]) -> GradientSignals:
    """The signals before the first step."""
    norm = float(np.sqrt(moved(parameters, parameters)[2]))
    return GradientSignals(0.0, 0.0, 0.0, 0.0, norm, 0)
