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
    weights. A `HyperparameterScheduler` makes one where its controller observes such signals.

    Args:
        optimizer: The optimizer, before the first step of the run.

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

    def __init__(self, optimizer: optim.Optimizer) -> None:
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.initial = [parameter.detach().clone() for parameter in self._parameters]
        """The parameters with which the run began, in the order of the groups."""
        self._steps = 0
        optimizer.register_step_pre_hook(self._before_step)

    def _before_step(
        self, optimizer: optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Looks now, or once the closure that is handed to the step has found the gradients."""
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self._look()
            return None

        def and_look() -> Any:
            loss = closure()
            self._look()
            return loss

        return args[:1], {**kwargs, "closure": and_look}

    def _look(self) -> None:
        if not self._steps:
            self._meter = GradientMeter(self._parameters)
        self._meter.look()
        self._steps += 1

    def resume(self, initial: Sequence[Tensor]) -> None:
        """Measures distances from the parameters with which an interrupted run began."""
        pairs = zip(initial, self._parameters, strict=True)
        self.initial = [begun.detach().to(now.device).clone() for begun, now in pairs]
        self._steps = 0

    def epoch(self) -> GradientSignals:
        """The signals since the last call, or since the meter was made; a new epoch begins."""
        if not self._steps:
            # Nothing has moved since: only the norm of the weights is not 0.
            norm = float(np.sqrt(moved(self._parameters, self._parameters)[2]))
            return GradientSignals(0.0, 0.0, 0.0, 0.0, norm, 0)
        values = self._meter.signals(self.initial).tolist()
        signals = GradientSignals(
            **dict(zip(GRADIENT_SIGNALS, values, strict=True)), steps=self._steps
        )
        self._steps = 0
        return signals
