"""Memory that the kernels work in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atn_gym.envs.engines.kernels.convolution import Convolution
from atn_gym.envs.engines.kernels.convolution_gradient import Lists
from atn_gym.envs.engines.kernels.layout import Network
from atn_gym.envs.engines.kernels.vectors import Floats, Integers, SmallIntegers


class Workspace(NamedTuple):
    """What the kernels write while they train or evaluate one run.

    Weights, their gradient and what the optimizer keeps are packed, shape (size,). The
    rest holds one micro-batch; see the functions that fill them for the shapes.
    """

    weights: Floats
    momentum: Floats
    square: Floats
    gradient: Floats
    first_filters: Floats
    second_filters: Floats
    hidden_weights: Floats
    output_weights: Floats
    inputs: Floats
    labels: Integers
    pooled: Floats
    pooled_winners: SmallIntegers
    features: Floats
    feature_winners: SmallIntegers
    hidden: Floats
    logits: Floats
    logits_gradient: Floats
    hidden_gradient: Floats
    features_gradient: Floats
    pooled_gradient: Floats
    passed: Floats
    first_lists: Lists
    second_lists: Lists
    zeros: Floats


def make_workspace(network: Network) -> Workspace:
    """Allocates what one run needs; borders and padding are zero."""
    first, second, n = network.first, network.second, network.micro_batch
    return Workspace(
        weights=_zeros(network.size),
        momentum=_zeros(network.size),
        square=_zeros(network.size),
        gradient=_zeros(network.size),
        first_filters=_zeros(first.stored * 3 * first.taps),
        second_filters=_zeros(second.stored * 3 * second.taps),
        hidden_weights=_zeros(second.out_size * network.hidden),
        output_weights=_zeros(network.hidden * network.outputs),
        inputs=_zeros(n * first.size),
        labels=np.zeros(n, dtype=np.int64),
        pooled=_zeros(n * second.size),
        pooled_winners=np.zeros(n * first.windows * first.stored, dtype=np.int32),
        features=_zeros(n * second.out_size),
        feature_winners=np.zeros(n * second.out_size, dtype=np.int32),
        hidden=_zeros(n * network.hidden),
        logits=_zeros(n * network.outputs),
        logits_gradient=_zeros(n * network.outputs),
        hidden_gradient=_zeros(n * network.hidden),
        features_gradient=_zeros(n * second.out_size),
        pooled_gradient=_zeros(n * second.size),
        passed=_zeros(n * first.windows * first.stored),
        first_lists=_make_lists(n, first),
        second_lists=_make_lists(n, second),
        zeros=_zeros(max(second.out_size, network.hidden)),
    )


def _make_lists(samples: int, conv: Convolution) -> Lists:
    size = samples * conv.filters * conv.windows
    ends = np.zeros(samples * conv.filters, dtype=np.int64)
    return Lists(ends, np.zeros(size, dtype=np.int32), _zeros(size))


def _zeros(size: int) -> Floats:
    """Zeros that begin a cache line, with room behind for a vector that ends in padding."""
    memory = np.zeros(size + 64, dtype=np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + size + 32]
