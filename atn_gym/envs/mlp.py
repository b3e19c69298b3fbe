"""A multilayer perceptron."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import nn


class Mlp(nn.Sequential):
    """Linear layers with ReLU between them, on flattened inputs, initialised by PyTorch's defaults.

    Args:
        input_shape: Channels, height and width of a sample.
        num_classes: Number of outputs.
        widths: Widths of the hidden layers, at least one.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        num_classes: int,
        widths: Sequence[int] = (64, 64),
    ) -> None:
        sizes = [math.prod(input_shape), *widths]
        hidden = [(nn.Linear(*pair), nn.ReLU()) for pair in itertools.pairwise(sizes)]
        output = nn.Linear(sizes[-1], num_classes)
        super().__init__(nn.Flatten(), *itertools.chain(*hidden), output)
