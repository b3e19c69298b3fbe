"""The built-in network."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class SmallCnn(nn.Module):
    """A network that is small on purpose, to isolate control from capacity.

    conv 3x3 - ReLU - max-pool 2 - conv 3x3 - ReLU - max-pool 2 - linear - ReLU - linear,
    initialised by PyTorch's defaults.

    Args:
        input_shape: Channels, height and width of a sample; height and width at least 4.
        num_classes: Number of outputs.
        channels: Output channels of the two convolutions.
        hidden: Width of the hidden linear layer.
    """

    channels_last = True

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        num_classes: int,
        channels: Sequence[int] = (8, 16),
        hidden: int = 64,
    ) -> None:
        super().__init__()
        depth, height, width = input_shape
        first, second = channels
        self.conv1 = nn.Conv2d(depth, first, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(first, second, kernel_size=3, padding=1)
        self.linear1 = nn.Linear(second * (height // 4) * (width // 4), hidden)
        self.linear2 = nn.Linear(hidden, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps inputs (N, C, H, W) to logits (N, num_classes)."""
        features = F.max_pool2d(F.relu(self.conv1(inputs)), 2)
        features = F.max_pool2d(F.relu(self.conv2(features)), 2)
        logits: Tensor = self.linear2(F.relu(self.linear1(features.flatten(1))))
        return logits
