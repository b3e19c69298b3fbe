"""What a `SmallCnn` does with its weights, in parts: other orders for the passes, and gradients.

Every weight belongs to one part, which adds the samples up in their order. So the sums are the
same to the last bit, whatever the number of parts.
"""

from __future__ import annotations

from numba import njit

from atn_gym.envs.engines.kernels.convolution import arrange_filters
from atn_gym.envs.engines.kernels.convolution_gradient import add_weight_gradient
from atn_gym.envs.engines.kernels.layout import Network
from atn_gym.envs.engines.kernels.linear import add_linear_gradient, transpose
from atn_gym.envs.engines.kernels.passes import EIGHT, SIXTEEN
from atn_gym.envs.engines.kernels.teamwork import share
from atn_gym.envs.engines.kernels.vectors import Lanes
from atn_gym.envs.engines.kernels.workspace import Workspace

FOUR = (0,) * 4


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
    part: int,
    parts: int,
    net: Network,
    space: Workspace,
) -> None:
    """Copies the weights of the linear layers into the order that the backward pass reads."""
    weights, features = space.weights, net.second.out_size
    first, last = share(-(-features // 16), part, parts)
    transpose(
        weights,
        net.hidden_weights,
        16 * first,
        min(16 * last, features),
        features,
        net.hidden,
        space.hidden_weights,
    )
    first, last = share(net.hidden // 16, part, parts)
    transpose(
        weights,
        net.output_weights,
        16 * first,
        16 * last,
        net.hidden,
        net.outputs,
        space.output_weights,
    )


@njit
def add_gradients(
    count: int,
    part: int,
    parts: int,
    net: Network,
    space: Workspace,
) -> None:
    """Adds what the first `count` samples give to the gradient of a part of the weights."""
    add_second_gradient(count, part, parts, net, space)
    add_first_gradient(count, part, parts, net, space)
    first, last = share(net.second.out_size // 8, part, parts)
    add_linear_gradient(
        space.features,
        space.hidden_gradient,
        count,
        8 * first,
        8 * last,
        net.second.out_size,
        net.hidden,
        space.gradient,
        net.hidden_weights,
        net.hidden_bias,
        SIXTEEN,
    )
    first, last = share(net.hidden // 8, part, parts)
    add_linear_gradient(
        space.hidden,
        space.logits_gradient,
        count,
        8 * first,
        8 * last,
        net.hidden,
        net.outputs,
        space.gradient,
        net.output_weights,
        net.output_bias,
        SIXTEEN,
    )


@njit
def add_second_gradient(
    count: int,
    part: int,
    parts: int,
    net: Network,
    space: Workspace,
) -> None:
    """The same of a part of the second filters and their biases."""
    conv = net.second
    first, last = share(conv.filters, part, parts)
    for start in range(0, count, net.second_group):
        add_weight_gradient(
            space.pooled,
            start,
            min(net.second_group, count - start),
            first,
            last,
            conv,
            space.second_lists,
            space.gradient,
            net.second_filters,
            net.second_bias,
            (0, 8, 16),
            EIGHT,
        )


@njit
def add_first_gradient(
    count: int,
    part: int,
    parts: int,
    net: Network,
    space: Workspace,
) -> None:
    """The same of a part of the first filters and their biases."""
    conv, lists, out = net.first, space.first_lists, space.gradient
    first, last = share(conv.filters, part, parts)
    for start in range(0, count, net.first_group):
        n = min(net.first_group, count - start)
        where = (space.inputs, start, n, first, last, conv, lists, out, 0, net.first_bias)
        if conv.segment % 24 == 0:
            add_weight_gradient(*where, (0, 8, 16), EIGHT)
        elif conv.segment % 12 == 0:
            add_weight_gradient(*where, (0, 4, 8), FOUR)
        else:
            add_weight_gradient(*where, (0,), FOUR)
