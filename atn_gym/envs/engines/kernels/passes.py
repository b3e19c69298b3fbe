"""The passes of a `SmallCnn` over a micro-batch: samples in, forward, backward."""

from __future__ import annotations

from numba import njit

from atn_gym.envs.engines.kernels.convolution import arrange_filters, convolve
from atn_gym.envs.engines.kernels.convolution_gradient import (
    add_input_gradient,
    add_weight_gradient,
    list_gradients,
    pass_rectifier,
)
from atn_gym.envs.engines.kernels.layout import Network
from atn_gym.envs.engines.kernels.linear import (
    add_linear_gradient,
    cross_entropy_gradient,
    multiply,
    rectify,
    stop_at_rectifier,
    transpose,
)
from atn_gym.envs.engines.kernels.vectors import Floats, Integers, Lanes, item, put
from atn_gym.envs.engines.kernels.workspace import Workspace

FOUR, EIGHT, SIXTEEN = (0,) * 4, (0,) * 8, (0,) * 16


@njit
def load_batch(
    inputs: Floats,
    labels: Integers,
    samples: Integers,
    net: Network,
    space: Workspace,
) -> None:
    """Copies samples (depth, height, width) into the middle of bordered ones, and labels."""
    for i in range(samples.size):
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
def arrange(
    net: Network,
    space: Workspace,
    first_lanes: Lanes,
    second_lanes: Lanes,
) -> None:
    """Copies the filters into the order that the forward pass reads them in."""
    weights = space.weights
    arrange_filters(weights, 0, net.first, space.first_filters, first_lanes)
    arrange_filters(weights, net.second_filters, net.second, space.second_filters, second_lanes)


@njit
def arrange_backward(
    net: Network,
    space: Workspace,
) -> None:
    """Copies the weights of the linear layers into the order that the backward pass reads."""
    weights, features = space.weights, net.second.out_size
    transpose(weights, net.hidden_weights, features, net.hidden, space.hidden_weights)
    transpose(weights, net.output_weights, net.hidden, net.outputs, space.output_weights)


@njit
def forward(
    count: int,
    net: Network,
    space: Workspace,
    first_lanes: Lanes,
    second_lanes: Lanes,
) -> None:
    """Logits of the first `count` samples of the workspace."""
    convolve(
        space.inputs,
        count,
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
        count,
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
        count,
        features,
        weights,
        net.hidden_weights,
        weights,
        net.hidden_bias,
        net.hidden,
        space.hidden,
        SIXTEEN,
    )
    rectify(space.hidden, count * net.hidden, SIXTEEN)
    multiply(
        space.hidden,
        count,
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
    count: int,
    scale: float,
    net: Network,
    space: Workspace,
    first_lanes: Lanes,
    second_lanes: Lanes,
) -> None:
    """Adds the gradient of `scale` times the sum of the losses to that of the weights."""
    logits = space.logits_gradient
    cross_entropy_gradient(
        space.logits, space.labels, count, net.classes, net.outputs, scale, logits
    )
    hidden, features = space.hidden_gradient, space.features_gradient
    multiply(
        logits,
        count,
        net.outputs,
        space.output_weights,
        0,
        space.zeros,
        0,
        net.hidden,
        hidden,
        SIXTEEN,
    )
    stop_at_rectifier(hidden, space.hidden, count * net.hidden, SIXTEEN)
    multiply(
        hidden,
        count,
        net.hidden,
        space.hidden_weights,
        0,
        space.zeros,
        0,
        net.second.out_size,
        features,
        second_lanes,
    )
    add_linear_gradient(
        space.hidden,
        logits,
        count,
        net.hidden,
        net.outputs,
        space.gradient,
        net.output_weights,
        net.output_bias,
        SIXTEEN,
    )
    add_linear_gradient(
        space.features,
        hidden,
        count,
        net.second.out_size,
        net.hidden,
        space.gradient,
        net.hidden_weights,
        net.hidden_bias,
        SIXTEEN,
    )
    second_backward(count, net, space, second_lanes)
    first_backward(count, net, space, first_lanes)


@njit
def second_backward(
    count: int,
    net: Network,
    space: Workspace,
    lanes: Lanes,
) -> None:
    """From the gradient of the features to that of the pooled pixels and the second filters."""
    conv = net.second
    pass_rectifier(
        space.features_gradient,
        space.features,
        count,
        conv,
        space.gradient,
        net.second_bias,
        space.passed,
        lanes,
    )
    lists = space.ends, space.origins, space.values
    tile = (0, 8, 16)
    for first in range(0, count, net.second_group):
        n = min(net.second_group, count - first)
        list_gradients(space.passed, space.feature_winners, first, n, conv, *lists)
        add_weight_gradient(
            space.pooled, n, conv, *lists, space.gradient, net.second_filters, tile, EIGHT
        )
        space.pooled_gradient[first * conv.size : (first + n) * conv.size] = 0
        add_input_gradient(
            space.weights,
            net.second_filters,
            n,
            conv,
            *lists,
            space.pooled_gradient,
            tile,
            EIGHT,
        )


@njit
def first_backward(
    count: int,
    net: Network,
    space: Workspace,
    lanes: Lanes,
) -> None:
    """From the gradient of the pooled pixels to that of the first filters."""
    conv = net.first
    pass_rectifier(
        space.pooled_gradient,
        space.pooled,
        count,
        conv,
        space.gradient,
        net.first_bias,
        space.passed,
        lanes,
    )
    lists = space.ends, space.origins, space.values
    for first in range(0, count, net.first_group):
        n = min(net.first_group, count - first)
        list_gradients(space.passed, space.pooled_winners, first, n, conv, *lists)
        if conv.segment % 24 == 0:
            add_weight_gradient(space.inputs, n, conv, *lists, space.gradient, 0, (0, 8, 16), EIGHT)
        elif conv.segment % 12 == 0:
            add_weight_gradient(space.inputs, n, conv, *lists, space.gradient, 0, (0, 4, 8), FOUR)
        else:
            add_weight_gradient(space.inputs, n, conv, *lists, space.gradient, 0, (0,), FOUR)
