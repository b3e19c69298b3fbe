"""Addition modulo a prime by a transformer: it memorises first, and may generalise later."""

from __future__ import annotations

import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atn_gym.envs.data.dataset import Dataset, Split

PRIME = 53
_TRAIN, _VALIDATION = 1404, 702


class AdditionTransformer(nn.Module):
    """A transformer of one layer without normalisation, which reads "a b =" and answers at "=".

    Only what reaches the last token is computed: its query, and the keys and values of all three.
    Biases are in the feed-forward layers only.

    Args:
        input_shape: Operands, 1, and number of tokens p: samples are one-hot, (operands, 1, p).
        num_classes: Number of outputs.
        width: Width of the residual stream, a multiple of `heads`.
        heads: Number of attention heads.
        hidden: Width of the feed-forward layer.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        num_classes: int,
        width: int = 64,
        heads: int = 4,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        operands, _, tokens = input_shape
        self.heads = heads
        self.embedding = nn.Linear(tokens, width, bias=False)
        self.positions = nn.Parameter(torch.randn(operands, width) / math.sqrt(width))
        self.equals = nn.Parameter(torch.randn(width) / math.sqrt(width))
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.attention = nn.Linear(width, width, bias=False)
        self.hidden = nn.Linear(width, hidden)
        self.feed_forward = nn.Linear(hidden, width)
        self.output = nn.Linear(width, num_classes, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps one-hot operands (N, operands, 1, p) to logits (N, num_classes)."""
        operands = self.embedding(inputs.flatten(2)) + self.positions
        tokens = torch.cat([operands, self.equals.expand(len(inputs), 1, -1)], 1)
        keys, values = (
            layer(tokens).unflatten(2, (self.heads, -1)) for layer in (self.key, self.value)
        )
        query = self.query(self.equals).unflatten(0, (self.heads, -1))
        scores = (keys * query).sum(3, keepdim=True) / math.sqrt(query.shape[1])
        attended = (scores.softmax(1) * values).sum(1).flatten(1)
        stream = self.equals + self.attention(attended)
        stream = stream + self.feed_forward(F.relu(self.hidden(stream)))
        logits: Tensor = self.output(stream)
        return logits


def load_modular_addition(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """All pairs (a, b) below 53, with the class a + b modulo 53, in one order drawn for good.

    1,404 pairs, half of all, are trained on; 702 are for validation and 703 for the test. An input
    holds a and b as one-hot rows, (2, 1, 53).

    Args:
        data_dir: Not used; nothing is downloaded.

    Source:
        A. Power et al., Grokking: Generalization Beyond Overfitting on Small Algorithmic
        Datasets, arXiv:2201.02177, 2022.
    """
    pairs = torch.cartesian_prod(torch.arange(PRIME), torch.arange(PRIME))
    pairs = pairs[torch.from_numpy(np.random.default_rng(0).permutation(len(pairs)))]
    inputs = F.one_hot(pairs, PRIME).float()[:, :, None]
    labels = pairs.sum(1) % PRIME
    ends = (0, _TRAIN, _TRAIN + _VALIDATION, len(pairs))
    parts = [slice(*ends[i : i + 2]) for i in range(3)]
    train, validation, test = (Split(inputs[part].clone(), labels[part].clone()) for part in parts)
    return Dataset(train, validation, test, PRIME)
