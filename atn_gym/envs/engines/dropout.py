"""Dropout with factors that are drawn outside of the network, from a generator of each run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_OF_VALUES = (F.dropout, torch.dropout)
_OF_CHANNELS = (F.dropout1d, F.dropout2d, F.dropout3d, torch.feature_dropout)


class Dropout(NamedTuple):
    """A call of dropout.

    Args:
        shape: Shape of the factors, (B, ...).
        share: Probability of zero.
    """

    shape: tuple[int, ...]
    share: float

    def ones(self, rows: int, device: torch.device) -> Tensor:
        """Factors (rows, B, ...) that change nothing."""
        return torch.ones(rows, *self.shape, device=device)

    def draw(self, generators: Sequence[torch.Generator], rows: int) -> Tensor:
        """Draws factors as torch's engine does, one row from each generator.

        Args:
            generators: Generators on the CPU, at least one.
            rows: Number of rows; those without a generator repeat the last.

        Returns:
            Zeros and 1 / (1 - share), (rows, B, ...), on the CPU.
        """
        drawn = torch.zeros(rows, *self.shape)
        if self.share < 1:
            for row, generator in zip(drawn, generators, strict=False):
                row.bernoulli_(1 - self.share, generator=generator)
            drawn[len(generators) :] = drawn[len(generators) - 1]
            drawn /= 1 - self.share
        return drawn


def recorded_dropouts(model: nn.Module, inputs: Tensor) -> list[Dropout]:
    """The calls of dropout in the order in which a network makes them on a mini-batch."""
    found: list[Dropout] = []

    def record(dropout: Dropout) -> Tensor:
        found.append(dropout)
        return torch.ones(dropout.shape, device=inputs.device)

    with _Dropouts(record):
        model(inputs)
    return found


def given_factors(factors: Iterable[Tensor]) -> TorchFunctionMode:
    """A context in which each call of dropout multiplies by the next factors."""
    left = iter(factors)
    return _Dropouts(lambda _: next(left))


class _Dropouts(TorchFunctionMode):
    """Multiplies by factors of its own where a network calls dropout."""

    def __init__(self, factors: Callable[[Dropout], Tensor]) -> None:
        super().__init__()
        self._factors = factors

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        of_channels = func in _OF_CHANNELS
        if of_channels or func in _OF_VALUES:
            return self._multiplied(of_channels, *args, **kwargs)
        return func(*args, **kwargs)

    def _multiplied(
        self,
        of_channels: bool,
        input: Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
        *,
        train: bool = True,
    ) -> Tensor:
        if not (training and train and p):
            return input
        shape = tuple(input.shape)
        if of_channels:
            shape = (*shape[:2], *(1 for _ in shape[2:]))
        factors = self._factors(Dropout(shape, p))
        return input.mul_(factors) if inplace else input * factors
