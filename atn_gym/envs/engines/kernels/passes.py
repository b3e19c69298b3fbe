"""The passes of a `SmallCnn` over some samples of a micro-batch: samples in, forward, backward.

No pass reads or writes what belongs to other samples, so that threads may share them.
"""

from __future__ import annotations

from numba import njit

from atn_gym.envs.engines.kernels.convolution import convolve
from atn_gym.envs.engines.kernels.convolution_gradient import (
    add_input_gradient,
    list_gradients,
    pass_rectifier,
)
from atn_gym.envs.engines.kernels.layout import Network
from atn_gym.envs.engines.kernels.linear import (
    cross_entropy_gradient,
    multiply,
    rectify,
    stop_at_rectifier,
)
from atn_gym.envs.engines.kernels.vectors import Floats, Integers, Lanes, item, put
from atn_gym.envs.engines.kernels.workspace import Workspace

EIGHT, SIXTEEN = (0,) * 8, (0,) * 16


@njit
def load_batch(
    inputs: Floats,
    labels: Integers,
    samples: Integers,
    first: int,
    last: int,
    net: Network,
    space: Workspace,
) -> None:
    """Copies samples (depth, height, width) into the middle of bordered ones, and labels."""
    for i in range(first, last):
        sample = samples[i]
        space.labels[i] = labels[sample]
        at = sample * net.depth * net.height * net.width
        for channel in range(net.depth):
            for row in range(net.height):
                to = i * net.first.size + (row + 1) * net.first.row + net.depth + channel
                for _ in range(net.width):
                    put(space.inputs, to, item(inputs, at))
                    at += 1
                    to += net.depth


@njit
def forward(
    first: int,
    last: int,
    net: Network,
    space: Workspace,
    first_lanes: Lanes,
    second_lanes: Lanes,
) -> None:
    """Logits of samples `first` to `last` - 1, where `first` is a multiple of eight."""
    convolve(
        space.inputs,
        first,
        last,
        net.first,
        space.first_filters,
        space.weights,
        net.first_bias,
        space.pooled,
        space.pooled_winners,
        first_lanes,
    )
    convolve(
        space.pooled,
        first,
        last,
        net.second,
        space.second_filters,
        space.weights,
        net.second_bias,
        space.features,
        space.feature_winners,
        second_lanes,
    )
    weights, features = space.weights, net.second.out_size
    multiply(
        space.features,
        first,
        last,
        features,
        weights,
        net.hidden_weights,
        weights,
        net.hidden_bias,
        net.hidden,
        space.hidden,
        SIXTEEN,
    )
    rectify(space.hidden, first * net.hidden, last * net.hidden, SIXTEEN)
    multiply(
        space.hidden,
        first,
        last,
        net.hidden,
        weights,
        net.output_weights,
        weights,
        net.output_bias,
        net.outputs,
        space.logits,
        SIXTEEN,
    )


@njit
def backward(
    first: int,
    last: int,
    scale: float,
    net: Network,
    space: Workspace,
    first_lanes: Lanes,
    second_lanes: Lanes,
) -> None:
    """Gradients of `scale` times the sum of the losses with respect to what layers compute.

    Args:
        first: First sample, a multiple of eight.
        last: End of the samples.
        scale: The factor.
        net: Sizes of the network.
        space: Workspace, after `forward`.
        first_lanes: Lanes of the first convolution.
        second_lanes: Lanes of the second.
    """
    logits = space.logits_gradient
    cross_entropy_gradient(
        space.logits, space.labels, first, last, net.classes, net.outputs, scale, logits
    )
    hidden, features = space.hidden_gradient, space.features_gradient
    multiply(
        logits,
        first,
        last,
        net.outputs,
        space.output_weights,
        0,
        space.zeros,
        0,
        net.hidden,
        hidden,
        SIXTEEN,
    )
    stop_at_rectifier(hidden, space.hidden, first * net.hidden, last * net.hidden, SIXTEEN)
    multiply(
        hidden,
        first,
        last,
        net.hidden,
        space.hidden_weights,
        0,
        space.zeros,
        0,
        net.second.out_size,
        features,
        second_lanes,
    )
    second_backward(first, last, net, space, second_lanes)
    first_backward(first, last, net, space, first_lanes)


@njit
def second_backward(
    first: int,
    last: int,
    net: Network,
    space: Workspace,
    lanes: Lanes,
) -> None:
    """From the gradient of the features to that of the pooled pixels."""
    conv = net.second
    # In place, for features have no border.
    passed = space.features_gradient
    pass_rectifier(passed, space.features, first, last, conv, passed, lanes)
    for start in range(first, last, net.second_group):
        n = min(net.second_group, last - start)
        list_gradients(passed, space.feature_winners, start, n, conv, space.second_lists)
        space.pooled_gradient[start * conv.size : (start + n) * conv.size] = 0
        add_input_gradient(
            space.weights,
            net.second_filters,
            start,
            n,
            conv,
            space.second_lists,
            space.pooled_gradient,
            (0, 8, 16),
            EIGHT,
        )


@njit
def first_backward(
    first: int,
    last: int,
    net: Network,
    space: Workspace,
    lanes: Lanes,
) -> None:
    """From the gradient of the pooled pixels to the lists of the first filters."""
    conv = net.first
    pass_rectifier(space.pooled_gradient, space.pooled, first, last, conv, space.passed, lanes)
    for start in range(first, last, net.first_group):
        n = min(net.first_group, last - start)
        list_gradients(space.passed, space.pooled_winners, start, n, conv, space.first_lists)
