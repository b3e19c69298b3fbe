"""The backward pass of convolution, max-pool and ReLU, for a few samples.

Max-pooling passes a gradient to one pixel of four, and ReLU stops many. So the gradients
that are not zero are listed by filter, and only these are visited.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from atn_gym.envs.engines.kernels.convolution import Convolution
from atn_gym.envs.engines.kernels.tiles import accumulate, add_product, load_tile, store_tile
from atn_gym.envs.engines.kernels.vectors import (
    Floats,
    Integers,
    Lanes,
    SmallIntegers,
    add,
    broadcast,
    gate,
    item,
    load,
    put,
    store,
)


@njit
def pass_rectifier(
    gradient: Floats,
    activation: Floats,
    samples: int,
    conv: Convolution,
    bias_gradient: Floats,
    bias: int,
    out: Floats,
    lanes: Lanes,
) -> None:
    """Stops the gradient of outputs that ReLU has set to zero, and sums the bias gradient.

    Args:
        gradient: Gradient of the outputs (samples, out_size).
        activation: The outputs (samples, out_size).
        samples: Number of samples.
        conv: Sizes.
        bias_gradient: Gradient of all weights; that of the bias is added to.
        bias: Where the bias begins.
        out: Receives the gradient before ReLU, without border (samples, windows, stored).
        lanes: Divides `stored`.
    """
    for block in range(0, conv.stored, len(lanes)):
        total = load(bias_gradient, bias + block, lanes)
        for s in range(samples):
            for window in range(conv.windows):
                at = s * conv.out_size + item(conv.places, window) + block
                passed = gate(load(activation, at, lanes), load(gradient, at, lanes))
                total = add(total, passed)
                store(out, (s * conv.windows + window) * conv.stored + block, passed)
        store(bias_gradient, bias + block, total)


@njit
def list_gradients(
    gradient: Floats,
    winners: SmallIntegers,
    first: int,
    samples: int,
    conv: Convolution,
    ends: Integers,
    origins: SmallIntegers,
    values: Floats,
) -> None:
    """Lists the gradients that are not zero, by filter, for a group of samples.

    Args:
        gradient: Gradient before ReLU (all samples, windows, stored).
        winners: See `convolve`.
        first: First sample of the group.
        samples: Samples in the group.
        conv: Sizes.
        ends: Receives where the list of each filter ends, int64 (filters,); the list of
            filter f begins at f * samples * windows.
        origins: Receives where the upper left tap lies, int32.
        values: Receives the gradients.
    """
    for f in range(conv.filters):
        end = f * samples * conv.windows
        at = first * conv.windows * conv.stored + f
        for s in range(first, first + samples):
            for _ in range(conv.windows):
                value = item(gradient, at)
                put(origins, end, np.int32(s * conv.size + item(winners, at)))
                put(values, end, value)
                end += value != 0
                at += conv.stored
        put(ends, f, end)


@njit
def add_weight_gradient(
    source: Floats,
    samples: int,
    conv: Convolution,
    ends: Integers,
    origins: SmallIntegers,
    values: Floats,
    out: Floats,
    at: int,
    tile: Lanes,
    lanes: Lanes,
) -> None:
    """Adds to the gradient of the weights (stored, 3, segment) what a list holds.

    Args:
        source: The inputs that the origins point into.
        samples: Samples in the group of the list.
        conv: Sizes.
        ends: See `list_gradients`.
        origins: See `list_gradients`.
        values: See `list_gradients`.
        out: Gradient of all weights.
        at: Where those of this convolution begin.
        tile: Multiples of the lanes from 0; as many vectors are summed together.
        lanes: The lanes of a tile divide `segment`.
    """
    for f in range(conv.filters):
        for column in range(0, conv.segment, len(tile) * len(lanes)):
            upper = at + 3 * f * conv.segment + column
            middle = upper + conv.segment
            lower = middle + conv.segment
            a = load_tile(out, upper, tile, lanes)
            b = load_tile(out, middle, tile, lanes)
            c = load_tile(out, lower, tile, lanes)
            for i in range(f * samples * conv.windows, item(ends, f)):
                value = broadcast(values, i, lanes)
                tap = item(origins, i) + column
                a = add_product(a, value, source, tap, tile)
                b = add_product(b, value, source, tap + conv.row, tile)
                c = add_product(c, value, source, tap + 2 * conv.row, tile)
            store_tile(out, upper, tile, a)
            store_tile(out, middle, tile, b)
            store_tile(out, lower, tile, c)


@njit
def add_input_gradient(
    weights: Floats,
    at: int,
    samples: int,
    conv: Convolution,
    ends: Integers,
    origins: SmallIntegers,
    values: Floats,
    out: Floats,
    tile: Lanes,
    lanes: Lanes,
) -> None:
    """Adds to the gradient of the bordered inputs what a list holds.

    Args:
        weights: All weights.
        at: Where those of this convolution (stored, 3, segment) begin.
        samples: Samples in the group of the list.
        conv: Sizes.
        ends: See `list_gradients`.
        origins: See `list_gradients`.
        values: See `list_gradients`.
        out: Gradient of the inputs (all samples, size).
        tile: See `add_weight_gradient`.
        lanes: See `add_weight_gradient`.
    """
    for f in range(conv.filters):
        for column in range(0, conv.segment, len(tile) * len(lanes)):
            upper = at + 3 * f * conv.segment + column
            a = load_tile(weights, upper, tile, lanes)
            b = load_tile(weights, upper + conv.segment, tile, lanes)
            c = load_tile(weights, upper + 2 * conv.segment, tile, lanes)
            for i in range(f * samples * conv.windows, item(ends, f)):
                value = broadcast(values, i, lanes)
                tap = item(origins, i) + column
                accumulate(out, tap, tile, value, a)
                accumulate(out, tap + conv.row, tile, value, b)
                accumulate(out, tap + 2 * conv.row, tile, value, c)
