"""SGD that descends on its own learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn, optim

_LARGEST = 1e4
"""Largest scale, and the inverse of the least."""


class HypergradientSGD(optim.Optimizer):
    """SGD with momentum whose learning rate follows the alignment of successive directions.

    With g_t the gradient (weight decay included), u_t = momentum u_{t-1} + g_t and s_0 = 1,

        s_t = s_{t-1} (1 + beta <g_t, u_{t-1}> / (|g_t| |u_{t-1}|)),
        p_t = p_{t-1} - lr s_t u_t.

    Args:
        parameters: What it updates.
        lr: Learning rate that s multiplies.
        momentum: Share of the direction before that remains.
        weight_decay: Added to the gradient, times the parameter.
        beta: Relative change of the scale where both point the same way.

    Source:
        A. G. Baydin et al., Online Learning Rate Adaptation with Hypergradient Descent, ICLR 2018:
        the multiplicative rule, with momentum.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        beta: float = 0.02,
    ) -> None:
        # In a group, so that states of the optimizer hold it.
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "scale": 1.0}
        super().__init__(parameters, {**defaults, "beta": beta})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Updates the scale, then the parameters."""
        for group in self.param_groups:
            used: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if not used:
                continue
            decay = group["weight_decay"]
            gradients = [p.grad.add(p, alpha=decay) for p in used if p.grad is not None]
            for p in used:
                if "direction" not in self.state[p]:
                    self.state[p]["direction"] = torch.zeros_like(p)
            directions = [self.state[p]["direction"] for p in used]
            products = (g.mul(u).sum() for g, u in zip(gradients, directions, strict=True))
            product = torch.stack(list(products)).sum().item()
            norms = (torch.nn.utils.get_total_norm(part).item() for part in (gradients, directions))
            size = math.prod(norms)
            if size > 0:
                scale = group["scale"] * (1 + group["beta"] * product / size)
                group["scale"] = min(max(scale, 1 / _LARGEST), _LARGEST)
            torch._foreach_mul_(directions, group["momentum"])
            torch._foreach_add_(directions, gradients)
            torch._foreach_add_(used, directions, alpha=-group["lr"] * group["scale"])
