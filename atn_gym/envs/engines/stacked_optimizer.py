"""SGD and AdamW over the weights of many runs, each with its hyperparameters."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from atn_gym.envs.engines.tracing import scripting


class StackedOptimizer(Protocol):
    """Updates the weights of n runs."""

    def step(self, weights: Tensor, gradient: Tensor) -> None:
        """Updates weights (n, P) in place by their gradient (n, P), which may be overwritten."""


def stacked_optimizer(
    groups: Sequence[Mapping[str, Any]], buffers: Sequence[Tensor], steps: Sequence[int]
) -> StackedOptimizer:
    """Makes the optimizer of n runs.

    Args:
        groups: The only group of each run's optimizer, of torch's SGD or AdamW.
        buffers: State of the runs, (n, P) each, updated in place: momentum of SGD, or mean and
            mean square of AdamW.
        steps: Steps that the state of each run holds.
    """
    if len(buffers) == 1:
        return _Sgd(groups, buffers, steps)
    on_cpu = buffers[0].device.type == "cpu"
    return (_FusedAdamW if on_cpu else _AdamW)(groups, buffers, steps)


class _Sgd:
    """p -= rate * v with v = momentum * v + gradient + decay * p, as torch.optim.SGD."""

    def __init__(
        self, groups: Sequence[Mapping[str, Any]], buffers: Sequence[Tensor], steps: Sequence[int]
    ) -> None:
        (self._velocity,) = buffers
        column = functools.partial(_column, stack=self._velocity)
        self._rate = column([-group["lr"] for group in groups])
        self._momentum = column([group["momentum"] for group in groups])
        self._decay = column([group["weight_decay"] for group in groups])

    def step(self, weights: Tensor, gradient: Tensor) -> None:
        """Updates weights and velocity."""
        gradient.addcmul_(weights, self._decay)
        self._velocity.mul_(self._momentum).add_(gradient)
        weights.addcmul_(self._velocity, self._rate)


class _AdamW:
    """Algorithm 2 of Loshchilov and Hutter (2019), as torch.optim.AdamW."""

    def __init__(
        self, groups: Sequence[Mapping[str, Any]], buffers: Sequence[Tensor], steps: Sequence[int]
    ) -> None:
        self._mean, self._square = buffers
        column = functools.partial(_column, stack=self._mean)
        exact = functools.partial(column, dtype=torch.float64)
        self._rate = exact([-group["lr"] for group in groups])
        self._betas = [exact([group["betas"][i] for group in groups]) for i in range(2)]
        self._ages = exact(steps)
        self._decay = column([-g["lr"] * g["weight_decay"] for g in groups])
        self._first, self._rest = (
            column([1 - group["betas"][i] for group in groups]) for i in range(2)
        )
        self._epsilon = column([group["eps"] for group in groups])

    def step(self, weights: Tensor, gradient: Tensor) -> None:
        """Updates weights, means and mean squares."""
        # On the device, for what comes from the host is waited for in every step.
        self._ages += 1
        left = [1 - beta**self._ages for beta in self._betas]
        rate = (self._rate / left[0]).to(weights.dtype)
        root = left[1].rsqrt().to(weights.dtype)
        # Each line goes over the whole stack once, which is what takes the time.
        weights.addcmul_(weights, self._decay)
        self._mean.lerp_(gradient, self._first)
        self._square.lerp_(gradient.mul_(gradient), self._rest)
        torch.sqrt(self._square, out=gradient)
        torch.addcmul(self._epsilon, gradient, root, out=gradient)
        weights.addcmul_(torch.div(self._mean, gradient, out=gradient), rate)


class _FusedAdamW:
    """The same run by run, each in one pass over its row: on a CPU, where passes take the time."""

    def __init__(
        self, groups: Sequence[Mapping[str, Any]], buffers: Sequence[Tensor], steps: Sequence[int]
    ) -> None:
        self._ages = torch.tensor(steps, dtype=torch.float32)
        self._state = [[[part] for part in row] for row in zip(*buffers, self._ages, strict=True)]
        settings = [
            (g["lr"], g["betas"][0], g["betas"][1], g["weight_decay"], g["eps"]) for g in groups
        ]
        self._settings = [list(map(float, column)) for column in zip(*settings, strict=True)]
        self._update = _scripted_update()

    def step(self, weights: Tensor, gradient: Tensor) -> None:
        """Updates weights, means and mean squares."""
        self._ages += 1
        self._update(weights, gradient, self._state, *self._settings)


@functools.cache
def _scripted_update() -> Any:
    """The update of all rows, which runs without Python: threads do not wait for each other."""
    with scripting():
        return torch.jit.script(_update)


def _update(
    weights: Tensor,
    gradient: Tensor,
    state: list[list[list[Tensor]]],
    rates: list[float],
    firsts: list[float],
    seconds: list[float],
    decays: list[float],
    epsilons: list[float],
) -> None:
    # Lists from outside, for torch leaves out what changes lists that nothing else can see.
    for i, (mean, square, age) in enumerate(state):
        torch._fused_adamw_(
            [weights[i]],
            [gradient[i]],
            mean,
            square,
            [],
            age,
            lr=rates[i],
            beta1=firsts[i],
            beta2=seconds[i],
            weight_decay=decays[i],
            eps=epsilons[i],
            amsgrad=False,
            maximize=False,
        )


def _column(values: Sequence[float], stack: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Values of n runs as a column (n, 1) beside a stack."""
    return torch.tensor(values, dtype=torch.float64).to(stack.device, dtype)[:, None]
