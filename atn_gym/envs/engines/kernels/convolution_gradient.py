"""The backward pass of convolution, max-pool and ReLU, for a few samples.

Max-pooling passes a gradient to one pixel of four, and ReLU stops many. So the gradients
that are not zero are listed by filter, and only these are visited. Samples are listed in
groups, so that what a list points into fits a cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from atn_gym.envs.engines.kernels.convolution import Convolution
from atn_gym.envs.engines.kernels.tiles import accumulate, add_product, load_tile, store_tile
from atn_gym.envs.engines.kernels.vectors import (
    Floats,
    Integers,
    Lanes,
    SmallIntegers,
    broadcast,
    gate,
    item,
    load,
    put,
    store,
)


class Lists(NamedTuple):
    """Gradients that are not zero, by group of samples and filter.

    The list of filter f of a group of n samples that begins at sample s begins at
    (s * filters + f * n) * windows.

    Args:
        ends: Where the list ends, at s * filters + f, int64 (samples * filters,).
        origins: Where the upper left tap of each gradient lies in the inputs, int32
            (samples * filters * windows,).
        values: The gradients, of the same shape.
    """

    ends: Integers
    origins: SmallIntegers
    values: Floats


@njit
def pass_rectifier(
    gradient: Floats,
    activation: Floats,
    first: int,
    last: int,
    conv: Convolution,
    out: Floats,
    lanes: Lanes,
) -> None:
    """Stops the gradient of outputs that ReLU has set to zero, in samples `first` to `last` - 1.

    Args:
        gradient: Gradient of the outputs (samples, out_size).
        activation: The outputs (samples, out_size).
        first: First sample.
        last: End of the samples.
        conv: Sizes.
        out: Receives the gradient before ReLU, without border (samples, windows, stored).
        lanes: Divides `stored`.
    """
    for block in range(0, conv.stored, len(lanes)):
        for s in range(first, last):
            for window in range(conv.windows):
                at = s * conv.out_size + item(conv.places, window) + block
                passed = gate(load(activation, at, lanes), load(gradient, at, lanes))
                store(out, (s * conv.windows + window) * conv.stored + block, passed)


@njit
def list_gradients(
    gradient: Floats,
    winners: SmallIntegers,
    first: int,
    samples: int,
    conv: Convolution,
    lists: Lists,
) -> None:
    """Lists the gradients that are not zero, by filter, of a group of samples.

    Args:
        gradient: Gradient before ReLU (all samples, windows, stored).
        winners: See `convolve`.
        first: First sample of the group.
        samples: Samples in the group.
        conv: Sizes.
        lists: Receives them.
    """
    origins, values = lists.origins, lists.values
    for f in range(conv.filters):
        end = (first * conv.filters + f * samples) * conv.windows
        at = first * conv.windows * conv.stored + f
        for s in range(first, first + samples):
            for _ in range(conv.windows):
                value = item(gradient, at)
                put(origins, end, np.int32(s * conv.size + item(winners, at)))
                put(values, end, value)
                end += value != 0
                at += conv.stored
        put(lists.ends, first * conv.filters + f, end)


@njit
def add_weight_gradient(
    source: Floats,
    first: int,
    samples: int,
    first_filter: int,
    last_filter: int,
    conv: Convolution,
    lists: Lists,
    out: Floats,
    at: int,
    bias: int,
    tile: Lanes,
    lanes: Lanes,
) -> None:
    """Adds to the gradient of some filters (stored, 3, segment) what the lists of a group hold.

    Args:
        source: The inputs that the origins point into.
        first: First sample of the group.
        samples: Samples in the group.
        first_filter: First of the filters.
        last_filter: Their end.
        conv: Sizes.
        lists: What `list_gradients` gave.
        out: Gradient of all weights.
        at: Where those of this convolution begin.
        bias: Where the gradient of its bias begins.
        tile: Multiples of the lanes from 0; as many vectors are summed together.
        lanes: The lanes of a tile divide `segment`.
    """
    origins, values = lists.origins, lists.values
    for f in range(first_filter, last_filter):
        start = (first * conv.filters + f * samples) * conv.windows
        end = item(lists.ends, first * conv.filters + f)
        for column in range(0, conv.segment, len(tile) * len(lanes)):
            upper = at + 3 * f * conv.segment + column
            middle = upper + conv.segment
            lower = middle + conv.segment
            a = load_tile(out, upper, tile, lanes)
            b = load_tile(out, middle, tile, lanes)
            c = load_tile(out, lower, tile, lanes)
            total = item(out, bias + f)
            for i in range(start, end):
                value = broadcast(values, i, lanes)
                total += item(values, i)
                tap = item(origins, i) + column
                a = add_product(a, value, source, tap, tile)
                b = add_product(b, value, source, tap + conv.row, tile)
                c = add_product(c, value, source, tap + 2 * conv.row, tile)
            store_tile(out, upper, tile, a)
            store_tile(out, middle, tile, b)
            store_tile(out, lower, tile, c)
            if column == 0:
                put(out, bias + f, total)


@njit
def add_input_gradient(
    weights: Floats,
    at: int,
    first: int,
    samples: int,
    conv: Convolution,
    lists: Lists,
    out: Floats,
    tile: Lanes,
    lanes: Lanes,
) -> None:
    """Adds to the gradient of the bordered inputs what the lists of a group hold.

    Args:
        weights: All weights.
        at: Where those of this convolution (stored, 3, segment) begin.
        first: First sample of the group.
        samples: Samples in the group.
        conv: Sizes.
        lists: What `list_gradients` gave.
        out: Gradient of the inputs (all samples, size).
        tile: See `add_weight_gradient`.
        lanes: See `add_weight_gradient`.
    """
    origins, values = lists.origins, lists.values
    for f in range(conv.filters):
        start = (first * conv.filters + f * samples) * conv.windows
        end = item(lists.ends, first * conv.filters + f)
        for column in range(0, conv.segment, len(tile) * len(lanes)):
            upper = at + 3 * f * conv.segment + column
            a = load_tile(weights, upper, tile, lanes)
            b = load_tile(weights, upper + conv.segment, tile, lanes)
            c = load_tile(weights, upper + 2 * conv.segment, tile, lanes)
            for i in range(start, end):
                value = broadcast(values, i, lanes)
                tap = item(origins, i) + column
                accumulate(out, tap, tile, value, a)
                accumulate(out, tap + conv.row, tile, value, b)
                accumulate(out, tap + 2 * conv.row, tile, value, c)
