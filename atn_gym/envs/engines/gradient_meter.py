"""Measures the steps of a torch optimizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from atn_gym.arrays import FloatArray
from atn_gym.envs.gradient_signals import epoch_signals


class GradientMeter:
    """Looks at gradients and weights before every step of an epoch.

    Args:
        parameters: What is trained.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._previous = flat(self._parameters)
        self._looks: list[Tensor] = []

    def look(self) -> None:
        """Takes in the gradients of a mini-batch, before the step."""
        weights = flat(self._parameters)
        gradients = (torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters)
        gradient = torch.cat([g.detach().flatten() for g in gradients]).to(weights.dtype)
        update = weights - self._previous
        products = (
            gradient.dot(gradient),
            -gradient.dot(update),
            update.dot(update),
            weights.dot(weights),
        )
        # Fetched once an epoch: a device is not waited for after every mini-batch.
        self._looks.append(torch.stack(products))
        self._previous = weights

    def signals(self, initial: Sequence[Tensor]) -> FloatArray:
        """The gradient signals of the epoch, after its last step.

        Args:
            initial: The initial parameters of the run.
        """
        self.look()
        looks = torch.stack(self._looks).double().cpu().numpy()
        return epoch_signals(looks, moved(self._parameters, initial))


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """A copy of tensors as one vector."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def moved(parameters: Sequence[Tensor], initial: Sequence[Tensor]) -> FloatArray:
    """Squared norms of how far parameters have moved, of the initial ones and of themselves, (3,).

    A parameter that has another shape than initially has moved from zeros.
    """
    begun = [v.shape == p.shape for p, v in zip(parameters, initial, strict=False)]
    begun += [False] * (len(parameters) - len(begun))
    origin = [initial[i] if begun[i] else torch.zeros_like(p) for i, p in enumerate(parameters)]
    weights, start, begin = (
        flat(part).double().cpu().numpy() for part in (parameters, origin, initial)
    )
    # Not by dot, whose rounding depends on the number of threads.
    with np.errstate(all="ignore"):
        return np.array([np.square(v).sum() for v in (weights - start, begin, weights)])
