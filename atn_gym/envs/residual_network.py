"""A small residual network, normalised within each sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualNetwork(nn.Module):
    """A convolution, residual blocks, and a linear layer on the mean over all positions.

    conv 3x3 - block - block with stride 2 - ... - group norm - ReLU - mean - linear. A block adds
    norm - ReLU - conv 3x3 - norm - ReLU - conv 3x3 to its input. Every norm is a group norm, which
    keeps no running statistics: what a sample gives does not depend on the others. The first
    convolution of a block has no scale that matters, so that weight decay sets how fast it turns.

    Args:
        input_shape: Channels, height and width of a sample.
        num_classes: Number of outputs.
        channels: Channels of each block, a multiple of `groups` that is at least that of the
            block before; each block but the first halves height and width.
        groups: Groups of channels that are normalised together.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        num_classes: int,
        channels: Sequence[int] = (8, 16),
        groups: int = 4,
    ) -> None:
        super().__init__()
        widths = [channels[0], *channels]
        self.stem = nn.Conv2d(input_shape[0], widths[0], 3, padding=1, bias=False)
        self.blocks = nn.Sequential(
            *(
                _Block(widths[i], widths[i + 1], groups, stride=2 if i else 1)
                for i in range(len(channels))
            )
        )
        self.norm = nn.GroupNorm(groups, widths[-1])
        self.output = nn.Linear(widths[-1], num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps inputs (N, C, H, W) to logits (N, num_classes)."""
        features = self.blocks(self.stem(inputs))
        logits: Tensor = self.output(F.relu(self.norm(features)).mean((2, 3)))
        return logits


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, groups: int, stride: int) -> None:
        super().__init__()
        self.stride, self.added = stride, outputs - inputs
        self.norm1 = nn.GroupNorm(groups, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(groups, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Adds to the inputs, averaged over the stride and filled up with zero channels."""
        branch = self.conv1(F.relu(self.norm1(inputs)))
        branch = self.conv2(F.relu(self.norm2(branch)))
        if self.stride > 1:
            inputs = F.avg_pool2d(inputs, self.stride, ceil_mode=True)
        added: Tensor = F.pad(inputs, (0, 0, 0, 0, 0, self.added)) + branch
        return added
