"""The built-in network, and how a network gets its initial weights."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atn_gym.envs.torch_settings import global_generator_seeded


class SmallCnn(nn.Module):
    """A network that is small on purpose, to isolate control from capacity.

    conv 3x3 - ReLU - max-pool 2 - conv 3x3 - ReLU - max-pool 2 - linear - ReLU - linear,
    initialised by PyTorch's defaults.

    Args:
        input_shape: Channels, height and width of a sample; height and width at least 4.
        num_classes: Number of outputs.
        channels: Output channels of the two convolutions.
        hidden: Width of the hidden linear layer.
        generator: Source of the initial weights; torch's global generator if None.
    """

    channels_last = True

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        num_classes: int,
        channels: Sequence[int] = (8, 16),
        hidden: int = 64,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        depth, height, width = input_shape
        first, second = channels
        size = second * (height // 4) * (width // 4)
        self.conv1 = _Conv2d(depth, first, kernel_size=3, padding=1)
        self.conv2 = _Conv2d(first, second, kernel_size=3, padding=1)
        self.linear1 = _Linear(size, hidden)
        self.linear2 = _Linear(hidden, num_classes)
        for layer in (self.conv1, self.conv2, self.linear1, self.linear2):
            _initialise(layer, generator)

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps inputs (N, C, H, W) to logits (N, num_classes)."""
        features = F.max_pool2d(F.relu(self.conv1(inputs)), 2)
        features = F.max_pool2d(F.relu(self.conv2(features)), 2)
        logits: Tensor = self.linear2(F.relu(self.linear1(features.flatten(1))))
        return logits


class _Conv2d(nn.Conv2d):
    """A convolution that draws no weights when it is made."""

    def reset_parameters(self) -> None:
        """Leaves them to the network."""


class _Linear(nn.Linear):
    """A linear layer that draws no weights when it is made."""

    def reset_parameters(self) -> None:
        """Leaves them to the network."""


def _initialise(layer: nn.Conv2d | nn.Linear, generator: torch.Generator | None) -> None:
    """Draws the parameters of a layer as its `reset_parameters` does, but from a generator."""
    assert layer.bias is not None
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    bound = 1 / math.sqrt(layer.weight[0].numel())
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def make_network(
    network: Callable[..., nn.Module],
    input_shape: tuple[int, int, int],
    num_classes: int,
    kwargs: Mapping[str, Any],
    seed: int,
) -> nn.Module:
    """Makes a network whose initial weights are drawn from a seed, on the CPU.

    Args:
        network: See `Task`.
        input_shape: Channels, height and width of a sample.
        num_classes: Number of outputs.
        kwargs: Further arguments of the network.
        seed: Seed of the weights.
    """
    if "generator" in inspect.signature(network).parameters:
        generator = torch.Generator().manual_seed(seed)
        return network(input_shape, num_classes, **kwargs, generator=generator)
    with global_generator_seeded(seed):
        return network(input_shape, num_classes, **kwargs)
